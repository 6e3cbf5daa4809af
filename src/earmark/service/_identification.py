"""The result documents of jobs that tell voices apart: identification, voiceprints, comparison."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from earmark.diarization import Diarization
from earmark.errors import InvalidInput
from earmark.service._model import Caller, IdentifyOptions
from earmark.service._people import Candidate, Named
from earmark.voiceprints import Voiceprint

if TYPE_CHECKING:
    from earmark.service._search import Search

__all__ = [
    "Comparison",
    "Identification",
    "NamedSpeaker",
    "Voice",
    "Voices",
    "identify_speakers",
]

_NOBODY = Named(match=None, alternatives=(), margin=None, threshold=0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedSpeaker:
    """A speaker of a recording, and whom they are taken for.

    ``net_speech_s`` and ``quality`` are of the voiceprint that was compared; None where there was
    too little speech of theirs to make one.
    """

    speaker: str
    named: Named
    net_speech_s: float | None
    quality: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Identification:
    """Who spoke when, and who that is: one entry of ``speakers`` per speaker of the diarization.

    Stored without names: the candidates of a gallery are known by their ids alone, and what they
    are called is looked up when they are shown.
    """

    diarization: Diarization
    speakers: tuple[NamedSpeaker, ...]

    @property
    def speaker_ids(self) -> frozenset[str]:
        """The enrolled speakers that somebody was compared with."""
        ids = (each.speaker_id for each in self._candidates())
        return frozenset(each for each in ids if each is not None)

    def with_names(self, names: Mapping[str, str]) -> Self:
        """The same with the names of enrolled speakers, by their ids; others of them have none."""

        def named(each: Candidate) -> Candidate:
            known = each.label if each.speaker_id is None else names.get(each.speaker_id, "")
            return replace(each, label=known)

        def told(each: Named) -> Named:
            match = None if each.match is None else named(each.match)
            return replace(each, match=match, alternatives=tuple(map(named, each.alternatives)))

        speakers = (replace(each, named=told(each.named)) for each in self.speakers)
        return replace(self, speakers=tuple(speakers))

    def named(self) -> Diarization:
        """Who spoke when, with the names of those who were recognised.

        A name that two people have, or that looks like that of somebody unknown, is followed by
        the speaker it stands for.
        """
        people = {
            each.speaker: (each.named.match.label, each.named.match.speaker_id)
            for each in self.speakers
            if each.speaker in self.diarization.speakers
            and each.named.match is not None
            and _is_visible(each.named.match.label)
        }
        bearers = Counter(name for name, _ in set(people.values()))
        bearers.update(self.diarization.speakers)
        return self.diarization.rename(
            {
                speaker: name if bearers[name] == 1 else f"{name} ({speaker})"
                for speaker, (name, _) in people.items()
            }
        )

    def to_json(self, *, frame_confidence: bool = False, names: bool = False) -> bytes:
        """The document ``earmark.identification/1``; it holds no voiceprints.

        ``names`` are told of enrolled speakers too where it is shown, and left out where it is
        stored.
        """
        text = self.diarization.to_json(
            compact=True, voiceprints=False, frame_confidence=frame_confidence
        )
        return _document(
            "earmark.identification/1",
            diarization=json.loads(text),
            speakers=[_named_row(each, names) for each in self.speakers],
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Restore what `to_json` wrote. Raises `InvalidInput` for anything else."""
        document = _read(text, "earmark.identification/1")
        return cls(
            diarization=Diarization.from_json(json.dumps(document["diarization"])),
            speakers=tuple(_named_of(row) for row in document["speakers"]),
        )

    def _candidates(self) -> Iterator[Candidate]:
        for each in self.speakers:
            yield from each.named.alternatives
            if each.named.match is not None:
                yield each.named.match


def identify_speakers(
    search: Search,
    caller: Caller,
    diarization: Diarization,
    options: IdentifyOptions,
    *,
    sent: Sequence[tuple[str, Voiceprint]] = (),
) -> Identification:
    """Name the speakers of a diarization that was made with voiceprints.

    ``sent`` are voiceprints that came with the request, by their labels. Who has no voiceprint,
    for want of speech, is unknown. Raises what `Search.identify` raises.
    """
    voices = diarization.voiceprints
    found = search.identify(caller, voices, options, sent=sent)
    return Identification(
        diarization=replace(diarization, voiceprints={}),
        speakers=tuple(
            NamedSpeaker(
                speaker=speaker,
                named=found.get(speaker, _NOBODY),
                net_speech_s=voices[speaker].net_speech_s if speaker in voices else None,
                quality=voices[speaker].quality if speaker in voices else None,
            )
            for speaker in diarization.speakers
        ),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Voice:
    """One speaker's voiceprint and how long they talk, in seconds."""

    speaker: str
    channel: int | None
    voiceprint: Voiceprint
    talk_time_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Voices:
    """The voiceprints of a recording, the most talkative speaker of each channel first.

    ``channels`` are those that were split, also the silent ones; (None,) for a mix. Biometric
    data: to be stored sealed.
    """

    duration_s: float
    channels: tuple[int | None, ...]
    voices: tuple[Voice, ...]
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, diarization: Diarization) -> Self:
        """The speakers of a diarization that have a voiceprint."""
        talk = {each.speaker: each.talk for each in diarization.chart().speakers}
        channel = {turn.speaker: turn.channel for turn in diarization.turns}
        voices = [
            Voice(
                speaker=speaker,
                channel=channel[speaker],
                voiceprint=voiceprint,
                talk_time_s=talk[speaker],
            )
            for speaker, voiceprint in diarization.voiceprints.items()
        ]
        return cls(
            duration_s=diarization.duration,
            channels=diarization.channels or (None,),
            voices=tuple(sorted(voices, key=lambda each: (-each.talk_time_s, each.speaker))),
            warnings=diarization.warnings,
        )

    def on(self, channel: int | None) -> tuple[Voice, ...]:
        """Those of one channel, the most talkative first."""
        return tuple(each for each in self.voices if each.channel == channel)

    def to_json(self) -> bytes:
        """The document ``earmark.voiceprints/1``."""
        return _document(
            "earmark.voiceprints/1",
            duration=self.duration_s,
            warnings=list(self.warnings),
            channels=[
                {
                    "channel": channel,
                    "speakers": [
                        {
                            "speaker": voice.speaker,
                            "voiceprint": voice.voiceprint.to_base64(),
                            "model": voice.voiceprint.model,
                            "net_speech": voice.voiceprint.net_speech_s,
                            "quality": voice.voiceprint.quality,
                            "talk_time": voice.talk_time_s,
                        }
                        for voice in self.on(channel)
                    ],
                }
                for channel in self.channels
            ],
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Restore what `to_json` wrote. Raises `InvalidInput` for anything else."""
        document = _read(text, "earmark.voiceprints/1")
        return cls(
            duration_s=document["duration"],
            channels=tuple(each["channel"] for each in document["channels"]),
            voices=tuple(
                Voice(
                    speaker=row["speaker"],
                    channel=each["channel"],
                    voiceprint=Voiceprint.from_base64(row["voiceprint"]),
                    talk_time_s=row["talk_time"],
                )
                for each in document["channels"]
                for row in each["speakers"]
            ),
            warnings=tuple(document["warnings"]),
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Comparison:
    """Every voiceprint of one list against every one of another.

    ``llr`` is float64 [a, b], natural log-likelihood ratios.
    """

    llr: NDArray[np.float64]

    def to_json(self) -> bytes:
        """The document ``earmark.comparison/1``: row by row, to four decimals."""
        rows, columns = self.llr.shape
        values = np.round(self.llr, 4).ravel().tolist()
        return _document("earmark.comparison/1", rows=rows, columns=columns, llr=values)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Restore what `to_json` wrote. Raises `InvalidInput` for anything else."""
        document = _read(text, "earmark.comparison/1")
        values = np.array(document["llr"], np.float64)
        return cls(llr=values.reshape(document["rows"], document["columns"]))


def _document(schema: str, **members: object) -> bytes:
    return json.dumps({"schema": schema, **members}, ensure_ascii=False, allow_nan=False).encode()


def _read(text: str | bytes, schema: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text)
    if document.get("schema") != schema:
        raise InvalidInput(f"This is no document of schema {schema}: {document.get('schema')!r}.")
    return document


def _is_visible(name: str) -> bool:
    return any(each.isprintable() and not each.isspace() for each in name)


def _named_row(each: NamedSpeaker, names: bool) -> dict[str, Any]:
    named = each.named
    return {
        "speaker": each.speaker,
        "match": None if named.match is None else _candidate_row(named.match, names),
        "alternatives": [_candidate_row(candidate, names) for candidate in named.alternatives],
        "margin": named.margin,
        "threshold": named.threshold,
        "net_speech": each.net_speech_s,
        "quality": each.quality,
    }


def _candidate_row(candidate: Candidate, names: bool) -> dict[str, Any]:
    row = asdict(candidate)
    if names:
        row["label"] = candidate.label or None  # erased
    elif candidate.speaker_id is not None:
        del row["label"]  # the name of somebody who may be erased later
    return row


def _named_of(row: Mapping[str, Any]) -> NamedSpeaker:
    return NamedSpeaker(
        speaker=row["speaker"],
        named=Named(
            match=None if row["match"] is None else _candidate_of(row["match"]),
            alternatives=tuple(_candidate_of(each) for each in row["alternatives"]),
            margin=row["margin"],
            threshold=row["threshold"],
        ),
        net_speech_s=row["net_speech"],
        quality=row["quality"],
    )


def _candidate_of(row: Mapping[str, Any]) -> Candidate:
    return Candidate(**{**row, "label": row.get("label") or ""})
