"""Opening a recording: the one door into this room."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import numpy as np
from numpy.typing import NDArray

from earmark.audio._audio import Audio
from earmark.audio._blocks import cut, gather, resample, sound
from earmark.audio._decoder import Decoder
from earmark.audio._findings import Findings
from earmark.audio._limits import Limits
from earmark.audio._options import (
    Channels,
    OnDamage,
    Selection,
    check_on_damage,
    check_range,
    choose_channels,
)
from earmark.audio._reader import Reader, Source
from earmark.errors import EmptyAudio
from earmark.settings import Settings, get_settings

__all__ = ["AudioStream", "open_audio", "open_reader", "read_audio"]

Float = NDArray[np.float32]


class AudioStream(Audio):
    """A recording being read: iterate once over its blocks, inside ``with`` or to the end.

    Blocks are float32 [channels, n], C-contiguous, finite, in [-1, 1], at 16 kHz, with
    1 <= n <= 160000. Not for use by several threads at once.
    """

    def __init__(
        self,
        reader: Reader,
        decoder: Decoder,
        findings: Findings,
        selection: Selection,
        *,
        start: float,
        end: float | None,
        budget_s: float,
    ) -> None:
        self._reader, self._decoder, self._findings = reader, decoder, findings
        self._selection, self._start, self._end = selection, start, end
        pieces = cut(decoder.pieces(), start=start, end=end, budget_s=budget_s, name=reader.label)
        blocks = sound(gather(pieces, selection, findings), findings)
        self._blocks = self._to_the_end(resample(blocks, selection))

    @property
    def channels(self) -> tuple[int | None, ...]:
        """The index of each channel that comes out; ``(None,)`` for the mix."""
        return self._selection.channels

    @property
    def duration_hint(self) -> float | None:
        """Seconds that should come out, as far as the header tells; it may lie."""
        whole = self._decoder.duration_hint
        last = self._end if whole is None else min(whole, self._end or whole)
        return None if last is None else max(0.0, last - self._start)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was wrong and taken anyway; complete when the iteration has ended."""
        return self._findings.warnings

    @property
    def start_s(self) -> float:
        """Where in the recording the first sample stands, in seconds."""
        return self._start

    def close(self) -> None:
        """Let go of the file and the decoder; nothing more comes out."""
        # First the generator: FFmpeg must not be asked for more once its memory is freed.
        self._blocks.close()
        self._release()

    def __iter__(self) -> Iterator[Float]:
        return self._blocks

    def _to_the_end(self, blocks: Iterator[Float]) -> Generator[Float]:
        empty = True
        try:
            for block in blocks:
                empty = False
                yield block
        finally:
            self._release()
        if empty:
            raise EmptyAudio(f"{self._reader.label} has no samples{self._range_text()}.")

    def _release(self) -> None:
        self._decoder.close()
        self._reader.close()

    def _range_text(self) -> str:
        if not self._start and self._end is None:
            return ""
        last = "its end" if self._end is None else f"{self._end:g} s"
        return f" between {self._start:g} s and {last}"


def open_audio(
    source: Source,
    *,
    channels: Channels = "mix",
    start: float | None = None,
    end: float | None = None,
    on_damage: OnDamage = "error",
    settings: Settings | None = None,
) -> AudioStream:
    """Open a recording and read it as 16 kHz float32 blocks, in constant memory.

    ``source`` is a path, the bytes of a file, or a binary file object (read from where it stands,
    seekable or not, never closed here). ``channels`` is ``"mix"`` (the average of all), ``"split"``
    (each by itself) or a list of channel indices. ``start`` and ``end`` are seconds in the
    recording. With ``on_damage="warn"`` what can be read of a damaged file is delivered and
    :attr:`AudioStream.warnings` says what was wrong.

    Raises :class:`InvalidOption` for a bad choice, :class:`AudioNotFound`,
    :class:`UnsupportedAudio`, :class:`EmptyAudio`, :class:`DamagedAudio`, :class:`InvalidSamples`
    and :class:`AudioTooLarge` (the limits are ``max_duration_s``, ``max_channels``,
    ``max_sample_rate`` and ``max_decoded_samples`` of the settings), here or while iterating.
    """
    limits = Limits.of(settings or get_settings())
    check_range(start, end)
    check_on_damage(on_damage)
    return open_reader(
        Reader(source), limits, channels=channels, start=start, end=end, on_damage=on_damage
    )


def open_reader(
    reader: Reader,
    limits: Limits,
    *,
    channels: Channels,
    start: float | None,
    end: float | None,
    on_damage: OnDamage,
) -> AudioStream:
    """`open_audio` of a reader, which is closed with the stream or when this fails."""
    try:
        findings = Findings(reader.label, tolerant=check_on_damage(on_damage))
        decoder = Decoder(reader, findings, limits)
        try:
            selection = choose_channels(channels, decoder.channels)
            decoder.skip_to(start or 0.0)
        except Exception:
            decoder.close()
            raise
    except BaseException:
        reader.close()
        raise
    return AudioStream(
        reader,
        decoder,
        findings,
        selection,
        start=start or 0.0,
        end=end,
        budget_s=limits.max_duration_s,
    )


def read_audio(
    source: Source,
    *,
    channels: Channels = "mix",
    start: float | None = None,
    end: float | None = None,
    on_damage: OnDamage = "error",
    settings: Settings | None = None,
) -> Float:
    """The whole recording at once: float32 [channels, samples] at 16 kHz; see `open_audio`."""
    with open_audio(
        source, channels=channels, start=start, end=end, on_damage=on_damage, settings=settings
    ) as audio:
        return np.concatenate(list(audio), axis=1)
