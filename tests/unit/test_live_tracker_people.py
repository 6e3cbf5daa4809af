"""Which number the speakers of a session have, and which one stays when two were one person."""

from __future__ import annotations

import numpy as np
import pytest

from earmark.diarization.parts import ACCURATE, Channel, CountHint, Span
from earmark.live._book import Piece
from earmark.live._changes import Merge
from earmark.live._people import People

NONE = np.zeros(0, np.float32)


def channel(*spans: tuple[float, float, int]) -> Channel:
    found = [Span(start=a, end=b, speaker=speaker, confidence=1.0) for a, b, speaker in spans]
    order = sorted({speaker for _, _, speaker in spans})
    return Channel(
        spans=found,
        exclusive=found,
        order=order,
        centroids=NONE,
        net_speech_s=NONE,
        confidence=NONE,
    )


def test_of_two_labels_of_one_person_the_first_one_stays() -> None:
    people = People(CountHint.of(None, None, None), ACCURATE, 4)
    told = [
        Piece(start=start, end=end, speaker=people.add(np.ones(4, np.float32), 1.0), settled=False)
        for start, end in ((0.0, 3.0), (3.0, 5.0), (6.0, 20.0), (21.0, 21.5))
    ]
    answer = channel((0.0, 3.0, 0), (3.0, 5.0, 1), (6.0, 20.0, 0), (21.0, 21.5, 1))
    voices = np.eye(2, 4, dtype=np.float32)
    numbers = people.number(answer, voices, 0.0, 30.0, told, None)
    assert numbers == [0, 1]
    settled = [
        Piece(start=span.start, end=span.end, speaker=numbers[span.speaker], settled=True)
        for span in answer.spans
    ]
    assert people.settle(told, settled, 30.0, ()) == [
        Merge(source="SPEAKER_02", target="SPEAKER_00", since=6.0),
        Merge(source="SPEAKER_03", target="SPEAKER_01", since=21.0),
    ]


def test_the_less_is_heard_of_a_voice_the_less_alike_it_need_be() -> None:
    people = People(CountHint.of(None, None, None), ACCURATE, 4)
    voice = np.full(4, 0.5, np.float32)
    number = people.add(voice, 2.0)
    young = people.asked(number, 1.6, {number: 0.5})
    for _ in range(5):
        people.hear(number, voice, 2.0)
    assert young < people.asked(number, 1.2, {number: 0.5}) < people.asked(number, 1.6, {})


def test_less_is_asked_of_who_is_like_one_voice_alone() -> None:
    people = People(CountHint.of(None, None, None), ACCURATE, 4)
    one, other = (people.add(voice, 8.0) for voice in np.eye(2, 4, dtype=np.float32))
    asked = people.asked(one, 1.6, {one: 0.4})
    assert people.asked(one, 1.6, {one: 0.4, other: 0.2}) == pytest.approx(0.35)
    assert people.asked(one, 1.6, {one: 0.4, other: 0.0}) < 0.35
    assert people.asked(one, 1.6, {one: 0.4, other: 0.38}) == asked > 0.4
