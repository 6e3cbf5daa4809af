"""Raw samples as they arrive: what they stand for, and that it does not matter how they are cut."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_samples import encode, tones
from earmark.audio import Encoding, PcmDecoder, PcmFormat, read_audio
from earmark.errors import InvalidOption

_RAW = {
    Encoding.PCM_S16LE: "s16le",
    Encoding.PCM_S24LE: "s24le",
    Encoding.PCM_S32LE: "s32le",
    Encoding.PCM_F32LE: "f32le",
    Encoding.MULAW: "mulaw",
    Encoding.ALAW: "alaw",
}


def _decode(data: bytes, pcm: PcmFormat, cuts: tuple[int, ...] = ()) -> np.ndarray:
    decoder = PcmDecoder(pcm)
    edges = [0, *sorted(cuts), len(data)]
    pieces = [decoder.push(data[a:b]) for a, b in pairwise(edges)]
    return np.concatenate([*pieces, decoder.finish()])


@pytest.mark.parametrize("encoding", list(Encoding))
@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (8000, 1), (48000, 2)])
def test_raw_samples_sound_like_the_same_samples_in_a_file(
    encoding: Encoding, rate: int, channels: int
) -> None:
    signal, codec = tones(0.5, rate, channels), f"pcm_{_RAW[encoding]}"
    raw = encode(signal, rate, container=_RAW[encoding], codec=codec)
    expected = read_audio(encode(signal, rate, container="wav", codec=codec))[0]
    heard = _decode(raw, PcmFormat(encoding=encoding, sample_rate=rate, channels=channels))
    assert heard.dtype == np.float32
    np.testing.assert_allclose(heard, expected, atol=2e-6)


@given(
    st.sampled_from(list(Encoding)),
    st.sampled_from([8000, 11025, 16000, 44100]),
    st.lists(st.integers(0, 4000), max_size=8),
)
def test_it_does_not_matter_how_the_bytes_are_cut(
    encoding: Encoding, rate: int, cuts: list[int]
) -> None:
    pcm = PcmFormat(encoding=encoding, sample_rate=rate, channels=2)
    data = np.random.default_rng(5).integers(0, 256, 4000, np.uint8).tobytes()
    assert np.array_equal(_decode(data, pcm, tuple(cuts)), _decode(data, pcm))


def test_what_is_no_number_is_silent_and_what_is_too_loud_is_clipped() -> None:
    data = np.array([0.5, np.nan, np.inf, -np.inf, -3.0], "<f4").tobytes()
    heard = _decode(data, PcmFormat(encoding=Encoding.PCM_F32LE))
    assert heard.tolist() == [0.5, 0.0, 0.0, 0.0, -1.0]


def test_bytes_of_a_sample_that_never_became_complete_are_dropped() -> None:
    assert len(_decode(b"\1\2\3\4\5", PcmFormat())) == 2


@pytest.mark.parametrize(
    "values", [{"encoding": "opus"}, {"sample_rate": 4000}, {"channels": 0}, {"channels": 9}]
)
def test_formats_that_make_no_sense_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(InvalidOption):
        PcmFormat(**values)  # type: ignore[arg-type]
