"""Real audio files made on the spot with FFmpeg's encoders, for the tests of the audio room."""

from __future__ import annotations

import io
import struct
import tempfile
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import av
import numpy as np
from av.container import OutputContainer
from numpy.typing import NDArray
from typing_extensions import Buffer

Float = NDArray[np.float32]


class Recipe(NamedTuple):
    """How to write a file: FFmpeg's names, the rate in Hz, and what the encoder has to be told."""

    container: str
    codec: str
    rate: int
    codec_options: Mapping[str, str] = MappingProxyType({})


RECIPES: Mapping[str, Recipe] = {
    "wav-s16": Recipe("wav", "pcm_s16le", 16000),
    "wav-u8": Recipe("wav", "pcm_u8", 16000),
    "wav-s24": Recipe("wav", "pcm_s24le", 48000),
    "wav-s32": Recipe("wav", "pcm_s32le", 16000),
    "wav-f32": Recipe("wav", "pcm_f32le", 16000),
    "wav-f64": Recipe("wav", "pcm_f64le", 16000),
    "wav-mulaw": Recipe("wav", "pcm_mulaw", 8000),
    "wav-alaw": Recipe("wav", "pcm_alaw", 8000),
    "wav-adpcm": Recipe("wav", "adpcm_ms", 16000),
    "wav-192k": Recipe("wav", "pcm_s24le", 192000),
    "w64": Recipe("w64", "pcm_s16le", 16000),
    "aiff": Recipe("aiff", "pcm_s16be", 44100),
    "au-mulaw": Recipe("au", "pcm_mulaw", 8000),
    "caf": Recipe("caf", "pcm_s16le", 16000),
    "flac": Recipe("flac", "flac", 16000),
    "flac-44k": Recipe("flac", "flac", 44100),
    "mp3": Recipe("mp3", "libmp3lame", 44100),
    "mp3-16k": Recipe("mp3", "libmp3lame", 16000),
    "m4a-aac": Recipe("ipod", "aac", 44100),
    "m4a-alac": Recipe("ipod", "alac", 16000),
    "aac-adts": Recipe("adts", "aac", 44100),
    "ogg-opus": Recipe("ogg", "libopus", 48000),
    "ogg-vorbis": Recipe("ogg", "vorbis", 44100, {"strict": "-2"}),
    "ogg-flac": Recipe("ogg", "flac", 16000),
    "webm-opus": Recipe("webm", "libopus", 48000),
    "mkv-pcm": Recipe("matroska", "pcm_s16le", 16000),
    "amr-nb": Recipe("amr", "libopencore_amrnb", 8000),
    "mp2": Recipe("mp2", "mp2", 44100),
    "ac3": Recipe("ac3", "ac3", 48000),
    "wma": Recipe("asf", "wmav2", 44100, {"b": "128000"}),
    "avi-mp3": Recipe("avi", "libmp3lame", 44100),
    "mpegts-aac": Recipe("mpegts", "aac", 48000),
    "wavpack": Recipe("wv", "wavpack", 44100),
    "tta": Recipe("tta", "tta", 44100),
}

MONO_ONLY = frozenset({"amr-nb"})
STEREO_ONLY = frozenset({"ogg-vorbis"})


def tones(seconds: float, rate: int, channels: int = 1, level: float = 0.4) -> Float:
    """Float32 [channels, samples]: channel c hums at 220 * (c + 1) Hz, slowly swelling."""
    t = np.arange(round(seconds * rate)) / rate
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * 0.7 * t)
    pitches = 220.0 * (1 + np.arange(channels) % 8)[:, None]
    return (level * swell * np.sin(2 * np.pi * pitches * t)).astype(np.float32)


def encode(
    signal: Float,
    rate: int,
    *,
    container: str,
    codec: str,
    options: Mapping[str, str] | None = None,
    codec_options: Mapping[str, str] | None = None,
    video: bool = False,
    pause: tuple[float, float] = (0.0, 0.0),
    seekable: bool = True,
) -> bytes:
    """The bytes of a real file holding ``signal`` (float32 [channels, samples]).

    ``video`` adds a picture track of the same length; ``pause`` (at, length, both in seconds) lets
    the container's clock jump; without ``seekable`` the file is what a pipe would get.
    """
    sink = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sample")
        target = str(path) if seekable else _WriteOnly(sink)
        with av.open(target, "w", format=container, options=dict(options or {})) as out:
            picture = out.add_stream("mpeg4", rate=25) if video else None
            layout = {1: "mono", 2: "stereo"}.get(len(signal), f"{len(signal)} channels")
            chosen = dict(codec_options or {})
            sound = out.add_stream(codec, rate=rate, layout=layout, options=chosen)
            assert isinstance(sound, av.AudioStream)
            if picture is not None:
                assert isinstance(picture, av.VideoStream)
                _write_pictures(out, picture, round(signal.shape[1] / rate * 25))
            _write_sound(out, sound, signal, rate, pause)
        return path.read_bytes() if seekable else sink.getvalue()


def _write_pictures(out: OutputContainer, picture: av.VideoStream, count: int) -> None:
    picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
    for index in range(count):
        frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), index % 256, np.uint8))
        frame.pts = index
        out.mux(picture.encode(frame))
    out.mux(picture.encode(None))


def _write_sound(
    out: OutputContainer,
    sound: av.AudioStream,
    signal: Float,
    rate: int,
    pause: tuple[float, float],
) -> None:
    resampler = av.AudioResampler(sound.format.name, sound.layout.name, rate)
    for start in range(0, signal.shape[1], 4800):
        piece = np.ascontiguousarray(signal[:, start : start + 4800].T).reshape(1, -1)
        whole = av.AudioFrame.from_ndarray(piece, format="flt", layout=sound.layout.name)
        jump = round(pause[1] * rate) if start >= round(pause[0] * rate) else 0
        whole.sample_rate, whole.pts, whole.time_base = rate, start + jump, Fraction(1, rate)
        for part in resampler.resample(whole):
            out.mux(sound.encode(part))
    out.mux(sound.encode(None))


@cache
def make(name: str, seconds: float = 2.0, channels: int = 1) -> bytes:
    """One of :data:`RECIPES`, with the sound of :func:`tones`."""
    channels = 1 if name in MONO_ONLY else 2 if name in STEREO_ONLY else channels
    container, codec, rate, options = RECIPES[name]
    sound = tones(seconds, rate, channels)
    return encode(sound, rate, container=container, codec=codec, codec_options=options)


def amr_wideband(frames: int) -> bytes:
    """AMR-WB, which FFmpeg reads but cannot write: frames of 20 ms, 6.6 kbit/s, all bits zero."""
    return b"#!AMR-WB\n" + (b"\x04" + bytes(17)) * frames


class Pipe(io.RawIOBase):
    """A binary stream that cannot seek and hands out at most ``most`` bytes at a time."""

    def __init__(self, data: bytes, most: int = 5000) -> None:
        self._data, self._most = io.BytesIO(data), most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer)
        data = self._data.read(min(len(view), self._most))
        view[: len(data)] = data
        return len(data)


def wav(
    samples: NDArray[np.generic],
    rate: int,
    *,
    tag: int | None = None,
    data_size: int | None = None,
    extra: bytes = b"",
) -> bytes:
    """A WAV written by hand: ``samples`` [channels, n] of int16, int32, uint8, float32 or float64.

    ``data_size`` lies in the header; ``extra`` are chunks put before the data chunk.
    """
    channels = samples.shape[0]
    body = np.ascontiguousarray(samples.T).tobytes()
    width = samples.dtype.itemsize
    tag = tag or (3 if samples.dtype.kind == "f" else 1)
    block = channels * width
    fmt = struct.pack("<HHIIHH", tag, channels, rate, (rate * block) % 2**32, block, 8 * width)
    size = len(body) if data_size is None else data_size
    chunks = b"fmt " + struct.pack("<I", 16) + fmt + extra + b"data" + struct.pack("<I", size)
    riff = min(4 + len(chunks) + size, 0xFFFFFFFF)
    return b"RIFF" + struct.pack("<I", riff) + b"WAVE" + chunks + body


class _WriteOnly:
    """A sink that cannot seek, so that the muxer writes what a pipe would get."""

    def __init__(self, sink: io.BytesIO) -> None:
        self._sink = sink

    def write(self, data: bytes) -> int:
        return self._sink.write(data)
