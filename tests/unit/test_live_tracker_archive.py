"""What is kept of evidence that is forgotten."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from earmark.diarization._channel import Channel, label_voices
from earmark.diarization._clustering import CountHint
from earmark.diarization._evidence import SPAN_FRAMES, SPAN_WINDOWS, Evidence, EvidenceBuilder
from earmark.diarization._parameters import ACCURATE
from earmark.diarization._segmentation import CLASS_SPEAKERS
from earmark.diarization._units import cut_units
from earmark.live._archive import Archive
from earmark.live._hearing import STRETCH_WINDOWS
from earmark.live._people import People

Float = NDArray[np.float32]

STEP = ACCURATE.window_step
WINDOWS = STRETCH_WINDOWS + 40
DURATION = ((WINDOWS - 1) * STEP + 592) * 0.016875
TURN = 400  # frames that each of two people talks, by turns


@pytest.fixture
def builder() -> EvidenceBuilder:
    """Two people, who talk by turns all the time."""
    people = np.eye(16, dtype=np.float32)[:2]
    built = EvidenceBuilder()
    rng = np.random.default_rng(5)
    for window in range(WINDOWS):
        frames = np.arange(589) + window * STEP
        classes = 1 + (frames // TURN) % 2
        probabilities = np.full((589, len(CLASS_SPEAKERS)), 0.01, np.float32)
        probabilities[np.arange(589), classes] = 0.94
        units = cut_units(probabilities, ACCURATE)
        first = built.add_window(window * STEP, probabilities, units)
        for key, one in enumerate(units, first):
            noise = rng.normal(0, 0.05, 16).astype(np.float32)
            vector = people[one.local] + noise
            built.set_unit(key, vector / np.linalg.norm(vector))
    built.add_sound(np.zeros((WINDOWS * STEP + 589) * 270, np.float32))
    for cell in range(int(DURATION / 0.24)):
        if built.add_cell(cell):
            built.set_cell(cell, people[int(cell * 0.24 / 0.016875) // TURN % 2])
    return built


def labelled(evidence: Evidence) -> tuple[Channel, NDArray[np.int64], Float, People]:
    people = People(CountHint(), ACCURATE, 16)
    speakers, centroids = people.cluster(evidence, ())
    return label_voices(evidence, speakers, centroids, ACCURATE), speakers, centroids, people


def test_a_view_is_the_same_after_what_lies_before_it_is_forgotten(
    builder: EvidenceBuilder,
) -> None:
    before = builder.view(duration=DURATION, since=SPAN_WINDOWS)
    kept = {name: np.array(getattr(before, name)) for name in Evidence.__slots__}
    held = builder.nbytes
    builder.forget(SPAN_WINDOWS)
    after = builder.view(duration=DURATION, since=SPAN_WINDOWS)
    for name, value in kept.items():
        assert np.array_equal(value, getattr(after, name), equal_nan=True), name
    assert after.window_frame[0] == 0
    assert builder.nbytes < held
    assert builder.first_window == SPAN_WINDOWS


@pytest.mark.parametrize("unheard", [False, True])
def test_turns_that_were_put_away_go_on_in_those_that_follow(
    builder: EvidenceBuilder, *, unheard: bool
) -> None:
    """Also those of somebody of whom there is no clear speech in what is put away."""
    whole, speakers, centroids, people = labelled(builder.view(duration=DURATION))
    if unheard:
        speakers = np.where(speakers == whole.order[1], -1, speakers)
    numbers = people.number(whole, centroids, 0.0, DURATION, [], None)
    frame = STRETCH_WINDOWS // SPAN_WINDOWS * SPAN_FRAMES
    origin, until = frame * 0.016875, (frame + 593) * 0.016875
    archive = Archive()
    archive.add(
        whole,
        speakers,
        numbers,
        builder.view(duration=DURATION),
        windows=STRETCH_WINDOWS,
        origin_s=0.0,
        since_s=0.0,
        until_s=until,
    )
    builder.forget(STRETCH_WINDOWS)
    later, _, centroids, _ = labelled(builder.view(duration=DURATION, since=STRETCH_WINDOWS))
    found = archive.before(later, centroids, origin, until)
    assert [span.speaker for span in found.spans] == [span.speaker for span in whole.spans]
    times = [(span.start, span.end) for span in whole.spans]
    assert np.allclose([(span.start, span.end) for span in found.spans], times, atol=0.02)
    assert len(found.exclusive) == len(whole.exclusive)
    assert len(found.confidence) == len(whole.confidence)
    if not unheard:
        assert np.allclose(found.net_speech_s, whole.net_speech_s, rtol=0.05)
    assert archive.nbytes < 50_000
