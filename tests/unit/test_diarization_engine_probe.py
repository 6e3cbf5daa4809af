"""The second opinion on speech and overlap."""

from __future__ import annotations

import numpy as np

from earmark.diarization._probe import probe_inputs, score_speech, second_opinion, trend


def test_inputs_are_the_mean_of_the_roots_around() -> None:
    frames = np.random.default_rng(0).random((40, 512)).astype(np.float32) * 3 - 1
    roots = np.sqrt(np.maximum(frames, 0))
    inputs = probe_inputs(frames)
    assert inputs.shape == frames.shape
    for t in (2, 17, 37):
        np.testing.assert_allclose(inputs[t], roots[t - 2 : t + 3].mean(axis=0), atol=1e-5)
    edge = np.concatenate([roots[:1], roots[:1], roots[:3]]).mean(axis=0)
    np.testing.assert_allclose(inputs[0], edge, atol=1e-5)


def test_scores_are_one_for_speech_and_one_for_overlap() -> None:
    frames = np.random.default_rng(1).random((25, 512)).astype(np.float32)
    scores = score_speech(frames)
    assert scores.shape == (25, 2)
    np.testing.assert_allclose(scores[5:20], score_speech(frames[3:22])[2:17], atol=1e-4)


def test_the_segmentation_stands_alone_where_nothing_was_embedded() -> None:
    speech = np.linspace(0, 1, 30, dtype=np.float32)
    overlap = np.linspace(0, 0.5, 30, dtype=np.float32)
    scores = np.full((30, 2), np.nan, np.float32)
    assert np.array_equal(second_opinion(speech, overlap, scores)[0], speech)
    scores[10:] = 0.0
    owns, means = (speech, overlap), second_opinion(speech, overlap, scores)
    for own, both in zip(owns, means, strict=True):
        assert np.array_equal(both[:10], own[:10])
        # The mean of two probabilities: half of it is the segmentation's.
        assert np.all((both[10:] >= own[10:] / 2) & (both[10:] <= (own[10:] + 1) / 2))


def test_higher_scores_are_more_speech() -> None:
    speech = np.full(20, 0.5, np.float32)
    low, high = np.full((20, 2), -3, np.float32), np.full((20, 2), 3, np.float32)
    assert np.all(second_opinion(speech, speech, high)[0] > second_opinion(speech, speech, low)[0])


def test_the_trend_repeats_the_ends() -> None:
    speech = np.linspace(0.1, 0.9, 15, dtype=np.float32)
    around = trend(speech, speech)
    assert around.shape == (15, 10)
    assert np.isfinite(around).all()
    assert around[0, 0] == around[0, 3]  # nothing lies before the first frame
