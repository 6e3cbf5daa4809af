"""What is told of turns as they become known."""

from __future__ import annotations

from dataclasses import replace

from earmark.live import TurnState
from earmark.live._book import Book, Piece, joined

GOING = Piece(start=1.0, end=2.0, speaker=0, settled=False, going=True)


def test_a_turn_keeps_its_number_while_it_grows_and_is_settled() -> None:
    book = Book()
    told = book.update(0.0, [GOING])
    told += book.update(0.0, [GOING])  # nothing new
    told += book.update(0.0, [replace(GOING, end=2.5)])
    told += book.update(0.0, [replace(GOING, start=1.1, end=2.4, settled=True, going=False)])
    assert [(each.turn, each.start, each.end, each.going) for each in told] == [
        (1, 1.0, 2.0, True),
        (1, 1.0, 2.5, True),
        (1, 1.1, 2.4, False),
    ]
    assert told[-1].state == TurnState.CONFIRMED


def test_what_was_nobody_is_withdrawn_and_a_split_turn_becomes_two() -> None:
    book = Book()
    book.update(0.0, [GOING, replace(GOING, start=3.0, end=3.4)])
    told = book.update(0.0, [replace(GOING, end=1.6), replace(GOING, start=1.6, speaker=1)])
    assert [(each.turn, each.state, each.speaker) for each in told] == [
        (2, TurnState.WITHDRAWN, "SPEAKER_00"),
        (1, TurnState.PROVISIONAL, "SPEAKER_00"),
        (3, TurnState.PROVISIONAL, "SPEAKER_01"),
    ]


def test_a_turn_that_began_earlier_keeps_that_part() -> None:
    book = Book()
    book.update(0.0, [GOING])
    (told,) = book.update(1.5, [replace(GOING, start=1.5, end=3.0)])
    assert (told.turn, told.start, told.end) == (1, 1.0, 3.0)
    (cut,) = book.update(2.0, [])
    assert (cut.turn, cut.state, cut.start, cut.end) == (1, TurnState.CONFIRMED, 1.0, 2.0)


def test_after_a_merge_the_turns_need_not_be_told_again() -> None:
    book = Book()
    book.update(0.0, [GOING, replace(GOING, start=4.0, end=5.0, speaker=1)])
    book.relabel(1, 0)
    assert book.update(0.0, [GOING, replace(GOING, start=4.0, end=5.0)]) == []
    book.forget(3.0)
    assert [piece.start for piece in book.pieces] == [4.0]


def test_pieces_of_one_speaker_that_touch_are_one() -> None:
    settled = Piece(start=0.0, end=1.0, speaker=0, settled=True, confidence=0.8)
    later = replace(settled, start=1.1, end=2.1, settled=False, going=True, confidence=0.6)
    other = replace(settled, start=0.5, end=3.0, speaker=1)
    assert joined([later, other, settled]) == [
        Piece(start=0.0, end=2.1, speaker=0, settled=False, going=True, confidence=0.7),
        other,
    ]
