"""From evidence to turns, with talk whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from earmark.diarization import _grid
from earmark.diarization._assignment import assign_units
from earmark.diarization._certainty import certainty
from earmark.diarization._channel import Channel, Span, label_channel
from earmark.diarization._clustering import CountHint
from earmark.diarization._evidence import Evidence
from earmark.diarization._grid import FRAME_S, FRAME_START_S
from earmark.diarization._labelling import Labels, count_talkers, label_frames
from earmark.diarization._parameters import ACCURATE, Parameters
from earmark.diarization._probe import second_opinion
from engine import Said, conversation, voices

Float = NDArray[np.float32]

TOLERANCE = 0.1  # seconds; where one voice follows another, embeddings see both
TALK = [
    Said(0.5, 6.0, 1),
    Said(6.4, 11.0, 0),
    Said(10.0, 14.0, 1),
    Said(14.5, 19.0, 2),
    Said(19.0, 24.0, 0),
    Said(23.2, 29.5, 2),
]
PEOPLE = voices(3)


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return conversation(TALK, PEOPLE, duration=30.0)


def labelled(evidence: Evidence, hint: CountHint | None = None) -> Channel:
    return label_channel(evidence, hint or CountHint(), ACCURATE)


def seconds(channel: Channel) -> list[float]:
    """How long each speaker talks."""
    return [
        sum(span.end - span.start for span in channel.spans if span.speaker == number)
        for number in range(len(channel.centroids))
    ]


def assert_exclusive(channel: Channel) -> None:
    """One at a time, within what the speaker says anyway."""
    ends = [0.0, *(span.end for span in channel.exclusive)]
    assert all(span.start >= end for span, end in zip(channel.exclusive, ends, strict=False))
    for span in channel.exclusive:
        assert any(
            whole.speaker == span.speaker and whole.start <= span.start and span.end <= whole.end
            for whole in channel.spans
        )


def test_turns_are_what_was_said(evidence: Evidence) -> None:
    channel = labelled(evidence)
    numbers = {1: 0, 0: 1, 2: 2}  # in order of appearance
    assert [span.speaker for span in channel.spans] == [numbers[said.who] for said in TALK]
    for span, said in zip(channel.spans, TALK, strict=True):
        assert span.start == pytest.approx(said.start, abs=TOLERANCE)
        assert span.end == pytest.approx(said.end, abs=TOLERANCE)
        assert 0 < span.confidence <= 1


def test_centroids_and_net_speech_are_each_speaker_s(evidence: Evidence) -> None:
    channel = labelled(evidence)
    assert (channel.centroids @ PEOPLE.T).argmax(axis=1).tolist() == [1, 0, 2]
    # Talk less overlap: 8.5 s, 7.8 s and 10 s; windows see the ends less often.
    np.testing.assert_allclose(channel.net_speech_s, [8.5, 7.8, 10.0], rtol=0.25)


def test_one_at_a_time_is_part_of_what_was_said(evidence: Evidence) -> None:
    channel = labelled(evidence)
    assert_exclusive(channel)
    said = sum(span.end - span.start for span in channel.spans)
    alone = sum(span.end - span.start for span in channel.exclusive)
    assert said - alone == pytest.approx(1.8, abs=0.15)  # the overlap


def test_confidence_has_a_value_per_frame(evidence: Evidence) -> None:
    confidence = labelled(evidence).confidence
    assert confidence.dtype == np.float32
    assert confidence.shape == evidence.speech.shape
    assert confidence.min() >= 0
    assert confidence.max() <= 1


def test_a_window_that_takes_two_people_for_one_is_corrected() -> None:
    talk = [Said(1.5 * i, 1.5 * i + 1.4, i % 2) for i in range(40)]
    evidence = conversation(
        talk, voices(2), duration=60.0, mistaken_for_one=frozenset({0, 1}), spread=0.8
    )
    assert (evidence.local.max(axis=1) > 200).sum(axis=1).max() == 1  # one speaker per window
    channel = labelled(evidence)
    assert len(channel.centroids) == 2
    right = sum(
        max(0.0, min(span.end, said.end) - max(span.start, said.start))
        for span in channel.spans
        for said in talk
        if span.speaker == said.who
    )
    assert right > 0.93 * 40 * 1.4  # by units alone, which reach from one to the other: 0.75


@pytest.mark.parametrize("asked", [1, 2, 3])
def test_a_count_is_kept_to(evidence: Evidence, asked: int) -> None:
    channel = labelled(evidence, CountHint(least=asked, most=asked))
    assert len(channel.centroids) == asked
    assert {span.speaker for span in channel.spans} == set(range(asked))
    assert min(seconds(channel)) > 1
    assert_exclusive(channel)


def test_speakers_without_a_turn_do_not_count(evidence: Evidence) -> None:
    """More are asked for than there are voices: the frames may know no use for them."""
    channel = labelled(evidence, CountHint(least=9, most=9))
    assert 3 <= len(channel.centroids) <= 9
    assert min(seconds(channel)) > 0
    assert len(channel.net_speech_s) == len(channel.centroids)


def test_people_who_talk_at_once_are_two() -> None:
    """Whatever their embeddings say."""
    talk = [Said(1.0, 9.0, 0), Said(5.0, 13.0, 1), Said(12.0, 19.0, 0)]
    same = np.repeat(voices(1), 2, axis=0)
    evidence = conversation(talk, same, duration=20.0)
    other = voices(2)  # the second is nobody: what rivals are driven to
    speakers, _ = assign_units(evidence, other, ACCURATE)
    checked = 0
    for i, (first, last) in enumerate(evidence.unit_span.tolist()):
        window, local = evidence.unit_window[i], evidence.unit_local[i]
        rivals = (
            (evidence.unit_window == window)
            & (evidence.unit_local != local)
            & (evidence.unit_span[:, 0] < last)
            & (evidence.unit_span[:, 1] > first)
        )
        assert (speakers[rivals] != speakers[i]).all()
        checked += rivals.sum()
    assert checked > 20


def test_units_are_assigned_in_a_recording_of_many_windows() -> None:
    """More than are worked on at once."""
    talk = [Said(3.0 * i, 3.0 * i + 2.8, i % 3) for i in range(230)]
    evidence = conversation(talk, PEOPLE, duration=690.0)
    assert len(evidence.window_frame) > 256
    speakers, centroids = assign_units(evidence, PEOPLE, ACCURATE)
    assert (centroids @ PEOPLE.T).argmax(axis=1).tolist() == [0, 1, 2]
    frame = evidence.window_frame[evidence.unit_window] + evidence.unit_span.mean(axis=1)
    whose = (frame * FRAME_S + FRAME_START_S) // 3.0 % 3
    enough = evidence.unit_clean_s > 0.5
    assert (speakers == whose)[enough].mean() > 0.99


def test_tiles_do_not_show(evidence: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    speakers, centroids = assign_units(evidence, PEOPLE, ACCURATE)
    talkers = count_talkers(evidence, ACCURATE)

    def label() -> Labels:
        return label_frames(evidence, talkers, speakers, centroids, ACCURATE)

    whole = label()
    monkeypatch.setattr(_grid, "_TILE", 101)
    tiles = label()
    np.testing.assert_array_equal(tiles.active, whole.active)
    np.testing.assert_array_equal(tiles.first, whole.first)
    np.testing.assert_allclose(tiles.margin, whole.margin, atol=1e-5)


def test_tiles_do_not_show_in_opinions_either(
    evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    frames = len(evidence.speech)
    speech, overlap = (rng.random(frames).astype(np.float32) for _ in range(2))
    scores = rng.normal(size=(frames, 2)).astype(np.float16)
    scores[500:700] = np.nan
    labels = Labels(
        active=rng.random((frames, 3)) < 0.3,
        first=np.zeros(frames, np.int16),
        margin=rng.random(frames).astype(np.float32),
    )

    def opinions() -> tuple[Float, ...]:
        return (*second_opinion(speech, overlap, scores), certainty(evidence, labels, "turns"))

    whole = opinions()
    monkeypatch.setattr(_grid, "_TILE", 101)
    for one, other in zip(opinions(), whole, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_as_many_people_are_put_in_a_frame_as_talk_there(evidence: Evidence) -> None:
    speakers, centroids = assign_units(evidence, PEOPLE, ACCURATE)
    talkers = count_talkers(evidence, ACCURATE)
    labels = label_frames(evidence, talkers, speakers, centroids, ACCURATE)
    assert set(talkers.tolist()) == {0, 1, 2}
    assert (labels.active.sum(axis=1) <= talkers).all()
    assert (labels.active.sum(axis=1) == talkers).mean() > 0.99
    somebody = labels.active.any(axis=1)
    assert ((labels.first >= 0) == somebody).all()
    assert labels.active[np.flatnonzero(somebody), labels.first[somebody]].all()


def probabilities(evidence: Evidence, speech: list[float], overlap: list[float]) -> Evidence:
    return replace(
        evidence, speech=np.array(speech, np.float32), overlap=np.array(overlap, np.float32)
    )


def test_speech_needs_a_peak_and_lasts_a_little_longer(evidence: Evidence) -> None:
    speech = [0.1, 0.45, 0.45, 0.1, 0.1, 0.45, 0.6, 0.45, 0.1, 0.1]
    given = probabilities(evidence, speech, [0.0] * 10)
    parameters = Parameters(speech_on=0.5, speech_off=0.4, hangover=1)
    assert count_talkers(given, parameters).tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1, 0]


def test_overlap_needs_speech(evidence: Evidence) -> None:
    speech = [0.9] * 4 + [0.1] * 4
    overlap = [0.1, 0.47, 0.6, 0.1, 0.1, 0.6, 0.6, 0.1]
    given = probabilities(evidence, speech, overlap)
    parameters = Parameters(speech_on=0.5, hangover=1, overlap_on=0.5, overlap_off=0.45)
    assert count_talkers(given, parameters).tolist() == [1, 2, 2, 1, 1, 0, 0, 0]


def test_nobody_says_anything() -> None:
    channel = labelled(conversation([], PEOPLE, duration=12.0))
    assert (channel.spans, channel.exclusive, len(channel.centroids)) == ([], [], 0)


def test_all_is_overlap() -> None:
    """Nobody can be told apart, but it is known that somebody speaks."""
    talk = [Said(1.0, 9.0, 0), Said(1.0, 9.0, 1)]
    channel = labelled(conversation(talk, PEOPLE, duration=10.0))
    assert [span.speaker for span in channel.spans] == [0]
    assert not channel.centroids.any()


def test_a_turn_ends_with_the_recording() -> None:
    talk = [Said(0.0, 7.3, 0)]
    channel = labelled(conversation(talk, PEOPLE, duration=7.3))
    (span,) = channel.spans
    assert span.start == 0.0
    assert span.end == pytest.approx(7.3, abs=TOLERANCE)
    assert span.end <= 7.3


@given(
    st.lists(st.tuples(st.integers(0, 250), st.integers(5, 60), st.integers(0, 3)), max_size=8),
    st.integers(3, 300),
    st.sampled_from([CountHint(), CountHint(least=2, most=2), CountHint(most=1)]),
)
@settings(max_examples=30)
def test_turns_are_sound_whatever_is_said(
    talk: list[tuple[int, int, int]], tenths: int, hint: CountHint
) -> None:
    said = [Said(a / 10, (a + n) / 10, who) for a, n, who in talk]
    heard = [one for one in said if not _third(one, said)]
    evidence = conversation(heard, voices(4), duration=tenths / 10)
    channel = label_channel(evidence, hint, ACCURATE)
    for spans in (channel.spans, channel.exclusive):
        assert spans == sorted(spans, key=lambda span: span.start)
        for span in spans:
            assert 0 <= span.start < span.end <= tenths / 10
            assert span.end - span.start > 0.0015
            assert 0 <= span.confidence <= 1
    assert_exclusive(channel)
    assert_numbered_by_appearance(channel.spans, len(channel.centroids))
    if hint.most is not None:
        assert len(channel.centroids) <= hint.most


def _third(one: Said, said: list[Said]) -> bool:
    """Whether more people than a window tells apart would talk with this one."""
    near = {
        other.who for other in said if other.start < one.end + 10 and one.start - 10 < other.end
    }
    return len(near) > 2


def assert_numbered_by_appearance(spans: list[Span], count: int) -> None:
    order = list(dict.fromkeys(span.speaker for span in spans))
    # Two who begin in the same frame may come in either order.
    starts = {number: min(s.start for s in spans if s.speaker == number) for number in order}
    assert sorted(order) == list(range(count))
    assert [starts[n] for n in range(count)] == sorted(starts.values())
