"""From a container to pieces of samples on one time line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from earmark.audio._container import (
    header_seconds,
    open_container,
    raise_read_error,
    self_synchronising,
)
from earmark.audio._findings import Findings
from earmark.audio._limits import MAX_RATE, MIN_RATE, TIMED
from earmark.audio._promise import shortfall
from earmark.audio._reader import Reader
from earmark.audio._samples import samples_of
from earmark.errors import AudioTooLarge, DamagedAudio, EmptyAudio, UnsupportedAudio

if TYPE_CHECKING:
    from av import AudioFrame

_GAP_S: Final = 0.1
"""Clocks in containers are coarse; a jump has to be longer than this, in seconds."""

_LONGEST_GAP_S: Final = 3600.0
"""A jump longer than this is a broken clock, not a pause."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """Decoded samples, [channels, n] in the decoder's own type, and where they stand.

    ``position`` counts samples at ``rate`` (Hz) from the start of the recording.
    """

    samples: NDArray[Any]
    rate: int
    position: int


class Decoder:
    """One audio track, decoded in order.

    Raises :class:`EmptyAudio`, :class:`UnsupportedAudio`, :class:`DamagedAudio` or
    :class:`AudioTooLarge` when the first samples cannot be had; :meth:`pieces` raises them later.
    """

    def __init__(self, reader: Reader, findings: Findings, *, max_channels: int) -> None:
        self._reader, self._findings, self._max_channels = reader, findings, max_channels
        self._container, self._stream = open_container(reader)
        self._timed = self._container.format.name in TIMED
        self._position = 0
        self._rate = 0
        self._clock_s: float | None = None
        self._frames = self._decode()
        first = next(self._frames, None)
        if first is None:
            raise self._nothing()
        self._check(first)
        self.rate = first.sample_rate
        self.channels = first.layout.nb_channels
        self.duration_hint = header_seconds(self._container, self._stream)
        self._frames = chain([first], self._frames)

    def close(self) -> None:
        self._container.close()

    def pieces(self) -> Iterator[Piece]:
        """All samples from the start; pauses in the container's clock come as silence."""
        for frame in self._frames:
            self._check(frame)
            samples = samples_of(frame)
            if frame.sample_rate != self._rate:
                if self._rate:
                    self._position = round(self._position * frame.sample_rate / self._rate)
                self._rate = frame.sample_rate
            silence = self._gap(frame)
            if silence:
                quiet = np.broadcast_to(np.int16(0), (samples.shape[0], silence))
                yield Piece(samples=quiet, rate=self._rate, position=self._position)
                self._position += silence
            yield Piece(samples=samples, rate=self._rate, position=self._position)
            self._position += samples.shape[1]

    @property
    def _at_s(self) -> float:
        return self._position / self._rate if self._rate else 0.0

    def _decode(self) -> Iterator[AudioFrame]:
        """Frames as they come; bytes that cannot be decoded are findings."""
        from av.error import FFmpegError

        bare = self_synchronising(self._container)
        begun = False
        lost: str | None = None
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                break
            except FFmpegError as error:
                raise_read_error(self._reader, self._at_s)
                self._findings.damaged(f"the container is broken ({error.strerror})", self._at_s)
                break
            try:
                frames = packet.decode()
            except FFmpegError as error:
                lost = f"a frame cannot be decoded ({error.strerror})"
                if not bare:
                    self._findings.damaged(lost, self._at_s)
                continue
            if frames and bare and lost and begun:
                self._findings.damaged(lost, self._at_s)
            if frames:
                begun, lost = True, None
            yield from frames
        self._finish()

    def _finish(self) -> None:
        raise_read_error(self._reader, self._at_s)
        reason = shortfall(self._reader, self._container, self._stream, self._at_s)
        if reason is not None:
            self._findings.damaged(reason, self._at_s)

    def _nothing(self) -> Exception:
        """The error for a container in which no frame could be decoded."""
        name = self._reader.name
        if self._findings.warnings:
            return DamagedAudio(f"{name} is damaged from its start: none of it is readable.")
        if self_synchronising(self._container):
            return UnsupportedAudio(f"{name} is not audio that can be read: nothing in it decodes.")
        return EmptyAudio(f"{name} is empty: its audio track has no samples.")

    def _check(self, frame: AudioFrame) -> None:
        rate, channels = frame.sample_rate, frame.layout.nb_channels
        name = self._reader.name
        if rate > MAX_RATE:
            raise AudioTooLarge(f"{name} claims {rate} Hz: at most {MAX_RATE} Hz are read.")
        if rate < MIN_RATE or channels < 1:
            raise UnsupportedAudio(
                f"{name} claims {rate} Hz and {channels} channels: "
                f"at least {MIN_RATE} Hz and one channel are needed."
            )
        if channels > self._max_channels:
            raise AudioTooLarge(
                f"{name} has {channels} channels, and {self._max_channels} are accepted: "
                "raise EARMARK_MAX_CHANNELS or take some out."
            )

    def _gap(self, frame: AudioFrame) -> int:
        """Samples of silence before ``frame``: its time stamp against the samples so far."""
        if frame.pts is None or frame.time_base is None:
            return 0
        stamp = float(frame.pts * frame.time_base)
        if self._clock_s is None:
            started = self._container.start_time
            self._clock_s = started / 1e6 if self._timed and started is not None else stamp
        jump = stamp - self._clock_s - self._at_s
        if abs(jump) <= _GAP_S:
            return 0
        if jump > _LONGEST_GAP_S:
            self._findings.damaged(f"its clock jumps by {jump:.0f} s", self._at_s)
        elif jump > 0 and not self._timed:
            self._findings.damaged(f"{jump:.2f} s are lost", self._at_s)
            return round(jump * self._rate)
        elif jump > 0:
            self._findings.note(
                f"A pause of {jump:.2f} s in the recording at {self._at_s:.2f} s is silence here."
            )
            return round(jump * self._rate)
        self._clock_s += jump
        return 0
