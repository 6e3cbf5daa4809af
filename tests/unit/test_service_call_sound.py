"""The pieces of a call's sound, put together."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Sequence
from typing import BinaryIO

import numpy as np
import pytest
from numpy.typing import NDArray

from earmark.audio import Encoding, PcmFormat, read_audio
from earmark.errors import EmptyAudio, InvalidInput
from earmark.service import Leg
from earmark.service._call_sound import Piece, measure, write_wav
from earmark.settings import Settings
from people import wav_of

PCM = PcmFormat(encoding=Encoding.PCM_S16LE, sample_rate=8000)
MULAW = PcmFormat(encoding=Encoding.MULAW, sample_rate=8000)
STEREO = PcmFormat(encoding=Encoding.PCM_S16LE, sample_rate=8000, channels=2)
SETTINGS = Settings()


def tone(hertz: float, seconds: float, rate: int = 8000) -> NDArray[np.int16]:
    time = np.arange(round(seconds * rate)) / rate
    return np.round(12000 * np.sin(2 * np.pi * hertz * time)).astype(np.int16)


def piece(data: bytes, form: PcmFormat | None = PCM, leg: Leg | None = Leg.CALLER) -> Piece:
    return Piece(open=opener(data), format=form, leg=leg)


def opener(data: bytes) -> Callable[[], BinaryIO]:
    return lambda: io.BytesIO(data)


def joined(pieces: Sequence[Piece], leg: Leg = Leg.CALLER) -> NDArray[np.float32]:
    file = io.BytesIO()
    write_wav(pieces, leg, file, longest_s=60.0, settings=SETTINGS)
    samples: NDArray[np.float32] = read_audio(file.getvalue())[0]
    return samples


def test_mulaw_is_decoded_as_ffmpeg_does() -> None:
    codes = bytes(range(256)) * 80  # longer than what is too short to be a recording
    header = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 50 + len(codes), b"WAVE", b"fmt ", 18, 7, 1,
                         16000, 16000, 1, 8)  # fmt: skip
    wav = header + struct.pack("<H4sI", 0, b"data", len(codes)) + codes
    (theirs,) = read_audio(wav)
    form = PcmFormat(encoding=Encoding.MULAW, sample_rate=16000)
    ours = joined([piece(codes, form)])
    np.testing.assert_allclose(ours, theirs, atol=2 / 32768)


def test_pieces_make_one_recording_without_seams() -> None:
    whole = tone(440, 2.0)
    cut = [whole[i : i + 1234].tobytes() for i in range(0, len(whole), 1234)]
    ours = joined([piece(each) for each in cut])
    (theirs,) = read_audio(wav_of(whole))
    assert len(ours) == pytest.approx(32000, abs=2)
    count = min(len(ours), len(theirs))
    np.testing.assert_allclose(ours[:count], theirs[:count], atol=2e-4)


def test_legs_are_told_apart_in_raw_sound_of_both() -> None:
    both = np.stack([tone(440, 1.0), tone(1000, 1.0)], axis=1)
    pieces = [piece(both.tobytes(), STEREO, None)]
    for leg, hertz in ((Leg.CALLER, 440), (Leg.CALLEE, 1000)):
        spectrum = np.abs(np.fft.rfft(joined(pieces, leg)))
        assert spectrum.argmax() == pytest.approx(hertz, abs=2)


def test_pieces_of_other_formats_follow_each_other() -> None:
    pieces = [
        piece(tone(440, 1.0).tobytes()),
        piece(bytes(8000), MULAW),
        piece(tone(700, 0.5, 16000).tobytes(),
              PcmFormat(encoding=Encoding.PCM_S16LE, sample_rate=16000)),
        piece(tone(440, 1.0).tobytes()),
    ]  # fmt: skip
    samples = joined(pieces)
    assert len(samples) == pytest.approx(3.5 * 16000, abs=10)
    middle = samples[2 * 16000 + 800 : 2 * 16000 + 7200]
    assert np.abs(np.fft.rfft(middle)).argmax() == pytest.approx(700 * 0.4, abs=2)


def test_no_more_is_written_than_asked_for() -> None:
    file = io.BytesIO()
    pieces = [piece(tone(440, 1.0).tobytes()) for _ in range(5)]
    write_wav(pieces, Leg.CALLER, file, longest_s=1.5, settings=SETTINGS)
    assert read_audio(file.getvalue()).shape == (1, 24000)


@pytest.mark.parametrize(
    ("data", "form", "leg", "seconds"),
    [
        (bytes(16000), PCM, Leg.CALLER, 1.0),
        (bytes(8000), MULAW, Leg.CALLEE, 1.0),
        (bytes(16000), STEREO, None, 0.5),
        (bytes(16000), STEREO, Leg.CALLER, 0.5),
    ],
)
def test_raw_sound_is_measured_by_its_size(
    data: bytes, form: PcmFormat, leg: Leg | None, seconds: float
) -> None:
    assert measure(piece(data, form, leg), len(data), SETTINGS) == seconds


def test_what_cannot_be_a_piece_is_refused() -> None:
    with pytest.raises(EmptyAudio):
        measure(piece(b""), 0, SETTINGS)
    with pytest.raises(InvalidInput, match="whole samples"):
        measure(piece(bytes(3)), 3, SETTINGS)
    with pytest.raises(InvalidInput, match="two channels"):
        measure(piece(bytes(2), PCM, None), 2, SETTINGS)
