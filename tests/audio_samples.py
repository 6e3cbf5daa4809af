"""Real audio files made on the spot with FFmpeg's encoders, for the tests of the audio room."""

from __future__ import annotations

import io
import struct
import tempfile
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]

# name -> (container, codec, sample rate); every one of them can be written by the bundled FFmpeg.
RECIPES: dict[str, tuple[str, str, int]] = {
    "wav-s16": ("wav", "pcm_s16le", 16000),
    "wav-u8": ("wav", "pcm_u8", 16000),
    "wav-s24": ("wav", "pcm_s24le", 48000),
    "wav-s32": ("wav", "pcm_s32le", 16000),
    "wav-f32": ("wav", "pcm_f32le", 16000),
    "wav-f64": ("wav", "pcm_f64le", 16000),
    "wav-mulaw": ("wav", "pcm_mulaw", 8000),
    "wav-alaw": ("wav", "pcm_alaw", 8000),
    "wav-adpcm": ("wav", "adpcm_ms", 16000),
    "w64": ("w64", "pcm_s16le", 16000),
    "aiff": ("aiff", "pcm_s16be", 44100),
    "au-mulaw": ("au", "pcm_mulaw", 8000),
    "caf": ("caf", "pcm_s16le", 16000),
    "flac": ("flac", "flac", 16000),
    "flac-44k": ("flac", "flac", 44100),
    "mp3": ("mp3", "libmp3lame", 44100),
    "mp3-16k": ("mp3", "libmp3lame", 16000),
    "m4a-aac": ("ipod", "aac", 44100),
    "m4a-alac": ("ipod", "alac", 16000),
    "aac-adts": ("adts", "aac", 44100),
    "ogg-opus": ("ogg", "libopus", 48000),
    "ogg-vorbis": ("ogg", "vorbis", 44100),
    "ogg-flac": ("ogg", "flac", 16000),
    "webm-opus": ("webm", "libopus", 48000),
    "mkv-pcm": ("matroska", "pcm_s16le", 16000),
    "amr-nb": ("amr", "libopencore_amrnb", 8000),
    "mp2": ("mp2", "mp2", 44100),
    "ac3": ("ac3", "ac3", 48000),
    "wma": ("asf", "wmav2", 44100),
    "avi-mp3": ("avi", "libmp3lame", 44100),
    "mpegts-aac": ("mpegts", "aac", 48000),
    "wavpack": ("wv", "wavpack", 44100),
    "tta": ("tta", "tta", 44100),
}

MONO_ONLY = frozenset({"amr-nb"})


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
    seekable: bool = True,
) -> bytes:
    """The bytes of a real file holding ``signal`` (float32 [channels, samples])."""
    if not seekable:
        sink = io.BytesIO()
        _write(_WriteOnly(sink), signal, rate, container, codec, options, codec_options, video)
        return sink.getvalue()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sample")
        _write(str(path), signal, rate, container, codec, options, codec_options, video)
        return path.read_bytes()


def _write(
    target: object,
    signal: Float,
    rate: int,
    container: str,
    codec: str,
    options: Mapping[str, str] | None,
    codec_options: Mapping[str, str] | None,
    video: bool,
) -> None:
    with av.open(target, "w", format=container, options=dict(options or {})) as out:
        picture = out.add_stream("mpeg4", rate=25) if video else None
        if picture is not None:
            picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        channels = signal.shape[0]
        layout = {1: "mono", 2: "stereo"}.get(channels, f"{channels} channels")
        sound = out.add_stream(codec, rate=rate, layout=layout, options=dict(codec_options or {}))
        assert isinstance(sound, av.AudioStream)
        if codec == "wavpack" or (container == "matroska" and codec == "aac"):
            sound.codec_context.time_base = Fraction(1, rate)
        if picture is not None:
            for index in range(round(signal.shape[1] / rate * 25)):
                image = np.full((48, 64, 3), index % 256, np.uint8)
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts = index
                out.mux(picture.encode(frame))
            out.mux(picture.encode(None))
        resampler = av.AudioResampler(sound.format.name, sound.layout.name, rate)
        for start in range(0, signal.shape[1], 4800):
            piece = np.ascontiguousarray(signal[:, start : start + 4800].T).reshape(1, -1)
            whole = av.AudioFrame.from_ndarray(piece, format="flt", layout=sound.layout.name)
            whole.sample_rate, whole.pts, whole.time_base = rate, start, Fraction(1, rate)
            for part in resampler.resample(whole):
                out.mux(sound.encode(part))
        out.mux(sound.encode(None))


def make(name: str, seconds: float = 2.0, channels: int = 1) -> bytes:
    """One of :data:`RECIPES`, with the sound of :func:`tones`."""
    container, codec, rate = RECIPES[name]
    return encode(tones(seconds, rate, channels), rate, container=container, codec=codec)


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
