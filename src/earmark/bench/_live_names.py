"""How soon a live session knows who speaks.

Everybody in a recording is enrolled from its second half, as the reference says who speaks there
alone, and the first half is followed live.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from earmark.audio import Encoding, PcmFormat, open_audio
from earmark.bench._dataset import Recording
from earmark.bench._diarization import OnStep, silence
from earmark.diarization import Turn, stretches
from earmark.live import (
    Ended,
    Identity,
    LiveConfig,
    LiveEngine,
    LiveSession,
    SpeakerIdentified,
    TurnState,
)
from earmark.settings import Settings
from earmark.voiceprints import (
    Calibration,
    Index,
    SpeechSpan,
    Voiceprint,
    VoiceprintExtractor,
    assign,
)

__all__ = ["Naming", "Person", "bench_naming"]

_SOUND = PcmFormat(encoding=Encoding.PCM_F32LE)
_ENROLLED_S = 5.0  # of speech alone that somebody is enrolled from at least ...
_MOST_S = 30.0  # ... and at most
_HEARD_S = 3.0  # of speech in the first half that somebody can be known by


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Somebody who is enrolled and speaks: seconds from the first word to the right name.

    ``spoken_s`` is how much they had said by then, by themselves; both are None for who was never
    named.
    """

    recording: str
    speaker: str
    after_s: float | None
    spoken_s: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Naming:
    """``people`` who could be named; of ``names`` that were given at any time, ``wrong`` ones."""

    people: tuple[Person, ...]
    names: int
    wrong: int

    @property
    def named(self) -> tuple[Person, ...]:
        """Those who were."""
        return tuple(each for each in self.people if each.after_s is not None)


def bench_naming(
    recordings: Sequence[Recording],
    *,
    settings: Settings,
    false_accept_rate: float = 0.01,
    on_step: OnStep | None = None,
) -> Naming:
    """Follow the first halves of ``recordings``, of one channel each, with galleries of the second.

    Raises what loading the models and reading the recordings raises.
    """
    say = on_step or silence
    people = list[Person]()
    names = wrong = 0
    with VoiceprintExtractor(settings) as extractor, LiveEngine(settings) as engine:
        for recording in recordings:
            say(f"names in {recording.name}")
            known = _enrolled(recording, extractor)
            gallery = _Gallery(known, settings, false_accept_rate)
            told = _followed(recording, engine, gallery)
            spoken = _alone(recording, recording.duration / 2)
            names += len(told)
            wrong += sum(speaker != truth for speaker, truth, _ in told)
            for speaker in sorted(known.keys() & spoken.keys()):
                own = spoken[speaker]
                if sum(end - start for start, end in own) < _HEARD_S:
                    continue
                at = min((at for one, truth, at in told if one == truth == speaker), default=None)
                people.append(
                    Person(
                        recording=recording.name,
                        speaker=speaker,
                        after_s=None if at is None else at - own[0][0],
                        spoken_s=None if at is None else _before(own, at),
                    )
                )
    return Naming(people=tuple(people), names=names, wrong=wrong)


class _Gallery:
    """A recognizer over voiceprints in memory."""

    def __init__(
        self, known: Mapping[str, Voiceprint], settings: Settings, false_accept_rate: float
    ) -> None:
        calibration = Calibration.of(settings)
        self._index = Index(calibration)
        self._index.load((speaker, [voiceprint]) for speaker, voiceprint in known.items())
        self._threshold = calibration.threshold(false_accept_rate, candidates=max(1, len(known)))

    def __call__(self, voices: Mapping[str, Voiceprint]) -> Mapping[str, Identity | None]:
        found = assign(voices, self._index, exclusive=True, threshold_llr=self._threshold)
        return {
            label: None
            if each.match is None
            else Identity(
                speaker_id=each.match.speaker,
                name=each.match.speaker,
                cosine=each.match.cosine,
                llr=each.match.llr,
                probability=each.match.probability,
                margin=each.margin,
            )
            for label, each in found.items()
        }


def _enrolled(recording: Recording, extractor: VoiceprintExtractor) -> dict[str, Voiceprint]:
    """Voiceprints of who speaks alone for long enough in the second half."""
    spans: dict[str, list[SpeechSpan]] = {}
    for speaker, own in _alone(recording, recording.duration, first=recording.duration / 2).items():
        left = _MOST_S
        for start, end in own:
            end = min(end, start + left)
            left -= end - start
            if end > start:
                spans.setdefault(speaker, []).append(SpeechSpan(start=start, end=end))
        if left > _MOST_S - _ENROLLED_S:
            spans.pop(speaker, None)
    with open_audio(recording.path) as audio:
        return extractor.extract(audio, spans)


def _followed(
    recording: Recording, engine: LiveEngine, gallery: _Gallery
) -> list[tuple[str, str | None, float]]:
    """Each name that was given, whose it should have been, and when."""
    session = LiveSession(LiveConfig(format=_SOUND), engine=engine, recognizer=gallery)
    with open_audio(recording.path, end=recording.duration / 2) as audio:
        for block in audio:
            session.push(block[0].tobytes())
    session.finish()
    told = list[tuple[str, str, float]]()
    for event in session.events():
        if isinstance(event, SpeakerIdentified) and event.identity is not None:
            told.append((event.identity.name, event.speaker, event.at))
        elif isinstance(event, Ended):
            break
    turns = session.snapshot().turns
    return [
        (
            name,
            _truth(
                recording,
                [
                    (turn.start, min(turn.end, at))
                    for turn in turns
                    if turn.speaker == label
                    and turn.start < at
                    and turn.state is not TurnState.WITHDRAWN
                ],
            ),
            at,
        )
        for name, label, at in told
    ]


def _truth(recording: Recording, told: Sequence[tuple[float, float]]) -> str | None:
    """Who really speaks most of these stretches."""
    talk: dict[str, float] = {}
    for turn in recording.reference:
        for start, end in told:
            both = min(turn.end, end) - max(turn.start, start)
            if both > 0:
                talk[turn.speaker] = talk.get(turn.speaker, 0.0) + both
    return max(talk, key=lambda speaker: (talk[speaker], speaker), default=None)


def _alone(
    recording: Recording, last: float, *, first: float = 0.0
) -> dict[str, list[tuple[float, float]]]:
    """Where each person alone speaks between two moments, in order."""
    found: dict[str, list[tuple[float, float]]] = {}
    for speaker, start, end in _single(recording.reference):
        start, end = max(start, first), min(end, last)
        if end > start:
            found.setdefault(speaker, []).append((start, end))
    return found


def _single(reference: Sequence[Turn]) -> Iterator[tuple[str, float, float]]:
    for start, end, active in stretches(sorted(reference)):
        if len({turn.speaker for turn in active}) == 1:
            yield active[0].speaker, start, end


def _before(stretches: Sequence[tuple[float, float]], at: float) -> float:
    return sum(max(0.0, min(end, at) - start) for start, end in stretches)
