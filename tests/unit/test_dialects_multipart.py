"""A multipart form is the same however the network cuts it, and nothing is kept of a bad one."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from earmark.dialects import _multipart
from earmark.dialects._multipart import Form, receive_body, receive_form
from earmark.errors import InvalidInput, InvalidOption, MediaTooLarge
from earmark.service import Media


@dataclass
class Store:
    """A writer that keeps what it is given in memory."""

    name: str | None = None
    limit: int = 1 << 30
    data: bytearray = field(default_factory=bytearray)
    kept: bool = False
    aborted: bool = False

    def open(self, name: str | None) -> Store:
        self.name = name
        return self

    def write(self, data: bytes) -> None:
        self.data += data
        if len(self.data) > self.limit:
            raise MediaTooLarge("Too large.", size=len(self.data), limit=self.limit)

    def commit(self) -> Media:
        self.kept = True
        return Media(
            id="1",
            tenant_id="t",
            dialect="native",
            key=None,
            name=self.name,
            blob="b",
            size=len(self.data),
            sha256=hashlib.sha256(self.data).hexdigest(),
            owned=True,
            created_at=0.0,
            expires_at=None,
        )

    def abort(self) -> None:
        self.aborted = not self.kept


def _request(chunks: list[bytes], content_type: str, *, closes: bool = False) -> Request:
    messages: Iterator[dict[str, Any]] = iter(
        [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
        + [{"type": "http.disconnect"} if closes else {"type": "http.request", "body": b""}]
    )

    async def receive() -> dict[str, Any]:
        return next(messages)

    headers = [(b"content-type", content_type.encode())]
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


def _body(parts: list[tuple[str, str | None, bytes]], boundary: str = "xyz") -> bytes:
    out = b""
    for name, file_name, value in parts:
        file = "" if file_name is None else f'; filename="{file_name}"'
        out += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}'.encode()
        out += b"\r\n\r\n" + value + b"\r\n"
    return out + f"--{boundary}--\r\n".encode()


def _receive(
    chunks: list[bytes],
    store: Store,
    *,
    boundary: str = "xyz",
    max_field_bytes: int = 10_000,
    check: Callable[[Any], object] = dict,
    closes: bool = False,
) -> Form:
    request = _request(chunks, f'multipart/form-data; boundary="{boundary}"', closes=closes)
    return asyncio.run(
        receive_form(
            request,
            file_field="file",
            open_file=store.open,
            text_fields=("name",),
            max_field_bytes=max_field_bytes,
            max_file_bytes=20_000,
            check=check,
        )
    )


PARTS: list[tuple[str, str | None, bytes]] = [
    ("speakers", None, b"2"),
    ("file", "call é.wav", b"RIFF\r\n--xy\r\n\r\n--xyzz\x00\xff\r"),
    ("name", None, "grüß\r\ndich".encode()),
]


@given(
    cuts=st.lists(st.integers(0, len(_body(PARTS)))),
    block=st.integers(1, 400),
    order=st.permutations(PARTS),
)
def test_any_chunking_gives_the_same_form(
    cuts: list[int], block: int, order: list[tuple[str, str | None, bytes]]
) -> None:
    body = _body(order)
    edges = [0, *sorted(cuts), len(body)]
    store = Store()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_multipart, "BLOCK_BYTES", block)
        form = _receive([body[a:b] for a, b in pairwise(edges)], store)
    assert form.fields == {"speakers": "2", "name": "grüß\r\ndich"}
    assert bytes(store.data) == PARTS[1][2]
    assert store.kept
    assert form.media is not None
    assert form.media.name == "call é.wav"
    assert (
        form.fingerprint == _receive([_body(PARTS, "other")], Store(), boundary="other").fingerprint
    )


@pytest.mark.parametrize(
    "parts",
    [
        [("speakers", None, b"3"), *PARTS[1:]],
        [PARTS[0], ("file", "other.wav", PARTS[1][2]), PARTS[2]],
        [PARTS[0], ("file", "call é.wav", b"RIFF"), PARTS[2]],
        PARTS[:2],
        [PARTS[0], PARTS[2]],
    ],
)
def test_other_parts_are_another_form(parts: list[tuple[str, str | None, bytes]]) -> None:
    same = _receive([_body(PARTS)], Store()).fingerprint
    assert _receive([_body(parts)], Store()).fingerprint != same


@given(end=st.integers(0, len(_body(PARTS)) - 5))
def test_nothing_is_kept_of_a_form_that_breaks_off(end: int) -> None:
    store = Store()
    with pytest.raises(InvalidInput):
        _receive([_body(PARTS)[:end]], store)
    assert not store.kept
    assert store.aborted == (store.name is not None)


@given(junk=st.binary(max_size=200))
def test_junk_is_no_form(junk: bytes) -> None:
    with pytest.raises(InvalidInput):
        _receive([junk], Store())


def test_a_connection_that_closes_aborts_the_file() -> None:
    store = Store()
    with pytest.raises(InvalidInput, match="connection was closed"):
        _receive([_body(PARTS)[:-9]], store, closes=True)
    assert not store.kept


def test_a_refusal_of_the_fields_keeps_nothing() -> None:
    store = Store()

    def check(fields: dict[str, str]) -> None:
        assert fields["speakers"] == "2"
        raise InvalidOption("No.")

    with pytest.raises(InvalidOption):
        _receive([_body(PARTS)], store, check=check)
    assert store.aborted


def test_a_refusal_of_the_writer_goes_through() -> None:
    store = Store(limit=5)
    with pytest.raises(MediaTooLarge):
        _receive([_body(PARTS)], store)
    assert store.aborted


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([PARTS[0], PARTS[0]], "'speakers' twice"),
        ([PARTS[1], PARTS[1]], "'file' twice"),
        ([("recording", None, bytes(10_001))], "the field 'file'"),
        ([("name", "a.txt", bytes(10_001))], "longer than 10000 bytes"),
        ([("name", None, b"\xff")], "'name' is not UTF-8"),
        ([(f"f{i}", None, b"") for i in range(101)], "more than 100"),
    ],
)
def test_what_is_wrong_with_a_form_is_said(
    parts: list[tuple[str, str | None, bytes]], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        _receive([_body(parts)], Store())


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "multipart/form-data", "multipart/mixed; boundary=x"]
)
def test_another_content_type_is_refused(content_type: str) -> None:
    request = _request([_body(PARTS)], content_type)
    with pytest.raises(InvalidInput, match="multipart/form-data"):
        asyncio.run(
            receive_form(
                request,
                file_field="f",
                open_file=Store().open,
                text_fields=(),
                max_field_bytes=9,
                max_file_bytes=9,
            )
        )


def test_a_file_in_another_field_is_thrown_away() -> None:
    stray = ("recording", "a.wav", b"\xff" * 20_000)
    store = Store()
    form = _receive([_body([PARTS[0], stray])], store)
    assert (form.fields, form.media) == ({"speakers": "2", "recording": ""}, None)
    form = _receive([_body([*PARTS[:2], stray, ("name", "name.txt", b"a text")])], store)
    assert form.fields == {"speakers": "2", "recording": "", "name": "a text"}
    assert bytes(store.data) == PARTS[1][2]
    with pytest.raises(MediaTooLarge, match="the field 'file'") as caught:
        _receive([_body([("recording", "a.wav", bytes(20_001))])], Store())
    assert (caught.value.size, caught.value.limit) == (20_001, 20_000)
    with pytest.raises(InvalidInput, match="'recording' twice"):
        _receive([_body([stray, stray])], Store())


def test_a_raw_body_is_written_as_it_is() -> None:
    store = Store()
    media = asyncio.run(receive_body(_request([b"ab", b"", b"c"], "audio/wav"), store))
    assert bytes(store.data) == b"abc"
    assert media.size == 3


def test_nothing_is_kept_of_a_raw_body_that_breaks_off() -> None:
    store = Store()
    with pytest.raises(InvalidInput):
        asyncio.run(receive_body(_request([b"ab"], "audio/wav", closes=True), store))
    assert store.aborted


def test_who_falls_silent_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_multipart, "SILENCE_S", 0.05)

    async def send() -> None:
        hung = asyncio.Event()
        first = [{"type": "http.request", "body": b"RIFF", "more_body": True}]

        async def receive() -> dict[str, Any]:
            if first:
                return first.pop()
            await hung.wait()
            raise AssertionError("nobody sets this")

        request = Request({"type": "http", "method": "PUT", "headers": []}, receive)
        await receive_body(request, writer)

    writer = Store()
    with pytest.raises(InvalidInput, match="too slowly: 4 bytes"):
        asyncio.run(asyncio.wait_for(send(), 30))
    assert writer.aborted


def test_who_sends_drop_by_drop_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_multipart, "SILENCE_S", 0.2)

    async def send() -> None:
        async def receive() -> dict[str, Any]:
            await asyncio.sleep(0.01)
            return {"type": "http.request", "body": b"x", "more_body": True}

        request = Request({"type": "http", "method": "PUT", "headers": []}, receive)
        await receive_body(request, writer)

    writer = Store()
    with pytest.raises(InvalidInput, match="too slowly"):
        asyncio.run(asyncio.wait_for(send(), 30))
    assert writer.aborted
