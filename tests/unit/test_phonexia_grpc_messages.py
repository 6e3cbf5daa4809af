"""What the messages of Phonexia's gRPC services say of sound and time."""

from __future__ import annotations

import io
import struct
import wave

import pytest
from google.protobuf.duration_pb2 import Duration
from phonexia.grpc.common.core_pb2 import RawAudioConfig, TimeRange

from earmark.dialects.phonexia._durations import duration, part_of
from earmark.dialects.phonexia._extraction import _end_of
from earmark.dialects.phonexia._raw_audio import wav_head, wav_seconds
from earmark.diarization import ChannelSpeech, SpeechActivity
from earmark.errors import InvalidOption


def config(encoding: RawAudioConfig.AudioEncoding.ValueType) -> RawAudioConfig:
    return RawAudioConfig(encoding=encoding, sample_rate_hertz=8000, channels=2)


@pytest.mark.parametrize(
    ("encoding", "width"), [(RawAudioConfig.PCM16, 2), (RawAudioConfig.PCM32, 4)]
)
def test_raw_samples_get_the_head_of_a_wav_file(
    encoding: RawAudioConfig.AudioEncoding.ValueType, width: int
) -> None:
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setparams((2, width, 8000, 0, "NONE", ""))
    head = wav_head(config(encoding))
    sizes = (slice(4, 8), slice(40, 44))  # 0, as nobody knows them yet
    expected = bytearray(written.getvalue())
    for size in sizes:
        expected[size] = bytes(4)
    assert head == expected


@pytest.mark.parametrize(
    ("encoding", "form"), [(RawAudioConfig.MULAW, 7), (RawAudioConfig.ALAW, 6)]
)
def test_the_codecs_of_telephones(
    encoding: RawAudioConfig.AudioEncoding.ValueType, form: int
) -> None:
    head = wav_head(config(encoding))
    assert struct.unpack_from("<HHIIHH", head, 20) == (form, 2, 8000, 16_000, 2, 8)
    assert wav_seconds(head, 44 + 16_000 * 90) == pytest.approx(90, abs=0.01)


@pytest.mark.parametrize(
    "head", [b"", b"RIFF", b"fLaC" + bytes(60), b"RIFF    WAVEJUNK" + bytes(60), bytes(44)]
)
def test_other_files_do_not_say_how_long_they_are(head: bytes) -> None:
    assert wav_seconds(head, 1_000_000) is None


def test_parts_of_a_recording() -> None:
    assert part_of(TimeRange()) == (None, None)
    assert part_of(TimeRange(start=Duration())) == (None, None)
    part = TimeRange(start=Duration(nanos=250_000_000), end=Duration(seconds=7))
    assert part_of(part) == (0.25, 7.0)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (TimeRange(end=Duration()), "ends at 0 s"),
        (TimeRange(start=Duration(seconds=4), end=Duration(seconds=4)), "ends at 4 s"),
        (TimeRange(start=Duration(seconds=-1)), "time_range.start is -1 s"),
        (TimeRange(end=Duration(seconds=10**11)), "time_range.end is 1e\\+11 s"),
    ],
)
def test_parts_that_cannot_be(part: TimeRange, words: str) -> None:
    with pytest.raises(InvalidOption, match=words):
        part_of(part)


def test_durations_are_told_to_the_millisecond() -> None:
    assert duration(598.5) == Duration(seconds=598, nanos=500_000_000)
    assert duration(1.0009996) == Duration(seconds=1, nanos=1_000_000)
    assert duration(0.9999) == Duration(seconds=1)


def test_where_enough_speech_has_been_heard() -> None:
    segments = ((1.0, 3.0), (5.0, 6.0), (8.0, 12.0))
    heard = SpeechActivity(
        channels=(ChannelSpeech(channel=None, segments=segments),), duration=12.0
    )
    assert [_end_of(heard, most) for most in (0.5, 2.0, 2.5, 3.25, 7.0, 7.1)] == [
        *(1.5, 3.0, 5.5, 8.25, 12.0),
        None,
    ]
