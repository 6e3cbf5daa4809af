"""Diarizing a recording, or finding its speech, from opening it to the result."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType
from typing import Literal, Self

from earmark.audio import Audio, Channels, Source, open_audio
from earmark.diarization._analysis import Analysis
from earmark.diarization._answer import diarization_of
from earmark.diarization._channel import find_speech, label_channel
from earmark.diarization._clustering import CountHint
from earmark.diarization._crosstalk import without_crosstalk
from earmark.diarization._listening import listen
from earmark.diarization._models import Models
from earmark.diarization._parameters import ACCURATE, FAST
from earmark.diarization._progress import OnProgress, Reporter
from earmark.diarization._result import Diarization
from earmark.diarization._sources import rewinder, stem
from earmark.diarization._speech import ChannelSpeech, SpeechActivity
from earmark.diarization._voices import clean_spans, overlap_shares
from earmark.models import ModelStore
from earmark.settings import Settings, get_settings
from earmark.voiceprints import VoiceprintExtractor

__all__ = ["Diarizer", "diarize"]

_ANALYSED = 0.97  # share of the work that is done when the recording has been read
_DIARIZED = 0.9  # share of it when only the voiceprints are missing
_SPEECH_PARAMETERS = ("window_step", "speech_on", "speech_off", "hangover", "shortest")


class Diarizer:
    """Loaded models, to be used for many recordings and from many threads at once.

    ``fast`` uses one embedding network instead of two and half the segmentation windows.
    ``executor`` is where the networks run, by default as many threads as the settings say; one
    that is given is ended by `close` too.

    Raises `ModelError` or `DiskFull` when a model cannot be had, `MissingExtra` when the installed
    ONNX Runtime lacks the provider of the settings.
    """

    def __init__(
        self,
        *,
        settings: Settings | None = None,
        fast: bool = False,
        executor: ThreadPoolExecutor | None = None,
    ) -> None:
        self._settings = settings or get_settings()
        self._parameters = FAST if fast else ACCURATE
        store = ModelStore(self._settings)
        provider = self._settings.provider
        threads = self._settings.threads or _usable_cores()
        self._executor = executor or ThreadPoolExecutor(threads, thread_name_prefix="earmark")
        try:
            self._models = Models.load(
                store, self._parameters.networks, provider=provider, executor=self._executor
            )
        except BaseException:
            self.close()
            raise
        self._fingerprints = {name: store.fingerprint(name) for name in self._models.names}
        self._extractor: VoiceprintExtractor | None = None  # until a voiceprint is asked for
        self._extractor_lock = threading.Lock()

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
        voiceprints: bool = False,
        on_progress: OnProgress | None = None,
        on_damage: Literal["error", "warn"] = "error",
    ) -> Diarization:
        """Say who speaks when in ``source``: a path, the bytes of a file, or a binary file object.

        ``speakers`` is how many people speak, if that is known; ``min_speakers`` and
        ``max_speakers`` are limits. They are kept to (per channel, when channels are split), or
        the result carries a warning. ``channels`` is "mix" (the average of all), "split" (each by
        itself, with speakers of its own, less what it only overhears of another one) or a list of
        channels to be split. ``start`` and ``end``
        are seconds in the recording and limit what is analysed. With ``voiceprints`` the recording
        is read again for voiceprints of the default model: see `read_voices`. ``on_progress`` is
        called as the work goes on. With ``on_damage="warn"`` a damaged file yields what could be
        read of it.

        Raises `InvalidOption` for options that make no sense (a file object that cannot be read
        again is no source of voiceprints), `AudioNotFound`, `AudioTooLarge`, a
        kind of `AudioError` for what cannot be read, and `Canceled` when ``on_progress`` says so.
        """
        hint = CountHint.of(speakers, min_speakers, max_speakers)
        again = rewinder(source) if voiceprints else None

        def opened() -> Audio:
            return open_audio(
                source,
                channels=channels,
                start=start,
                end=end,
                on_damage=on_damage,
                settings=self._settings,
            )

        with opened() as audio:
            report = Reporter(on_progress, share=_DIARIZED if voiceprints else 1.0)
            result = self._diarize(audio, hint, stem(source), report)
        if again is None:
            return result
        again()
        report.go_on()
        with opened() as audio:
            return self._read_voices(audio, result, report)

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
        hint = CountHint.of(speakers, min_speakers, max_speakers)
        return self._diarize(audio, hint, uri, Reporter(on_progress))

    def _diarize(
        self, audio: Audio, hint: CountHint, uri: str | None, report: Reporter
    ) -> Diarization:
        report("analysing", 0.0)
        analyses = [
            Analysis(self._models, self._parameters, self._executor) for _ in audio.channels
        ]
        evidence = listen(audio, analyses, report, share=_ANALYSED)
        report("clustering", _ANALYSED)
        found = without_crosstalk(evidence)
        answers = []
        for i, channel in enumerate(found, 1):
            answers.append(label_channel(channel, hint, self._parameters))
            report("labelling", _ANALYSED + (1 - _ANALYSED) * i / len(found))
        return diarization_of(
            answers,
            audio.channels,
            hint,
            self._parameters,
            duration=found[0].duration,
            start=audio.start_s,
            uri=uri,
            warnings=audio.warnings,
            models=self._fingerprints,
        )

    def read_voices(
        self,
        audio: Audio,
        diarization: Diarization,
        *,
        on_progress: OnProgress | None = None,
    ) -> Diarization:
        """The same diarization with voiceprints of the default model.

        ``audio`` is the recording that ``diarization`` is of, opened afresh with the same channels
        and range; it is read up to the last stretch that is used. Each speaker's clearest speech
        without overlap is, 30 s of it at most; who is never heard alone has no voiceprint. The
        networks for it are loaded the first time.

        Raises what `diarize_stream` raises, and `ModelError` when a network cannot be had.
        """
        return self._read_voices(audio, diarization, Reporter(on_progress))

    def detect_speech(
        self,
        source: Source,
        *,
        channels: Channels = "mix",
        start: float | None = None,
        end: float | None = None,
        on_progress: OnProgress | None = None,
        on_damage: Literal["error", "warn"] = "error",
    ) -> SpeechActivity:
        """Say where somebody speaks in ``source``, as `diarize` decides it but not who it is.

        The arguments are those of `diarize`. Each channel is taken by itself: what it overhears of
        another one is speech too. Raises what `diarize` raises.
        """
        with open_audio(
            source,
            channels=channels,
            start=start,
            end=end,
            on_damage=on_damage,
            settings=self._settings,
        ) as audio:
            return self.detect_speech_stream(audio, uri=stem(source), on_progress=on_progress)

    def detect_speech_stream(
        self, audio: Audio, *, uri: str | None = None, on_progress: OnProgress | None = None
    ) -> SpeechActivity:
        """Say where somebody speaks in an opened recording: see `detect_speech`.

        ``audio`` and ``uri`` are as in `diarize_stream`.
        """
        report = Reporter(on_progress)
        report("analysing", 0.0)
        models, parameters = self._models.of_speech(), self._parameters
        analyses = [
            Analysis(models, parameters, self._executor, voices=False) for _ in audio.channels
        ]
        evidence = listen(audio, analyses, report, share=_ANALYSED)
        found = tuple(
            ChannelSpeech(
                channel=channel,
                segments=tuple(
                    (first + audio.start_s, last + audio.start_s)
                    for first, last in find_speech(one, parameters)
                ),
            )
            for channel, one in zip(audio.channels, evidence, strict=True)
        )
        report("labelling", 1.0)
        return SpeechActivity(
            channels=found,
            duration=evidence[0].duration,
            start_s=audio.start_s,
            warnings=audio.warnings,
            uri=uri,
            models={name: self._fingerprints[name] for name in models.names},
            settings={name: getattr(parameters, name) for name in _SPEECH_PARAMETERS},
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

    def _read_voices(self, audio: Audio, diarization: Diarization, report: Reporter) -> Diarization:
        report("voiceprints", 0.0)
        with self._extractor_lock:
            if self._extractor is None:
                self._extractor = VoiceprintExtractor(self._settings, self._executor)
        voiceprints = self._extractor.extract(
            audio,
            clean_spans(diarization),
            overlap=overlap_shares(diarization),
            on_progress=lambda share: report("voiceprints", share),
        )
        report("voiceprints", 1.0)
        return replace(
            diarization,
            voiceprints=voiceprints,
            models={**diarization.models, **self._extractor.models},
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
