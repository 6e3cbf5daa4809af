"""Which number the speakers of a session have, and which one stays when two were one person."""

from __future__ import annotations

import numpy as np

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
