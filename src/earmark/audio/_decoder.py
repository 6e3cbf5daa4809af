"""From a container to pieces of samples on one time line."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Final

from earmark.audio._container import (
    can_seek_exactly,
    header_seconds,
    open_container,
    self_synchronising,
)
from earmark.audio._findings import Findings
from earmark.audio._limits import MIN_RATE, TIMED, Limits
from earmark.audio._ogg import pages_lost
from earmark.audio._promise import all_there, shortfall
from earmark.audio._reader import Reader
from earmark.audio._samples import samples_of
from earmark.audio._timeline import Arrival, Piece, Timeline, Trail
from earmark.errors import AudioTooLarge, DamagedAudio, EmptyAudio, UnsupportedAudio

if TYPE_CHECKING:
    from av import AudioFrame

__all__ = ["Decoder"]

_WORTH_SEEKING_S: Final = 10
"""Less than this is decoded and dropped, in seconds."""

_SKIPPED_BYTES: Final = 4096
"""More bytes than this between two packets of a lone track are no header: they were skipped."""

_UNDECODABLE: Final = "a frame cannot be decoded"

_TAGS: Final = (b"ID3", b"TAG", b"APETAGEX")
"""How tags begin, which stand between the frames where bare files were joined."""


class Decoder:
    """One audio track, decoded in order.

    ``rate`` (Hz) and ``channels`` are those of the first samples, ``duration_hint`` (seconds) is
    what the header tells.

    Raises :class:`EmptyAudio`, :class:`UnsupportedAudio`, :class:`DamagedAudio` or
    :class:`AudioTooLarge` when the first samples cannot be had; :meth:`pieces` raises them later.
    """

    def __init__(self, reader: Reader, findings: Findings, limits: Limits) -> None:
        self._reader, self._findings, self._limits = reader, findings, limits
        self._arrivals: Iterator[Arrival]
        self._open()
        first = next(self._arrivals, None)
        if first is None:
            raise self._nothing()
        self.rate, self.channels = first.rate, first.samples.shape[0]
        self.duration_hint = header_seconds(self._container, self._stream)
        self._arrivals = chain([first], self._arrivals)

    def close(self) -> None:
        """Free FFmpeg's memory; the reader stays open."""
        self._container.close()

    def skip_to(self, seconds: float) -> None:
        """Go near ``seconds``, not past it, where that cannot change a single sample; else stay."""
        exact = can_seek_exactly(self._container, self._stream, self.rate)
        if seconds < _WORTH_SEEKING_S or not exact or not self._reader.seekable():
            return
        if not self._land_before(int(seconds * self.rate)):
            # The range begins past the end, or the file is damaged: find out in order.
            self._container.close()
            self._open()

    def pieces(self) -> Iterator[Piece]:
        """All samples from the start; pauses in the container's clock come as silence."""
        for arrival in self._arrivals:
            yield from self._timeline.lay(arrival)

    def _open(self) -> None:
        self._container, self._stream = open_container(self._reader, self._findings)
        timed = self._container.format.name in TIMED
        start = self._container.start_time
        self._decoded = 0
        self._timeline = Timeline(
            self._findings,
            coarse=timed,
            lost=self._lost,
            origin_s=start / 1e6 if timed and start is not None else None,
        )
        self._arrivals = self._decode()

    def _land_before(self, target: int) -> bool:
        """Seek, and decode one frame; whether it stands at or before sample ``target``."""
        from av.error import FFmpegError

        # What is found on a trial is not reported: one that fails is forgotten.
        findings, self._findings = self._findings, Findings(self._reader.label, tolerant=False)
        try:
            self._container.seek(target, stream=self._stream)
            arrivals = self._decode()
            first = next(arrivals, None)
        except (FFmpegError, DamagedAudio):
            return False
        finally:
            self._findings = findings
        if first is None or first.stamp_s is None or round(first.stamp_s * self.rate) > target:
            return False
        self._timeline.start_at(round(first.stamp_s * self.rate), self.rate)
        self._arrivals = chain([first], arrivals)
        return True

    def _decode(self) -> Iterator[Arrival]:
        """Samples as they come; bytes that cannot be decoded are findings."""
        from av.error import FFmpegError, PatchWelcomeError

        bare = self_synchronising(self._container)
        begun, lost, broken, trail, size = False, False, "", Trail(), 0
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, BlockingIOError, IndexError):
                # Beside the usual end: MPEG-TS reports junk after its last packet as a read to be
                # tried again, and PyAV stumbles at the end over tracks that appeared on the way.
                break
            except PatchWelcomeError:
                broken = "it goes on in another format, which is not followed"
                break
            except FFmpegError as error:
                broken = f"its container is broken ({error.strerror})"
                break
            try:
                frames = packet.decode()
            except FFmpegError:
                if self._reader.error is not None:
                    break
                lost = lost or not (bare and bytes(packet).startswith(_TAGS))
                if not bare:
                    self._findings.damaged(_UNDECODABLE, self._timeline.seconds)
                continue
            if bare and lost and begun and frames:
                self._findings.damaged(_UNDECODABLE, self._timeline.seconds)
            trail, size = trail.then(packet.pos, size), packet.size
            for frame in frames:
                self._check(frame)
                # Bare frames carry no time: FFmpeg's stamps only count them.
                stamp = None if bare else frame.time
                yield Arrival(samples_of(frame), frame.sample_rate, stamp, lost, trail)
                begun, lost = True, False
        self._finish(broken)

    def _finish(self, broken: str) -> None:
        at_s = self._timeline.seconds
        reason: str | None
        if isinstance(self._reader.error, OSError):
            reason = f"it cannot be read any further ({self._reader.error})"
        else:
            self._reader.raise_error()
            reason = shortfall(self._reader, self._container, self._stream, at_s)
        if reason is None and broken and not all_there(self._container, self._stream, at_s):
            reason = broken
        if reason is not None:
            self._findings.damaged(reason, at_s)

    def _lost(self, trail: Trail) -> bool:
        """Whether bytes of the track are missing where its clock jumps."""
        if self._container.format.name == "ogg":
            # FFmpeg notices a loss one page late.
            return pages_lost(self._reader, trail.places)
        if self._container.format.name not in TIMED:
            return True
        alone = len(self._container.streams) == 1 and trail.end > 0
        return alone and trail.places[-1] - trail.end > _SKIPPED_BYTES

    def _nothing(self) -> Exception:
        """The error for a container in which no frame could be decoded."""
        name = self._reader.label
        if self._findings.warnings:
            return DamagedAudio(f"{name} is damaged from its start: none of it is readable.")
        if self_synchronising(self._container):
            return UnsupportedAudio(f"{name} is not audio that can be read: nothing in it decodes.")
        return EmptyAudio(f"{name} is empty: its audio track has no samples.")

    def _check(self, frame: AudioFrame) -> None:
        rate, channels = frame.sample_rate, frame.layout.nb_channels
        name, limits = self._reader.label, self._limits
        if rate > limits.max_sample_rate:
            raise AudioTooLarge(
                f"{name} claims {rate} Hz, and at most {limits.max_sample_rate} Hz are accepted: "
                "raise EARMARK_MAX_SAMPLE_RATE or resample it."
            )
        if rate < MIN_RATE or channels < 1:
            raise UnsupportedAudio(
                f"{name} claims {rate} Hz and {channels} channels: "
                f"at least {MIN_RATE} Hz and one channel are needed."
            )
        if channels > limits.max_channels:
            raise AudioTooLarge(
                f"{name} has {channels} channels, and {limits.max_channels} are accepted: "
                "raise EARMARK_MAX_CHANNELS or take some out."
            )
        self._decoded += frame.samples * channels
        if self._decoded > limits.max_decoded_samples:
            raise AudioTooLarge(
                f"{name} has {self._decoded} samples so far, all channels together, and "
                f"{limits.max_decoded_samples} are accepted: "
                "raise EARMARK_MAX_DECODED_SAMPLES or choose a part with end."
            )
