"""Sound in: any common container to blocks of float32 at 16 kHz, in constant memory."""

from __future__ import annotations

from earmark.audio._audio import Audio
from earmark.audio._isolated import open_isolated
from earmark.audio._limits import DEMUXERS, SAMPLE_RATE
from earmark.audio._options import Channels, OnDamage
from earmark.audio._pcm import Encoding, PcmFormat
from earmark.audio._pcm_decoder import PcmDecoder
from earmark.audio._reader import Source
from earmark.audio._stream import AudioStream, open_audio, read_audio

__all__ = [
    "DEMUXERS",
    "SAMPLE_RATE",
    "Audio",
    "AudioStream",
    "Channels",
    "Encoding",
    "OnDamage",
    "PcmDecoder",
    "PcmFormat",
    "Source",
    "open_audio",
    "open_isolated",
    "read_audio",
]
