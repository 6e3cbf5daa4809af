"""The segmentation network in parts against the whole network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnxruntime import InferenceSession

from earmark.diarization._filters import FilterLine
from earmark.diarization._grid import WINDOW_FRAMES, WINDOW_SAMPLES
from earmark.diarization._segmentation import CLASS_SPEAKERS, Segmenter
from earmark.models import ModelStore, load_session
from engine import models, samples, settings

Float = NDArray[np.float32]


@pytest.fixture(scope="module")
def integer(models_dir: Path) -> Segmenter:
    return models(models_dir).segmenter


@pytest.fixture(scope="module")
def exact(models_dir: Path, integer: Segmenter) -> Segmenter:
    """The parts in float32."""
    store = ModelStore(settings(models_dir))
    return replace(integer, body=load_session(store.path("segmentation-body"), threads=1))


@pytest.fixture(scope="module")
def whole(models_dir: Path) -> InferenceSession:
    store = ModelStore(settings(models_dir))
    return load_session(store.path("segmentation-3.0"), threads=1)


@pytest.fixture(scope="module")
def sound(sample_wav: Path) -> Float:
    return samples(sample_wav)


def of_whole(whole: InferenceSession, window: Float) -> Float:
    """Class probabilities [589, 7] of one window [160000]."""
    (logits,) = whole.run(None, {"input_values": window[None, None]})
    return np.exp(np.asarray(logits[0], np.float32))


# Below are where float32 ends, for the whole network too: sound of -73 dB and -93 dB, a constant
# that is 9 to 20 and nearly 2000 times as large as the sound.
@pytest.mark.parametrize(
    ("gain", "offset", "tolerance"),
    [
        (1, 0, 1e-4),
        (0.1, 0.05, 1e-4),
        (2.0, -0.2, 1e-4),
        (1, 0.2, 1e-3),
        (30, 0, 1e-4),
        (0.01, 0, 1e-3),
        (0.001, 0, 5e-3),
        (1, 0.5, 1e-3),
        (0.02, -0.9, 5e-3),
    ],
)
def test_the_parts_are_the_whole_network(
    exact: Segmenter,
    whole: InferenceSession,
    sound: Float,
    gain: float,
    offset: float,
    tolerance: float,
) -> None:
    heard = np.clip(sound * np.float32(gain) + np.float32(offset), -1, 1)
    starts = [0, 39_960, 159_840]
    found = exact.segment(heard, starts)
    assert found.shape == (3, WINDOW_FRAMES, len(CLASS_SPEAKERS))
    np.testing.assert_allclose(found.sum(axis=2), 1, atol=1e-5)
    for start, probabilities in zip(starts, found, strict=True):
        expected = of_whole(whole, heard[start : start + WINDOW_SAMPLES])
        np.testing.assert_allclose(probabilities, expected, atol=tolerance)


@pytest.mark.parametrize("level", [0.0, 0.3])
def test_nothing_but_a_constant(
    exact: Segmenter, integer: Segmenter, whole: InferenceSession, level: float
) -> None:
    silence = np.full(WINDOW_SAMPLES, level, np.float32)
    np.testing.assert_allclose(exact.segment(silence, [0])[0], of_whole(whole, silence), atol=1e-3)
    assert integer.segment(silence, [0])[0, :, 0].min() > 0.9  # nobody


def test_silence_before_speech_changes_nothing_in_the_parts(
    exact: Segmenter, whole: InferenceSession, sound: Float
) -> None:
    late = np.concatenate([np.zeros(120_000, np.float32), sound[112_000:152_000]])
    np.testing.assert_allclose(exact.segment(late, [0])[0], of_whole(whole, late), atol=1e-4)


def test_integers_are_close_to_the_exact_body(
    exact: Segmenter, integer: Segmenter, sound: Float
) -> None:
    starts = [0, 79_920, 159_840, 319_680]
    expected, found = exact.segment(sound, starts), integer.segment(sound, starts)
    speech = np.abs(expected[..., 0] - found[..., 0])
    assert speech.mean() < 0.02
    assert (expected.argmax(axis=2) == found.argmax(axis=2)).mean() > 0.97


@pytest.mark.parametrize("which", ["exact", "integer"])
def test_windows_do_not_depend_on_how_they_are_batched(
    which: str, exact: Segmenter, integer: Segmenter, sound: Float
) -> None:
    segmenter = {"exact": exact, "integer": integer}[which]
    starts = [39_960 * i for i in range(8)]
    together = segmenter.segment(sound, starts)
    for first, last in ((0, 1), (1, 4), (3, 8), (7, 8)):
        batch = starts[first:last]
        part = sound[batch[0] : batch[-1] + WINDOW_SAMPLES]
        found = segmenter.segment(part, [start - batch[0] for start in batch])
        np.testing.assert_array_equal(found, together[first:last])


def test_gain_does_not_matter_to_speech(integer: Segmenter, sound: Float) -> None:
    window = sound[112_000 : 112_000 + WINDOW_SAMPLES]
    loud, quiet = integer.segment(window, [0]), integer.segment(window * np.float32(0.05), [0])
    assert (loud.argmax(axis=2) == quiet.argmax(axis=2)).mean() > 0.97


@pytest.mark.parametrize("piece", [8100, 7777])
def test_sound_that_streams_by_is_segmented_bit_by_bit_as_windows_are(
    models_dir: Path, sample_wav: Path, piece: int
) -> None:
    loaded, sound = models(models_dir), samples(sample_wav)[: 16 * 16_000]
    line = FilterLine(loaded.segmenter, kept=12 * 16_000)
    for start in range(0, len(sound), piece):
        line.push(sound[start : start + piece])
    for length, start in ((79_920, 6 * 16_000 // 270 * 270), (160_000, 90 * 1000 // 270 * 270)):
        ask = line.ask(sound[start : start + length], start)
        assert ask.network == "segmentation-body"
        found = loaded.answers[ask.network](ask.values)
        assert np.array_equal(found, loaded.segmenter.answer(sound[start : start + length]))
    forgotten = line.ask(sound[:79_920], 0)
    assert forgotten.network == "segmentation"
