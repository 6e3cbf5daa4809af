"""Filter banks against Kaldi's numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnxruntime import InferenceSession

from earmark.models import load_session
from earmark.models._fbank import write_fbank
from model_signals import voice

# Frames that kaldi-native-fbank 1.22 computes for `voice(4.0)`: 80 bands, no dither, no energy.
EXPECTED = json.loads(Path(__file__).with_name("models_expected.json").read_text())["fbank"]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> InferenceSession:
    path = tmp_path_factory.mktemp("fbank") / "fbank.onnx"
    write_fbank(path)
    return load_session(path, threads=1)


def energies(session: InferenceSession, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """[frames, 80]."""
    return np.asarray(session.run(None, {"samples": samples[None, None]})[0][0].T)


def test_frames_are_kaldi_s(session: InferenceSession) -> None:
    features = energies(session, voice(4.0))
    assert features.shape == (398, 80)
    for frame, values in EXPECTED.items():
        np.testing.assert_allclose(features[int(frame)], values, atol=1e-3)


@pytest.mark.parametrize(("samples", "frames"), [(400, 1), (559, 1), (560, 2), (16000, 98)])
def test_only_whole_frames_count(session: InferenceSession, samples: int, frames: int) -> None:
    assert energies(session, voice(1.0)[:samples]).shape == (frames, 80)


def test_silence_and_a_constant_have_the_least_energy_there_is(session: InferenceSession) -> None:
    """The mean is taken off each frame, and a floor is under the logarithm."""
    for level in (0.0, 0.5):
        features = energies(session, np.full(1600, level, np.float32))
        np.testing.assert_allclose(features, np.log(np.finfo(np.float32).eps), rtol=1e-6)


def test_a_frame_does_not_depend_on_what_is_around_it(session: InferenceSession) -> None:
    samples = voice(9.0)
    features = energies(session, samples)
    for first in (0, 100, 255, 256, 700):
        part = energies(session, samples[first * 160 : first * 160 + 400])
        np.testing.assert_allclose(part, features[first : first + 1], atol=1e-3)
