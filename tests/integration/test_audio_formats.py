"""Every container and codec, from bytes, path and pipe: the same sound, at 16 kHz."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest

from audio_samples import (
    MONO_ONLY,
    RECIPES,
    STEREO_ONLY,
    Float,
    Pipe,
    amr_wideband,
    encode,
    make,
    tones,
    wav,
)
from earmark.audio import SAMPLE_RATE, open_audio, read_audio
from earmark.settings import Settings

# Codecs without loss may differ by their word length and by the resampler's edges only.
LOSSLESS = {
    name
    for name, recipe in RECIPES.items()
    if recipe.codec.startswith("pcm_s") or recipe.codec in ("pcm_f32le", "pcm_f64le", "flac")
}
PRIMING = 0.1  # seconds that a codec's own delay may shift its sound


def likeness(sound: Float, reference: Float) -> float:
    """The best correlation of two mono sounds when one may be shifted a little."""
    width = min(len(sound), len(reference)) - 2 * round(PRIMING * SAMPLE_RATE)
    begin = round(PRIMING * SAMPLE_RATE)
    piece = reference[begin : begin + width]
    scores = [
        float(np.corrcoef(piece, sound[shift : shift + width])[0, 1])
        for shift in range(0, len(sound) - width, 4)
    ]
    return max(scores)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_file_sounds_as_it_was_made(name: str, channels: int) -> None:
    if name in MONO_ONLY | STEREO_ONLY:
        channels = 1 if name in MONO_ONLY else 2
    with open_audio(make(name, channels=channels), channels="split") as audio:
        blocks = list(audio)
        assert audio.channels == tuple(range(channels))
        assert audio.duration_hint == pytest.approx(2.0, abs=0.1)
        assert audio.warnings == ()
    for block in blocks:
        assert block.dtype == np.float32
        assert block.flags.c_contiguous
        assert 0 < block.shape[1] <= 10 * SAMPLE_RATE
        assert np.abs(block).max() <= 1.0
    sound = np.concatenate(blocks, axis=1)
    reference = tones(2.0, SAMPLE_RATE, channels)
    assert sound.shape[0] == channels
    assert abs(sound.shape[1] - reference.shape[1]) <= PRIMING * SAMPLE_RATE
    for heard, meant in zip(sound, reference, strict=True):
        assert likeness(heard, meant) > (0.95 if name == "ogg-vorbis" else 0.99)
    if name in LOSSLESS:
        inside = slice(200, -200)
        assert np.abs(sound - reference)[:, inside].max() < 1e-4


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_pipe_and_a_path_give_what_bytes_give(name: str, tmp_path: Path) -> None:
    data = make(name)
    path = tmp_path / "renamed.bin"
    path.write_bytes(data)
    expected = read_audio(data)
    assert np.array_equal(read_audio(path), expected)
    assert np.array_equal(read_audio(str(path)), expected)
    assert np.array_equal(read_audio(Pipe(data)), expected)
    with path.open("rb") as file:
        assert np.array_equal(read_audio(file), expected)
        assert not file.closed


@pytest.mark.parametrize(
    "rate",
    [8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000, 176400, 192000],
)
def test_every_rate_becomes_16_khz(rate: int) -> None:
    data = encode(tones(1.0, rate), rate, container="wav", codec="pcm_s16le")
    sound = read_audio(data)
    assert sound.shape == (1, SAMPLE_RATE)
    assert np.abs(sound - tones(1.0, SAMPLE_RATE))[:, 200:-200].max() < 1e-4


def test_16_khz_is_not_touched() -> None:
    samples = np.random.default_rng(5).integers(-(2**15), 2**15, (1, 200_000), np.int16)
    assert np.array_equal(read_audio(wav(samples, SAMPLE_RATE)), samples / np.float32(2**15))


def test_resampling_does_not_depend_on_how_the_file_is_cut_into_packets() -> None:
    sound = tones(30.0, 44100)
    kinds = (("wav", "pcm_s16le"), ("caf", "pcm_s16le"), ("flac", "flac"), ("matroska", "flac"))
    results = [
        read_audio(encode(sound, 44100, container=container, codec=codec))
        for container, codec in kinds
    ]
    for result in results[1:]:
        assert np.array_equal(result, results[0])


@pytest.mark.parametrize("count", [3, 6, 8, 17, 64, 255])
def test_many_channels(count: int) -> None:
    samples = (tones(0.5, SAMPLE_RATE, count) * 2**15).astype(np.int16)
    sound = read_audio(
        wav(samples, SAMPLE_RATE), channels="split", settings=Settings(max_channels=255)
    )
    assert np.array_equal(sound, samples / np.float32(2**15))


@pytest.mark.parametrize("count", [2, 7, 8, 9, 16])
def test_many_planes(count: int) -> None:
    sound = tones(0.5, 48000, count)
    heard = read_audio(encode(sound, 48000, container="wv", codec="wavpack"), channels="split")
    assert np.abs(heard - tones(0.5, SAMPLE_RATE, count))[:, 200:-200].max() < 0.02


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("mp4", "aac"),
        ("mov", "pcm_s16le"),
        ("matroska", "aac"),
        ("avi", "libmp3lame"),
        ("mpegts", "aac"),
    ],
)
def test_pictures_are_passed_over(container: str, codec: str) -> None:
    data = encode(tones(2.0, 48000), 48000, container=container, codec=codec, video=True)
    sound = read_audio(data)
    assert likeness(sound[0], tones(2.0, SAMPLE_RATE)[0]) > 0.99


def test_mp4_in_every_order_of_its_parts() -> None:
    for flags in (
        "+faststart",
        "+frag_keyframe+empty_moov",
        "+frag_keyframe+empty_moov+delay_moov",
    ):
        data = encode(
            tones(2.0, 48000), 48000, container="mp4", codec="aac", options={"movflags": flags}
        )
        for source in (data, Pipe(data)):
            assert likeness(read_audio(source)[0], tones(2.0, SAMPLE_RATE)[0]) > 0.99


def test_rf64_and_live_webm() -> None:
    long = {"rf64": "always"}
    data = encode(tones(2.0, 16000), 16000, container="wav", codec="pcm_s16le", options=long)
    assert read_audio(data).shape == (1, 32000)
    live = encode(tones(2.0, 48000), 48000, container="webm", codec="libopus", seekable=False)
    with open_audio(live) as audio:
        assert audio.duration_hint is None
        assert sum(block.shape[1] for block in audio) == 32000


def test_amr_wideband() -> None:
    assert read_audio(amr_wideband(100)).shape == (1, 32000)


def test_a_cover_picture_is_no_hindrance() -> None:
    frame = b"\0image/jpeg\0\x03\0\xff\xd8\xff\xe0" + bytes(5000)
    tag = b"APIC" + len(frame).to_bytes(4, "big") + b"\0\0" + frame
    size = bytes(len(tag) >> shift & 127 for shift in (21, 14, 7, 0))
    data = b"ID3\x03\0\0" + size + tag + make("mp3")
    assert np.array_equal(read_audio(data), read_audio(make("mp3")))


def test_the_default_track_is_taken() -> None:
    sink = io.BytesIO()
    with av.open(sink, "w", format="matroska") as out:
        tracks = [out.add_stream("pcm_s16le", rate=16000, layout="mono") for _ in range(2)]
        tracks[0].disposition = av.stream.Disposition(0)
        tracks[1].disposition = av.stream.Disposition.default
        for track, level in zip(tracks, (0.1, 0.5), strict=True):
            values = (tones(1.0, 16000, level=level) * 2**15).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(values, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16000, 0
            assert isinstance(track, av.AudioStream)
            out.mux(track.encode(frame))
            out.mux(track.encode(None))
    assert np.abs(read_audio(sink.getvalue())).max() == pytest.approx(0.5, abs=0.01)


def test_joined_files_go_on() -> None:
    opus, flac = make("ogg-opus"), make("flac")
    assert read_audio(opus + opus).shape == (1, 64000)
    assert read_audio(flac + flac).shape == (1, 64000)
    assert read_audio(make("mp3") + make("mp3")).shape[1] == pytest.approx(64000, abs=1700)


def test_a_change_of_rate_and_channels_midway_is_followed() -> None:
    stereo = encode(tones(2.0, 48000, 2), 48000, container="adts", codec="aac")
    for first, second in ((make("aac-adts"), stereo), (stereo, make("aac-adts"))):
        sound = read_audio(first + second)
        assert sound.shape[1] == pytest.approx(64000, abs=2000)
        assert likeness(sound[0, :31000], tones(2.0, SAMPLE_RATE)[0]) > 0.7
    assert read_audio(make("mp3") + make("mp3-16k", channels=2)).shape[1] > 64000
