"""Bodies that carry a recording, written to the blob store while they arrive."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

import anyio
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from earmark.dialects._http import announced_bytes, at_length
from earmark.errors import InvalidInput, MediaTooLarge
from earmark.service import Caller, Media, Service

__all__ = ["Form", "Writer", "receive_body", "receive_form", "receive_recording"]

BLOCK_BYTES = 1 << 18
"""What arrives is written in pieces of this size: one trip to a thread for each."""

SILENCE_S = 60.0
"""How long a client may send nothing in the middle of a body."""

LEAST_RATE = 1024
"""Bytes per second that a body has to come with, once `SILENCE_S` were spent waiting for it."""

MAX_PARTS = 100

T_co = TypeVar("T_co", covariant=True)


class Writer(Protocol[T_co]):
    """Where bytes go; what was written can be seen only after ``commit``."""

    def write(self, data: bytes, /) -> object: ...

    def commit(self) -> T_co: ...

    def abort(self) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """What a multipart form held.

    ``fingerprint`` (SHA-256, hex) is the same for every form with the same parts, whatever their
    order and the boundary between them.
    """

    fields: Mapping[str, str]
    media: Media | None
    fingerprint: str


async def receive_form(
    request: Request,
    *,
    file_field: str,
    open_file: Callable[[str | None], Writer[Media]],
    text_fields: Collection[str],
    max_field_bytes: int,
    max_file_bytes: int,
    check: Callable[[Mapping[str, str]], object] = dict,
) -> Form:
    """Read a multipart form; its one file goes straight into ``open_file(file name)``.

    The parts may come in any order. Any other file, unless its name is one of ``text_fields``, is
    read and thrown away: a field that is empty. ``max_field_bytes`` bounds the names and values of
    all fields together, ``max_file_bytes`` what is thrown away. ``check(fields)`` may raise before
    the file is kept.

    Raises `InvalidInput` for what is not such a form, breaks off, or names a field twice,
    `MediaTooLarge`, and what the writer and the check raise; nothing is kept then.
    """
    reader = _Reader(
        boundary=_boundary(request.headers.get("content-type")),
        file_field=file_field,
        open_file=open_file,
        text_fields=text_fields,
        max_field_bytes=max_field_bytes,
        max_file_bytes=max_file_bytes,
    )
    try:
        async for block in _blocks(request):
            await run_in_threadpool(reader.feed, block)
        fields = reader.fields()
        check(fields)
        media = await run_in_threadpool(reader.commit)
    except BaseException:
        await _abort(reader)
        raise
    return Form(fields=fields, media=media, fingerprint=_fingerprint(fields, file_field, media))


async def receive_recording(
    request: Request,
    service: Service,
    caller: Caller,
    *,
    dialect: str,
    text_fields: Collection[str],
    max_field_bytes: int,
    check: Callable[[Mapping[str, str]], object],
    at_once: bool = False,
) -> Form:
    """As `receive_form`; the field ``file`` is a recording that goes with the job or request."""
    return await receive_form(
        request,
        file_field="file",
        open_file=lambda name: service.media.writer(
            caller,
            dialect=dialect,
            name=name,
            owned=True,
            at_once=at_once,
            announced=announced_bytes(request, form=True),
        ),
        text_fields=text_fields,
        max_field_bytes=max_field_bytes,
        max_file_bytes=service.settings.max_upload_bytes,
        check=check,
    )


async def receive_body(
    request: Request, writer: Writer[T_co], *, lengthy_for: Caller | None = None
) -> T_co:
    """Write the body as it is; what the writer's ``commit`` returns.

    ``lengthy_for`` is the caller where that may take long. Raises `InvalidInput` when the body
    breaks off, what `at_length` then raises, and what the writer raises; nothing is kept then.
    """
    try:
        async for block in _blocks(request):
            await run_in_threadpool(writer.write, block)
        if lengthy_for is not None:
            return await at_length(lengthy_for, writer.commit)
        return await run_in_threadpool(writer.commit)
    except BaseException:
        await _abort(writer)
        raise


class _Aborts(Protocol):
    def abort(self) -> None: ...


async def _abort(what: _Aborts) -> None:
    with anyio.CancelScope(shield=True):  # also when the request itself is being given up
        await run_in_threadpool(what.abort)


async def _blocks(request: Request) -> AsyncIterator[bytes]:
    """The body in pieces of one size, however the network cut it."""
    gathered = bytearray()
    async for chunk in _in_time(request.stream()):
        gathered += chunk
        while len(gathered) >= BLOCK_BYTES:
            yield bytes(gathered[:BLOCK_BYTES])
            del gathered[:BLOCK_BYTES]
    if gathered:
        yield bytes(gathered)


async def _in_time(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The chunks of a body, from a client that keeps sending."""
    came, waited_s = 0, 0.0
    while True:
        begun = anyio.current_time()
        chunk = None
        try:
            with anyio.move_on_after(SILENCE_S):
                chunk = await anext(stream, b"")
        except ClientDisconnect as error:
            raise InvalidInput(
                "The connection was closed before the request was complete."
            ) from error
        if chunk == b"":
            return
        waited_s += anyio.current_time() - begun
        came += len(chunk or b"")
        if chunk is None or (waited_s > SILENCE_S and came < LEAST_RATE * waited_s):
            raise InvalidInput(
                f"The body came too slowly: {came} bytes in {waited_s:.0f} s. Send it again."
            )
        yield chunk


def _boundary(content_type: str | None) -> bytes:
    kind, parameters = parse_options_header(content_type)
    boundary = parameters.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise InvalidInput(
            "The body must be multipart/form-data with a boundary;"
            f" its Content-Type is {content_type!r}."
        )
    return boundary


def _fingerprint(fields: Mapping[str, str], file_field: str, media: Media | None) -> str:
    parts = sorted(fields.items())
    file = None if media is None else (file_field, media.name, media.sha256)
    return hashlib.sha256(json.dumps([parts, file]).encode()).hexdigest()


class _Reader:
    """The parts of a form, from pieces of its body."""

    def __init__(
        self,
        *,
        boundary: bytes,
        file_field: str,
        open_file: Callable[[str | None], Writer[Media]],
        text_fields: Collection[str],
        max_field_bytes: int,
        max_file_bytes: int,
    ) -> None:
        self._file_field = file_field
        self._open_file = open_file
        self._text_fields = text_fields
        self._max_field_bytes = max_field_bytes
        self._max_file_bytes = max_file_bytes
        self._field_bytes = 0
        self._thrown_bytes = 0
        self._parts: dict[str, bytearray] = {}
        self._take: Callable[[bytes], object] = self._throw  # what becomes of the part being read
        self._file: Writer[Media] | None = None
        self._header = (b"", b"")
        self._disposition: bytes | None = None
        self._ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_begin": self._begin_header,
                    "on_header_field": self._header_name,
                    "on_header_value": self._header_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._open_part,
                    "on_part_data": self._part_data,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise InvalidInput(f"The form's boundary cannot be used: {error}.") from error

    def feed(self, block: bytes) -> None:
        try:
            self._parser.write(block)
        except FormParserError as error:
            raise InvalidInput(f"The body is not a well-formed multipart form: {error}.") from error

    def fields(self) -> dict[str, str]:
        """The text fields, once everything has been fed."""
        if not self._ended:
            raise InvalidInput("The form breaks off: the boundary that ends it is missing.")
        return {name: _text(name, value) for name, value in self._parts.items()}

    def commit(self) -> Media | None:
        return None if self._file is None else self._file.commit()

    def abort(self) -> None:
        if self._file is not None:
            self._file.abort()

    def _begin_part(self) -> None:
        self._disposition = None

    def _begin_header(self) -> None:
        self._header = (b"", b"")

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        name, value = self._header
        self._header = (name + data[start:end], value)

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        name, value = self._header
        self._header = (name, value + data[start:end])

    def _end_header(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = value

    def _open_part(self) -> None:
        kind, parameters = parse_options_header((self._disposition or b"").decode("latin-1"))
        if kind != b"form-data" or b"name" not in parameters:
            raise InvalidInput(
                "A part of the form does not say which field it is:"
                ' it needs `Content-Disposition: form-data; name="…"`.'
            )
        name = parameters[b"name"].decode(errors="replace")
        taken = name in self._parts or (name == self._file_field and self._file is not None)
        if taken:
            raise InvalidInput(f"The form has the field {name!r} twice.")
        if len(self._parts) >= MAX_PARTS:
            raise InvalidInput(f"The form has more than {MAX_PARTS} fields.")
        if name == self._file_field:
            self._file = self._open_file(_file_name(parameters.get(b"filename", b"")))
            self._take = self._file.write
        else:
            self._count_field_bytes(len(name))
            self._parts[name] = bytearray()
            stray = b"filename" in parameters and name not in self._text_fields
            self._take = self._throw if stray else partial(self._keep, self._parts[name])

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._take(data[start:end])

    def _keep(self, value: bytearray, data: bytes) -> None:
        self._count_field_bytes(len(data))
        value += data

    def _throw(self, data: bytes) -> None:
        self._thrown_bytes += len(data)
        if self._thrown_bytes > self._max_file_bytes:
            raise MediaTooLarge(
                f"The form's other files have more than {self._max_file_bytes} bytes; a recording"
                f" belongs into the field {self._file_field!r}.",
                size=self._thrown_bytes,
                limit=self._max_file_bytes,
            )

    def _end(self) -> None:
        self._ended = True

    def _count_field_bytes(self, size: int) -> None:
        self._field_bytes += size
        if self._field_bytes > self._max_field_bytes:
            raise InvalidInput(
                f"The form's fields are longer than {self._max_field_bytes} bytes;"
                f" a recording belongs into the field {self._file_field!r}."
            )


def _file_name(value: bytes) -> str | None:
    """The last part of what may be a path, printable, at most 255 characters; None if empty."""
    last = re.split(r"[/\\]", value.decode(errors="replace"))[-1]
    return "".join(filter(str.isprintable, last))[-255:] or None


def _text(name: str, value: bytearray) -> str:
    with suppress(UnicodeDecodeError):
        return value.decode()
    raise InvalidInput(f"The form's field {name!r} is not UTF-8 text.")
