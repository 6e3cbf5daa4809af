from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from earmark.errors import InvalidInput
from earmark.voiceprints import Voiceprint
from results import voiceprint


def test_it_is_scaled_to_length_one_and_read_only() -> None:
    made = voiceprint(3, 4)
    assert made.vector.dtype == np.float32
    assert made.vector.tolist() == pytest.approx([0.6, 0.8])
    with pytest.raises(ValueError, match="read-only"):
        made.vector[0] = 1


def test_the_callers_array_stays_his_own() -> None:
    mine = np.array([1, 0], dtype=np.float32)
    made = Voiceprint(vector=mine, model="m", net_speech_s=1)
    mine[0] = 5
    assert made.vector.tolist() == [1, 0]


@pytest.mark.parametrize("numbers", [(), (0.0, 0.0), (np.nan, 1.0), (np.inf, 1.0)])
def test_a_vector_without_a_direction_is_refused(numbers: tuple[float, ...]) -> None:
    with pytest.raises(InvalidInput):
        voiceprint(*numbers)


def test_a_matrix_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"\(2, 2\)"):
        Voiceprint(vector=np.eye(2, dtype=np.float32), model="m", net_speech_s=1)


@pytest.mark.parametrize("seconds", [-1.0, np.nan, np.inf])
def test_net_speech_is_a_number_of_seconds(seconds: float) -> None:
    with pytest.raises(InvalidInput, match="net speech"):
        voiceprint(1, net_speech_s=seconds)


def test_equality_is_by_value() -> None:
    assert voiceprint(1, 0) == voiceprint(2, 0)
    assert len({voiceprint(1, 0), voiceprint(2, 0)}) == 1
    assert voiceprint(1, 0) != voiceprint(0, 1)
    assert voiceprint(1, 0) != voiceprint(1, 0, model="other")
    assert voiceprint(1, 0) != "voiceprint"


def test_the_vector_stays_out_of_the_repr() -> None:
    assert "vector" not in repr(voiceprint(0.123, 1))


def test_cosine() -> None:
    assert voiceprint(1, 0).cosine(voiceprint(1, 0)) == 1.0
    assert voiceprint(1, 0).cosine(voiceprint(1, 1)) == pytest.approx(2**-0.5)
    assert voiceprint(1, 0).cosine(voiceprint(-1, 0)) == -1.0


def test_different_models_are_never_compared() -> None:
    with pytest.raises(InvalidInput, match=r"different models.*m and other"):
        voiceprint(1, 0).cosine(voiceprint(1, 0, model="other"))
    with pytest.raises(InvalidInput, match="different lengths"):
        voiceprint(1, 0).cosine(voiceprint(1, 0, 0))


def test_the_mean_weighs_by_net_speech() -> None:
    mean = Voiceprint.mean([voiceprint(1, 0, net_speech_s=3), voiceprint(0, 1, net_speech_s=1)])
    assert mean.vector.tolist() == pytest.approx([3 / 10**0.5, 1 / 10**0.5])
    assert mean.net_speech_s == 4


def test_the_mean_of_prints_without_speech_is_plain() -> None:
    mean = Voiceprint.mean([voiceprint(1, 0, net_speech_s=0), voiceprint(0, 1, net_speech_s=0)])
    assert mean.vector.tolist() == pytest.approx([0.5**0.5, 0.5**0.5])


def test_there_is_no_mean_of_nothing() -> None:
    with pytest.raises(InvalidInput, match="no voiceprint"):
        Voiceprint.mean([])


@given(
    arrays(np.float32, st.integers(1, 64), elements=st.floats(-100, 100, width=32)).filter(
        lambda vector: float(np.linalg.norm(vector)) > 1e-3
    )
)
def test_a_copy_of_a_voiceprint_is_the_same_voiceprint(vector: np.ndarray) -> None:
    made = Voiceprint(vector=vector, model="m", net_speech_s=1)
    again = Voiceprint(vector=made.vector, model="m", net_speech_s=1)
    assert again == made
    assert made.cosine(again) == pytest.approx(1.0, abs=1e-6)
