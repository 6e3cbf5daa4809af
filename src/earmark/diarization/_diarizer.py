"""Diarizing a recording, from opening it to the result."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from numbers import Integral
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np

from earmark.audio import Audio, Channels, Source, open_audio
from earmark.diarization._analysis import Analysis
from earmark.diarization._channel import Channel, Span, label_channel
from earmark.diarization._clustering import CountHint
from earmark.diarization._confidence import FrameConfidence
from earmark.diarization._crosstalk import without_crosstalk
from earmark.diarization._evidence import Evidence
from earmark.diarization._grid import FRAME_S, FRAME_START_S
from earmark.diarization._models import Models
from earmark.diarization._parameters import ACCURATE, FAST
from earmark.diarization._progress import OnProgress, Reporter
from earmark.diarization._result import Diarization
from earmark.diarization._turn import Turn
from earmark.errors import InvalidOption
from earmark.models import ModelStore
from earmark.settings import Settings, get_settings
from earmark.voiceprints import Voiceprint

__all__ = ["Diarizer", "diarize"]

_ANALYSED = 0.97  # share of the work that is done when the recording has been read
_GUESS_S = 3600.0  # length at which a recording of unknown length is half-way


class Diarizer:
    """Loaded models, to be used for many recordings and from many threads at once.

    ``fast`` uses one embedding network instead of two and half the segmentation windows.

    Raises `ModelError` or `DiskFull` when a model cannot be had, `MissingExtra` when the installed
    ONNX Runtime lacks the provider of the settings.
    """

    def __init__(self, *, settings: Settings | None = None, fast: bool = False) -> None:
        self._settings = settings or get_settings()
        self._parameters = FAST if fast else ACCURATE
        self._voiceprint_model = "diarization-fast-1" if fast else "diarization-1"
        store = ModelStore(self._settings)
        provider = self._settings.provider
        threads = self._settings.threads or _usable_cores()
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="earmark")
        try:
            self._models = Models.load(
                store, self._parameters.networks, provider=provider, executor=self._executor
            )
        except BaseException:
            self.close()
            raise
        self._fingerprints = {name: store.fingerprint(name) for name in self._models.names}

    def diarize(
        self,
        source: Source,
        *,
        speakers: int | None = None,
        min_speakers: int | None = None,
        max_speakers: int | None = None,
        channels: Channels = "mix",
        start: float | None = None,
        end: float | None = None,
        on_progress: OnProgress | None = None,
        on_damage: Literal["error", "warn"] = "error",
    ) -> Diarization:
        """Say who speaks when in ``source``: a path, the bytes of a file, or a binary file object.

        ``speakers`` is how many people speak, if that is known; ``min_speakers`` and
        ``max_speakers`` are limits. They are kept to (per channel, when channels are split), or
        the result carries a warning. ``channels`` is "mix" (the average of all), "split" (each by
        itself, with speakers of its own, less what it only overhears of another one) or a list of
        channels to be split. ``start`` and ``end``
        are seconds in the recording and limit what is analysed. ``on_progress`` is called as the
        work goes on. With ``on_damage="warn"`` a damaged file yields what could be read of it.

        Raises `InvalidOption` for options that make no sense, `AudioNotFound`, `AudioTooLarge`, a
        kind of `AudioError` for what cannot be read, and `Canceled` when ``on_progress`` says so.
        """
        _hint(speakers, min_speakers, max_speakers)
        with open_audio(
            source,
            channels=channels,
            start=start,
            end=end,
            on_damage=on_damage,
            settings=self._settings,
        ) as audio:
            return self.diarize_stream(
                audio,
                speakers=speakers,
                min_speakers=min_speakers,
                max_speakers=max_speakers,
                uri=_stem(source),
                on_progress=on_progress,
            )

    def diarize_stream(
        self,
        audio: Audio,
        *,
        speakers: int | None = None,
        min_speakers: int | None = None,
        max_speakers: int | None = None,
        uri: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> Diarization:
        """Say who speaks when in an opened recording, which is read to its end: see `diarize`.

        ``audio`` comes from `open_audio` or `open_isolated`, which choose its channels and range;
        ``uri`` is what the exports call the recording.
        """
        hint = _hint(speakers, min_speakers, max_speakers)
        report = Reporter(on_progress)
        report("analysing", 0.0)
        evidence = self._analyse(audio, report)
        report("clustering", _ANALYSED)
        found = without_crosstalk(evidence)
        answers = []
        for i, channel in enumerate(found, 1):
            answers.append(label_channel(channel, hint, self._parameters))
            report("labelling", _ANALYSED + (1 - _ANALYSED) * i / len(found))
        return self._result(
            answers,
            audio.channels,
            hint,
            duration=found[0].duration,
            start=audio.start_s,
            uri=uri,
            warnings=audio.warnings,
        )

    def close(self) -> None:
        """Stop the worker threads; a diarizer that is dropped does that by itself."""
        self._executor.shutdown(cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _analyse(self, audio: Audio, report: Reporter) -> list[Evidence]:
        """Read the recording to its end and analyse every channel."""
        analyses = [
            Analysis(self._models, self._parameters, self._executor) for _ in audio.channels
        ]
        heard, length = 0.0, audio.duration_hint

        def step() -> None:
            done = sum(analysis.analysed_s for analysis in analyses) / len(analyses)
            share = done / length if length else done / (done + _GUESS_S)
            report("analysing", _ANALYSED * min(1.0, share))

        try:
            for block in audio:
                for analysis, samples in zip(analyses, block, strict=True):
                    analysis.push(samples)
                heard += block.shape[1] / 16000
                step()
            length = heard
            return [analysis.finish(step) for analysis in analyses]
        except BaseException:
            for analysis in analyses:
                analysis.abandon()
            raise

    def _result(
        self,
        answers: list[Channel],
        names: tuple[int | None, ...],
        hint: CountHint,
        *,
        duration: float,
        start: float,
        uri: str | None,
        warnings: tuple[str, ...],
    ) -> Diarization:
        turns: list[Turn] = []
        exclusive: list[Turn] = []
        voiceprints = {}
        for answer, channel in zip(answers, names, strict=True):
            prefix = "" if channel is None else f"CH{channel}_"
            labels = [f"{prefix}SPEAKER_{k:02d}" for k in range(len(answer.centroids))]
            turns += _turns(answer.spans, labels, channel, start)
            exclusive += _turns(answer.exclusive, labels, channel, start)
            for label, vector, seconds in zip(
                labels, answer.centroids, answer.net_speech_s, strict=True
            ):
                if vector.any():
                    voiceprints[label] = Voiceprint(
                        vector=vector,
                        model=self._voiceprint_model,
                        net_speech_s=round(float(seconds), 3),
                    )
            missed = hint.missed(len(labels))
            if missed:
                where = "" if channel is None else f" on channel {channel}"
                warnings = (*warnings, f"{missed}{where}.")
        return Diarization(
            turns=tuple(turns),
            exclusive=tuple(exclusive),
            duration=duration,
            start_s=start,
            voiceprints=voiceprints,
            confidence=FrameConfidence(
                values=np.stack([answer.confidence for answer in answers]),
                step=FRAME_S,
                start=start + FRAME_START_S,
            ),
            warnings=warnings,
            uri=uri,
            models=self._fingerprints,
            settings=asdict(self._parameters) | {"networks": "+".join(self._parameters.networks)},
        )


def diarize(
    source: Source,
    *,
    speakers: int | None = None,
    min_speakers: int | None = None,
    max_speakers: int | None = None,
    channels: Channels = "mix",
    start: float | None = None,
    end: float | None = None,
    on_progress: OnProgress | None = None,
    on_damage: Literal["error", "warn"] = "error",
) -> Diarization:
    """Say who speaks when in one recording; see `Diarizer.diarize`, and use that for several."""
    with Diarizer() as diarizer:
        return diarizer.diarize(
            source,
            speakers=speakers,
            min_speakers=min_speakers,
            max_speakers=max_speakers,
            channels=channels,
            start=start,
            end=end,
            on_progress=on_progress,
            on_damage=on_damage,
        )


def _usable_cores() -> int:
    """Cores that this process may use; not every system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _hint(speakers: int | None, least: int | None, most: int | None) -> CountHint:
    for name, value in (("speakers", speakers), ("min_speakers", least), ("max_speakers", most)):
        if value is None:
            continue
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            raise InvalidOption(f"{name} is a whole number from 1 up, not {value!r}.")
    if speakers is not None and (least is not None or most is not None):
        raise InvalidOption(
            "speakers is the exact number of speakers; leave min_speakers and max_speakers out."
        )
    if least is not None and most is not None and least > most:
        raise InvalidOption(f"min_speakers {least} is more than max_speakers {most}.")
    if speakers is not None:
        least = most = speakers
    return CountHint(least=least or 0, most=most)


def _turns(spans: list[Span], labels: list[str], channel: int | None, start: float) -> list[Turn]:
    return [
        Turn(
            start=start + span.start,
            end=start + span.end,
            speaker=labels[span.speaker],
            channel=channel,
            confidence=span.confidence,
        )
        for span in spans
    ]


def _stem(source: Source) -> str | None:
    """What the exports call the recording; file names need not be Unicode, exports must."""
    if not isinstance(source, str | os.PathLike):
        return None
    return Path(source).stem.encode("utf-8", "replace").decode("utf-8")
