"""Voiceprints that are kept: of the default model, from the clean speech of a recording.

The recording is read once more, and the stretches in which one person alone speaks are cut out and
put together into windows.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from earmark.audio import SAMPLE_RATE, Audio
from earmark.errors import InvalidOption
from earmark.models import ModelStore, answer_alone
from earmark.settings import Settings, get_settings
from earmark.voiceprints._making import WINDOW_S, Heard, VoiceprintMaker, long_enough
from earmark.voiceprints._voiceprint import Voiceprint

__all__ = ["SpeechSpan", "VoiceprintExtractor"]

Float = NDArray[np.float32]

_UNDER_WAY = 8  # windows that may wait for a thread


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeechSpan:
    """A stretch in which one person alone speaks: seconds of the recording, and the channel."""

    start: float
    end: float
    channel: int | None = None


@dataclass(slots=True, eq=False)
class _Stretch:
    """Samples ``first`` to ``last`` (behind) of what is read, as they come in."""

    first: int
    last: int
    channel: int | None
    window: _Window
    samples: list[Float] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Window:
    """Stretches of one speaker that go through the networks together."""

    speaker: str
    stretches: list[_Stretch] = field(default_factory=list)
    missing: int = 0  # stretches that have not come in whole

    def take(self) -> list[Float]:
        """The sound of each stretch that is long enough, which is let go of here."""
        pieces = [np.concatenate(each.samples) for each in self.stretches if each.samples]
        for each in self.stretches:
            each.samples.clear()
        return [each for each in pieces if long_enough(each)]


class VoiceprintExtractor:
    """The two networks at full precision, for many recordings and from many threads at once.

    ``executor`` is where they run, by default as many threads as the settings say; one that is
    given is ended by `close` too.

    Raises `ModelError` or `DiskFull` when a model cannot be had, `MissingExtra` when the installed
    ONNX Runtime lacks the provider of the settings.
    """

    def __init__(
        self, settings: Settings | None = None, executor: ThreadPoolExecutor | None = None
    ) -> None:
        settings = settings or get_settings()
        store = ModelStore(settings)
        threads = settings.threads or os.cpu_count() or 1
        self._maker = VoiceprintMaker.load(store, provider=settings.provider)
        self._fingerprints = {name: store.fingerprint(name) for name in self._maker.names}
        self._executor = executor or ThreadPoolExecutor(threads, thread_name_prefix="earmark")

    @property
    def models(self) -> Mapping[str, str]:
        """Model id -> SHA-256 of what the voiceprints are made with."""
        return self._fingerprints

    def extract(
        self,
        audio: Audio,
        spans: Mapping[str, Sequence[SpeechSpan]],
        *,
        overlap: Mapping[str, float] | None = None,
        on_progress: Callable[[float], None] = lambda _: None,
    ) -> dict[str, Voiceprint]:
        """A voiceprint of each speaker in ``spans`` with a tenth of a second of speech or more.

        ``audio`` comes from `open_audio` or `open_isolated` and is read up to the last span;
        ``overlap`` is the share, 0..1, of a speaker's talk that others talked over, which counts
        in the quality. ``on_progress`` is told the share of what is to be read that has been.
        Memory does not grow with the recording's length.

        Raises `InvalidOption` for a span on a channel that ``audio`` has not, and what reading the
        recording raises.
        """
        for span in (span for own in spans.values() for span in own):
            if span.channel not in audio.channels:
                raise InvalidOption(
                    f"There is speech on channel {span.channel}, but the recording was opened with"
                    f" {audio.channels}: open it with the same channels again."
                )
        windows = _plan(spans, audio.start_s)
        heard: dict[_Window, Heard] = {}
        under_way: deque[tuple[_Window, Future[Heard]]] = deque()
        try:
            for window in _read(audio, windows, on_progress):
                if pieces := window.take():
                    under_way.append((window, self._start(pieces)))
                if len(under_way) > _UNDER_WAY:
                    first, future = under_way.popleft()
                    heard[first] = future.result()
            heard.update((window, future.result()) for window, future in under_way)
        except BaseException:
            for _, future in under_way:
                future.cancel()
            raise
        own: dict[str, list[Heard]] = {}
        for window in windows:
            if window in heard:
                own.setdefault(window.speaker, []).append(heard[window])
        shares = overlap or {}
        return {
            speaker: self._maker.make(parts, overlap=shares.get(speaker, 0.0))
            for speaker, parts in own.items()
        }

    def close(self) -> None:
        """Stop the worker threads."""
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

    def _start(self, pieces: list[Float]) -> Future[Heard]:
        """Have the networks run over the pieces of a window."""
        return self._executor.submit(answer_alone, self._maker.listen(pieces), self._maker.answers)


def _plan(spans: Mapping[str, Sequence[SpeechSpan]], start_s: float) -> list[_Window]:
    """Windows of about the same length per speaker; their stretches count from ``start_s``."""
    windows = []
    for speaker, own in spans.items():
        stretches = []
        for span in sorted(own, key=lambda span: (span.start, span.end)):
            first, last = (round((each - start_s) * SAMPLE_RATE) for each in (span.start, span.end))
            count = -(-(last - first) // round(WINDOW_S * SAMPLE_RATE)) or 1
            cuts = [first + (last - first) * i // count for i in range(count + 1)]
            stretches += [(a, b, span.channel) for a, b in pairwise(cuts)]
        stretches = [(max(a, 0), b, c) for a, b, c in stretches if b > max(a, 0)]
        total = sum(b - a for a, b, _ in stretches)
        share = total / max(1, round(total / SAMPLE_RATE / WINDOW_S))
        done, mine = 0, [_Window(speaker)]
        for a, b, channel in stretches:
            if done + (b - a) / 2 > share * len(mine):
                mine.append(_Window(speaker))
            mine[-1].stretches.append(_Stretch(a, b, channel, mine[-1]))
            mine[-1].missing += 1
            done += b - a
        windows += mine
    return windows


def _read(
    audio: Audio, windows: Sequence[_Window], on_progress: Callable[[float], None]
) -> Iterator[_Window]:
    """The windows as they are complete, then those that the recording ends in."""
    lanes: list[list[_Stretch]] = [[] for _ in audio.channels]
    for window in windows:
        for stretch in window.stretches:
            lanes[audio.channels.index(stretch.channel)].append(stretch)
    coming = [deque(sorted(lane, key=lambda stretch: stretch.first)) for lane in lanes]
    here: list[list[_Stretch]] = [[] for _ in lanes]
    last = max((stretch.last for lane in lanes for stretch in lane), default=0)
    position, blocks = 0, iter(audio)
    while (any(coming) or any(here)) and (block := next(blocks, None)) is not None:
        end = position + block.shape[1]
        for i, row in enumerate(block):
            while coming[i] and coming[i][0].first < end:
                here[i].append(coming[i].popleft())
            for stretch in here[i]:
                part = row[max(stretch.first - position, 0) : stretch.last - position]
                stretch.samples.append(part.copy())
                stretch.window.missing -= stretch.last <= end
                if not stretch.window.missing:
                    yield stretch.window
            here[i] = [stretch for stretch in here[i] if stretch.last > end]
        position = end
        on_progress(min(1.0, position / last))
    yield from (window for window in windows if window.missing)
