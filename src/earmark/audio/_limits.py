"""What is let in: containers, codecs, sample rates; and the sizes that bound memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from earmark.settings import Settings

__all__ = [
    "BLOCK_SECONDS",
    "BLOCK_VALUES",
    "CHECKSUMMED",
    "CODECS",
    "DEMUXERS",
    "MIN_RATE",
    "SAMPLE_RATE",
    "SELF_SYNCHRONISING",
    "TIMED",
    "Limits",
]

SAMPLE_RATE: Final = 16000
"""Sample rate of everything that leaves this room, Hz."""

MIN_RATE: Final = 1_000
"""Lowest sample rate accepted, Hz. Below it a header is lying or the file is not a recording."""

BLOCK_SECONDS: Final = 5
BLOCK_VALUES: Final = 1 << 22
"""Most seconds, and most samples over all channels, that are held decoded at a time."""

DEMUXERS: Final = frozenset(
    {
        *("aac", "ac3", "aiff", "amr", "amrnb", "amrwb", "ape", "asf", "au", "avi", "caf", "dts"),
        *("eac3", "flac", "flv", "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "mp3", "mpc", "mpc8"),
        *("mpeg", "mpegts", "nistsphere", "ogg", "sox", "tta", "voc", "w64", "wav", "wv"),
    }
)
"""FFmpeg's names of the containers accepted.

They are those that recordings come in, and none that opens another file or address (playlists,
concat scripts, SDP).
"""

CODECS: Final = frozenset(
    {
        *("aac", "aac_latm", "ac3", "alac", "amrnb", "amrwb", "ape", "dca", "eac3", "flac"),
        *("g722", "g723_1", "g726", "g726le", "g729", "gsm", "gsm_ms", "ilbc", "mlp", "mp1"),
        *("mp1float", "mp2", "mp2float", "mp3", "mp3float", "mpc7", "mpc8", "nellymoser", "opus"),
        *("qcelp", "shorten", "speex", "truehd", "truespeech", "tta", "vorbis", "wavpack"),
        *("wmalossless", "wmapro", "wmav1", "wmav2", "wmavoice"),
        *("adpcm_g722", "adpcm_g726", "adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms", "adpcm_swf"),
        *("adpcm_yamaha", "pcm_alaw", "pcm_bluray", "pcm_dvd", "pcm_mulaw", "pcm_s8", "pcm_u8"),
        *("pcm_f16le", "pcm_f24le", "pcm_f32be", "pcm_f32le", "pcm_f64be", "pcm_f64le"),
        *("pcm_s16be", "pcm_s16le", "pcm_s24be", "pcm_s24le", "pcm_s32be", "pcm_s32le"),
        *("pcm_s64be", "pcm_s64le", "pcm_u16be", "pcm_u16le", "pcm_u24be", "pcm_u24le"),
        *("pcm_u32be", "pcm_u32le", "pcm_s16be_planar", "pcm_s16le_planar", "pcm_s24le_planar"),
        *("pcm_s32le_planar", "pcm_s8_planar"),
    }
)
"""FFmpeg's names of the decoders accepted. No video decoder is ever opened."""

CHECKSUMMED: Final = frozenset({"ac3", "eac3", "flac", "mlp", "truehd", "tta", "wavpack"})
"""Codecs that carry a checksum per frame, which the decoder is told to check."""

SELF_SYNCHRONISING: Final = frozenset({"aac", "ac3", "dts", "eac3", "mp3"})
"""Containers that are bare frames, found by their sync word. Tags and a cut first frame are usual
there, so what cannot be decoded before the first or after the last frame is no damage."""

TIMED: Final = frozenset(
    {"asf", "avi", "flv", "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "mpeg", "mpegts"}
)
"""Containers with a clock of their own: a jump in it is a pause in the recording."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What one recording may be, by the settings of the same names; each is still accepted.

    ``max_decoded_samples`` counts what is decoded at the recording's own rate, all its channels
    together.
    """

    max_duration_s: float
    max_channels: int
    max_sample_rate: int
    max_decoded_samples: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The limits that ``settings`` set."""
        return cls(
            max_duration_s=settings.max_duration_s,
            max_channels=settings.max_channels,
            max_sample_rate=settings.max_sample_rate,
            max_decoded_samples=settings.max_decoded_samples,
        )
