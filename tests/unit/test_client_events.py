"""Server-sent events from the lines of a stream."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from earmark.client._events import Event, EventReader


def _read(text: str, reader: EventReader | None = None) -> list[Event]:
    reader = reader or EventReader()
    return [event for line in text.split("\n") if (event := reader.feed(line)) is not None]


def test_events_comments_and_ids() -> None:
    text = (
        ": hello\nretry: 5\n\nid: a\nevent: state\ndata: 1\ndata:2\n\n: still here\n\ndata: 3\n\n"
    )
    assert _read(text) == [
        Event(name="state", data="1\n2", id="a"),
        Event(name="message", data="3", id="a"),
    ]


def test_an_event_that_was_cut_off_is_forgotten_but_not_the_last_id() -> None:
    reader = EventReader()
    assert _read("id: a\ndata: 1\n\nevent: state\ndata: 2", reader)
    reader.restart()
    assert _read("data: 3\n\n", reader) == [Event(name="message", data="3", id="a")]


_word = st.text(string.ascii_letters + string.digits + " :", min_size=1).map(str.strip)


@given(st.lists(st.tuples(_word.filter(bool), st.lists(_word, min_size=1), _word.filter(bool))))
def test_what_is_written_is_read(events: list[tuple[str, list[str], str]]) -> None:
    text = "".join(
        f"id: {event_id}\nevent: {name}\n" + "".join(f"data: {line}\n" for line in data) + "\n"
        for name, data, event_id in events
    )
    assert _read(text) == [
        Event(name=name, data="\n".join(data), id=event_id) for name, data, event_id in events
    ]
