"""WebSockets at the level of bytes: what uvicorn's protocol would leave open, here ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from earmark.server._http import HttpServer, bind
from earmark.server._websockets import BoundedWebSocket

_go_on = asyncio.Event()
"""Until then an application does not read that was asked to do so later."""

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _listen(websocket: WebSocket) -> None:
    if "slow" in websocket.query_params:  # until the client is gone
        assert (await websocket.receive())["type"] == "websocket.connect"
        assert (await websocket.receive())["type"] == "websocket.disconnect"
    if "refuse" in websocket.query_params:
        await websocket.send_denial_response(PlainTextResponse("not you", 401))
        return
    if "slow" in websocket.query_params:
        await websocket.send({"type": "websocket.accept"})
        return
    await websocket.accept()
    if "later" in websocket.query_params:
        await _go_on.wait()
    try:
        while True:
            await websocket.receive_text()
    except WebSocketDisconnect:
        return


@asynccontextmanager
async def _served() -> AsyncIterator[HttpServer]:
    with bind("127.0.0.1", 0) as listener:
        app = Starlette(routes=[WebSocketRoute("/", _listen)])
        server = HttpServer(app, listener, root_path="", tls=None)
        await server.start()
        try:
            yield server
        finally:
            await server.stop(1.0)


async def _connect(server: HttpServer, *, query: str = "", headers: str = "") -> Connection:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
    writer.write(
        f"GET /?{query} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n".encode()
    )
    return reader, writer


def frame(opcode: int, data: bytes) -> bytes:
    """A masked frame of fewer than 126 bytes; the mask is 0."""
    return bytes([0x80 | opcode, 0x80 | len(data), 0, 0, 0, 0]) + data


@pytest.mark.parametrize(
    ("query", "headers"),
    [("x" * 9000, ""), ("", f"X-A: {'x' * 9000}\r\n"), ("", "X-A: x\r\n" * 200)],
    ids=["line", "header", "headers"],
)
def test_a_handshake_that_is_too_long_is_refused(query: str, headers: str) -> None:
    async def told() -> bytes:
        async with _served() as server:
            reader, writer = await _connect(server, query=query, headers=headers)
            answer = await asyncio.wait_for(reader.read(), 30)
            writer.close()
            return answer

    assert asyncio.run(told()).startswith(b"HTTP/1.1 431 ")


def test_what_clients_do_wrong_is_no_error_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def told() -> tuple[bytes, bytes]:
        async with _served() as server:
            reader, refused = await _connect(server, query="refuse")
            refusal = await asyncio.wait_for(reader.read(), 30)
            for query in ("slow", "slow&refuse"):
                _, gone = await _connect(server, query=query)
                await gone.drain()
                gone.transport.abort()
            reader, writer = await _connect(server)
            await reader.readuntil(b"\r\n\r\n")
            writer.write(frame(1, b"\xff"))
            closed = await asyncio.wait_for(reader.read(), 30)
            refused.close()
            writer.close()
            return refusal, closed

    with caplog.at_level(logging.WARNING):
        refusal, closed = asyncio.run(told())
    assert refusal.startswith(b"HTTP/1.1 401 ")
    assert refusal.endswith(b"not you")
    assert closed == bytes([0x88, 2]) + (1007).to_bytes(2, "big")
    assert not caplog.records


def test_a_client_lives_whose_pong_waits_behind_what_is_not_read_yet() -> None:
    async def told() -> tuple[bool, bool, bool]:
        async with _served() as server:
            reader, writer = await _connect(server, query="later")
            await reader.readuntil(b"\r\n\r\n")
            (connection,) = server._server.server_state.connections
            assert isinstance(connection, BoundedWebSocket)
            writer.write(frame(1, b"a"))
            while not connection.read_paused:
                await asyncio.sleep(0)
            connection.send_keepalive_ping()
            connection.keepalive_timeout()
            unread = connection.transport.is_closing()
            _go_on.set()
            writer.write(frame(1, b"b"))
            while connection.read_paused or not connection._heard:
                await asyncio.sleep(0)
            connection.keepalive_timeout()
            heard = connection.transport.is_closing()
            connection.keepalive_timeout()
            silent = connection.transport.is_closing()
            writer.close()
            return unread, heard, silent

    assert asyncio.run(told()) == (False, False, True)


def test_pings_whose_answers_nobody_reads_take_no_memory() -> None:
    pings = frame(9, bytes(125)) * 1000

    async def unsent() -> list[int]:
        async with _served() as server:
            reader, writer = await _connect(server)
            await reader.readuntil(b"\r\n\r\n")
            for _ in range(40):
                writer.write(pings)
                await asyncio.wait_for(writer.drain(), 30)
            connections = server._server.server_state.connections
            sizes = [each.transport.get_write_buffer_size() for each in connections]
            writer.transport.abort()
            return sizes

    (size,) = asyncio.run(unsent())
    assert size < 5 * len(pings)
