"""Raw samples, as live sources send them: their formats."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from earmark.errors import InvalidOption

__all__ = ["Encoding", "PcmFormat"]

_RATES = (8_000, 192_000)
_MOST_CHANNELS = 8


class Encoding(StrEnum):
    """How raw samples are written; all but G.711's two are little-endian."""

    PCM_S16LE = "pcm_s16le"
    PCM_S24LE = "pcm_s24le"
    PCM_S32LE = "pcm_s32le"
    PCM_F32LE = "pcm_f32le"
    MULAW = "mulaw"
    ALAW = "alaw"

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample."""
        return {"pcm_s16le": 2, "pcm_s24le": 3, "pcm_s32le": 4, "pcm_f32le": 4}.get(self, 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class PcmFormat:
    """The format of raw samples, which say nothing of it themselves.

    ``sample_rate`` is in Hz, 8,000 to 192,000; samples of ``channels`` (1 to 8) are interleaved.
    Raises `InvalidOption` for others.
    """

    encoding: Encoding = Encoding.PCM_S16LE
    sample_rate: int = 16_000
    channels: int = 1

    def __post_init__(self) -> None:
        if self.encoding not in tuple(Encoding):
            raise InvalidOption(
                f"Raw sound is encoded as one of {', '.join(Encoding)}, not {self.encoding!r}."
            )
        object.__setattr__(self, "encoding", Encoding(self.encoding))
        least, most = _RATES
        if not least <= self.sample_rate <= most:
            raise InvalidOption(
                f"Raw sound has {least} to {most} samples per second, not {self.sample_rate}."
            )
        if not 1 <= self.channels <= _MOST_CHANNELS:
            raise InvalidOption(
                f"Raw sound has 1 to {_MOST_CHANNELS} channels, not {self.channels}."
            )

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return self.encoding.sample_bytes * self.channels
