"""A body is the same however the network cuts it, and nothing is kept of a bad one."""

from __future__ import annotations

import base64
import json
import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.dialects.deepaffects._body import MAX_FIELD_BYTES, JsonBody
from earmark.errors import InvalidInput, MediaTooLarge
from earmark.service import Media

SOUND = bytes(range(256)) * 3 + b"\xff\xfe\xfd\xfb"
CONTENT = base64.b64encode(SOUND).decode()

Read = tuple[tuple[dict[str, Any], bool], Media | None]


@dataclass
class Recording:
    """A writer that keeps what it is given in memory; ``size`` counts it when it is not kept."""

    limit: int = 1 << 40
    keep: bool = True
    opened: int = 0
    size: int = 0
    data: bytearray = field(default_factory=bytearray)
    kept: bool = False
    aborted: bool = False

    def open(self) -> Recording:
        self.opened += 1
        return self

    def write(self, data: bytes) -> None:
        self.size += len(data)
        if self.keep:
            self.data += data
        if self.size > self.limit:
            raise MediaTooLarge("Too large.", size=self.size, limit=self.limit)

    def commit(self) -> Media:
        self.kept = True
        return Media(
            id="1",
            tenant_id="t",
            dialect="deepaffects",
            key=None,
            name=None,
            blob="b",
            size=self.size,
            sha256="",
            owned=True,
            created_at=0.0,
            expires_at=None,
        )

    def abort(self) -> None:
        self.aborted = not self.kept


def remember(members: Mapping[str, Any], recording: bool) -> tuple[dict[str, Any], bool]:
    return dict(members), recording


def read(body: bytes, recording: Recording, cuts: list[int] | None = None) -> Read:
    reader = JsonBody(recording.open, remember)
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts or []), len(body)]
    try:
        for first, last in pairwise(edges):
            reader.write(body[first:last])
        return reader.commit()
    except BaseException:
        reader.abort()
        raise


BODIES = [
    json.dumps({"content": CONTENT, "speakerId": "ann"}).encode(),
    json.dumps({"speakerId": "ann", "content": CONTENT}, indent=2).encode(),
    b'{"speakerId":"ann","content":"' + CONTENT.replace("/", r"\/").encode() + b'"}',
    b'{"speakerId":"ann","content":"' + CONTENT.replace("+", r"\u002B").encode() + b'"}',
    b'{"speakerId":"ann","content":"' + base64.encodebytes(SOUND).replace(b"\n", rb"\r\n") + b'"}',
    b'{"speakerId":"ann","\\u0063ontent":"' + CONTENT.encode() + b'"}',
]


@given(body=st.sampled_from(BODIES), cuts=st.lists(st.integers(0, 2000), max_size=40))
def test_any_chunking_and_any_spelling_gives_the_same(body: bytes, cuts: list[int]) -> None:
    recording = Recording()
    (members, there), media = read(body, recording, cuts)
    assert (members, there) == ({"speakerId": "ann", "content": ""}, True)
    assert bytes(recording.data) == SOUND
    assert recording.kept
    assert media is not None


def test_one_byte_at_a_time() -> None:
    for body in BODIES:
        recording = Recording()
        read(body, recording, list(range(len(body))))
        assert bytes(recording.data) == SOUND


@given(
    members=st.dictionaries(
        st.text(max_size=8),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=20),
            lambda each: st.lists(each) | st.dictionaries(st.sampled_from(["content", "a"]), each),
            max_leaves=10,
        ),
    ),
    cuts=st.lists(st.integers(0, 300)),
)
def test_other_members_are_what_json_says(members: dict[str, Any], cuts: list[int]) -> None:
    """Also a ``content`` further down, which is no recording."""
    members.pop("content", None)
    recording = Recording()
    (found, there), media = read(json.dumps(members).encode(), recording, cuts)
    assert (found, there, media, recording.opened) == (members, False, None, 0)


@pytest.mark.parametrize("value", ["", None, 5, {"content": CONTENT}, [CONTENT]])
def test_what_is_no_recording(value: object) -> None:
    recording = Recording()
    (members, there), media = read(json.dumps({"content": value}).encode(), recording)
    assert (members, there, media) == ({"content": value}, False, None)
    assert not recording.kept


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no JSON"),
        (b"[]", "must be a JSON object"),
        (b'["content","QUJD"]', "must be a JSON object"),
        (b'"content"', "must be a JSON object"),
        (b'{"a":1', "no JSON"),
        (b'{"a":1}}', "no JSON"),
        (b'{"a":1} {"content":"QUJD"}', "no JSON"),
        (b'{"content":"QUJD"', "no JSON"),
        (b'{"content":"QUJD', "no JSON"),
        (b'{"content":"QUJD","content":"QUJD"}', "twice"),
        (b'{"content":"QUJ"}', "no base64: it is cut off"),
        (b'{"content":"QQ==QQ=="}', "no base64"),
        (b'{"content":"QU_-"}', "no base64"),
        ('{"content":"QUé="}'.encode(), "no base64"),
        (rb'{"content":"QU\u00e9="}', "no base64"),
        (b'{"content":"data:audio/wav;base64,QUJD"}', "no base64"),
        (rb'{"content":"QUJD\u12G4QUJDQUJD"}', "broken escape"),
        (rb'{"content":"QUJD\qQUJD"}', "no JSON"),
        (b'{"a":' + b"[" * 100, "nested more than"),
        (b'{"a":"' + b"x" * (MAX_FIELD_BYTES + 1), "beside its 'content'"),
        (b'{"a":1,' + b" " * MAX_FIELD_BYTES, "beside its 'content'"),
        (b"\xff\xfe{}", "no JSON"),
    ],
)
def test_what_is_wrong_with_a_body_is_said(body: bytes, said: str) -> None:
    recording = Recording()
    with pytest.raises(InvalidInput, match=said):
        read(body, recording)
    assert not recording.kept
    assert recording.aborted == (recording.opened > 0)


def test_padding_that_ends_a_piece_ends_the_recording() -> None:
    body = b'{"content":"QQ==QQ=="}'
    with pytest.raises(InvalidInput, match="something follows its end"):
        read(body, Recording(), [body.index(b"=") + 2])


@given(junk=st.binary(max_size=200))
def test_junk_keeps_nothing(junk: bytes) -> None:
    recording = Recording()
    with pytest.raises(InvalidInput):
        read(b'{"content":"QUJD", ' + junk, recording)
    assert not recording.kept


def test_a_refusal_of_the_members_keeps_nothing() -> None:
    def refuse(members: Mapping[str, Any], there: bool) -> None:
        raise InvalidInput("No.")

    recording = Recording()
    reader = JsonBody(recording.open, refuse)
    reader.write(BODIES[0])
    with pytest.raises(InvalidInput, match="No"):
        reader.commit()
    reader.abort()
    assert recording.aborted


def test_a_refusal_of_the_writer_goes_through() -> None:
    with pytest.raises(MediaTooLarge):
        read(BODIES[0], Recording(limit=5))


@pytest.mark.parametrize("space", [b" ", rb"\n", rb"\u0020"])
def test_white_space_without_end_is_refused(space: bytes) -> None:
    reader = JsonBody(Recording().open, remember)
    reader.write(b'{"content":"QUJD')

    def write_on() -> None:
        for _ in range(100):
            reader.write(space * (MAX_FIELD_BYTES // 50))

    with pytest.raises(InvalidInput, match="white space"):
        write_on()


def test_white_space_after_every_character_is_no_harm() -> None:
    content = "\n".join(base64.b64encode(SOUND * 400).decode())
    recording = Recording()
    read(json.dumps({"content": content}).encode(), recording)
    assert bytes(recording.data) == SOUND * 400


def test_that_memory_does_not_grow_with_the_recording() -> None:
    block = b"QUJD" * (1 << 16)
    recording = Recording(keep=False)
    reader = JsonBody(recording.open, remember)
    reader.write(b'{"content":"')
    tracemalloc.start()
    try:
        for _ in range(100):
            reader.write(block)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    reader.write(b'"}')
    assert reader.commit()[0] == ({"content": ""}, True)
    assert recording.size == 100 * len(block) * 3 // 4
    assert peak < 8 * len(block)
