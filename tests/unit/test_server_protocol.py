"""Requests whose head does not end, or does not come, against the HTTP server itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from earmark.server import _protocol
from earmark.server._http import HttpServer, bind

_GET = b"GET / HTTP/1.1\r\nHost: here\r\n"
_WITHIN_S = 30.0

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("here")(scope, receive, send)


@asynccontextmanager
async def _connected() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    with bind("127.0.0.1", 0) as listener:
        server = HttpServer(_app, listener, root_path="", tls=None)
        await server.start()
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        try:
            yield reader, writer
        finally:
            writer.close()
            await server.stop(0)


def _talk(talk: Talk) -> None:
    async def run() -> None:
        async with _connected() as (reader, writer):
            await asyncio.wait_for(talk(reader, writer), _WITHIN_S)

    asyncio.run(run())


async def _pour(writer: asyncio.StreamWriter, more: bytes) -> None:
    while True:
        writer.write(more)
        await writer.drain()
        await asyncio.sleep(0)


@pytest.mark.parametrize("begin", [_GET + b"X-Long: ", b"GET /", _GET])
def test_a_head_without_end_is_refused(begin: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(begin)
        more = b"X: y\r\n" * 2000 if begin == _GET else b"a" * 12_000
        with pytest.raises(ConnectionError):
            await _pour(writer, more)

    _talk(talk)


def test_a_long_head_is_answered() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):  # what came before does not count
            writer.write(_GET + b"X-Long: " + b"a" * (_protocol.MAX_HEAD - 1000) + b"\r\n\r\n")
            assert (await reader.readuntil(b"here")).startswith(b"HTTP/1.1 200 ")

    _talk(talk)


@pytest.mark.parametrize("begin", [b"", _GET])
def test_a_head_that_does_not_come_is_not_waited_for(
    begin: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_protocol, "HEAD_S", 0.05)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(begin)
        assert await reader.read() == b""

    _talk(talk)


def test_a_body_may_be_longer_and_later_than_a_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_protocol, "HEAD_S", 0.05)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = b"a" * (2 * _protocol.MAX_HEAD)
        writer.write(b"POST / HTTP/1.1\r\nHost: here\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n" % len(body))
        assert (await reader.readuntil(b"here")).startswith(b"HTTP/1.1 200 ")
        await asyncio.sleep(0.1)
        writer.write(body + _GET + b"\r\n")
        assert (await reader.readuntil(b"here")).startswith(b"HTTP/1.1 200 ")

    _talk(talk)
