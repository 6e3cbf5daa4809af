"""``/stream``: sound in binary messages, results in text messages, at the same time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from anyio.to_thread import run_sync
from fastapi import FastAPI
from starlette.websockets import WebSocket, WebSocketDisconnect

from earmark.dialects._live import LiveFeed
from earmark.dialects._websockets import (
    DONE,
    FAILED,
    REFUSED,
    RESTARTING,
    UNSUPPORTED,
    close_code,
)
from earmark.dialects.deeptone._access import admit, caller_of
from earmark.dialects.deeptone._errors import error_message, refusal
from earmark.dialects.deeptone._names import NAME
from earmark.dialects.deeptone._render import People, results_message
from earmark.dialects.deeptone._requests import StreamAsked
from earmark.dialects.deeptone._sound import Sound
from earmark.errors import EarmarkError, InvalidInput, NotFound, SessionOver
from earmark.live import CloseReason, Ended, SpeakerIdentified, TraitsTold
from earmark.service import Caller, IdentifyOptions, Scope, Service

__all__ = ["add_stream"]

_QUIET_S: Final = 1.0
"""Seconds without a message after which what has come is analysed to its end."""

_NOTICES: Final[Mapping[CloseReason, int]] = {
    CloseReason.IDLE: DONE,
    CloseReason.SHUTTING_DOWN: RESTARTING,
}
"""Ends that are nobody's error, and the code that the connection is closed with."""


def add_stream(app: FastAPI, service: Service) -> None:
    """Let ``app`` answer WebSockets."""

    @app.websocket("/")
    async def stream(socket: WebSocket) -> None:
        try:
            await run_sync(admit, service, socket, Scope.LIVE)
        except EarmarkError as error:
            await socket.send_denial_response(refusal(error))
            return
        await socket.accept()
        try:
            await _converse(service, socket, StreamAsked.read(socket.query_params))
        except (SessionOver, WebSocketDisconnect):
            return  # the client does not read, or has gone
        except EarmarkError as error:
            with suppress(WebSocketDisconnect):
                await _refuse(socket, str(error), error.code, close_code(error))


async def _converse(service: Service, socket: WebSocket, asked: StreamAsked) -> None:
    """Raises what `LiveFeed` raises, and `NotFound` for a gallery."""
    caller, config = caller_of(socket), asked.config
    identify = None
    if asked.galleries:
        identify = await run_sync(_people_of, service, caller, asked.galleries)
    feed = LiveFeed.open(service, caller, config, identify=identify, dialect=NAME)
    async with feed:
        welcome = f"Connected: send 16-bit PCM, mono, {asked.rate} samples per second."
        await _send(socket, {"message_type": "connection", "message": welcome})
        listening = asyncio.create_task(_listen(socket, feed, Sound(asked.rate)))
        try:
            ended = await _tell(socket, feed, asked)
        finally:
            listening.cancel()
            (refused,) = await asyncio.gather(listening, return_exceptions=True)
        if isinstance(refused, InvalidInput):
            await _refuse(socket, str(refused), refused.code, UNSUPPORTED)
        elif isinstance(refused, Exception):
            raise refused
        elif refused is not None:  # cancelled: the session did not end because the client left
            await _close(socket, ended)


async def _listen(socket: WebSocket, feed: LiveFeed, sound: Sound) -> None:
    """Take messages until the client leaves; raises `InvalidInput` for what is no sound.

    The session is over then.
    """
    heard = False
    try:
        while True:
            try:
                async with asyncio.timeout(_QUIET_S if heard else None):
                    message = await socket.receive()
            except TimeoutError:
                # Whoever sends a file waits for its last results without saying that it is over.
                heard = False
                await feed.flush()
                continue
            if message["type"] == "websocket.disconnect":
                return
            if message.get("bytes") is None:
                raise InvalidInput("Sound comes in binary messages, and nothing else does.")
            samples = sound.push(message["bytes"])
            if samples:
                heard = True
                await feed.push(samples)
    finally:
        feed.abandon(CloseReason.ABANDONED, "The client has left.")


async def _tell(socket: WebSocket, feed: LiveFeed, asked: StreamAsked) -> Ended | None:
    """Send results until the session is over."""
    people = People()
    async for event in feed:
        if isinstance(event, SpeakerIdentified):
            who = event.identity
            people.recognise(event.speaker, None if who is None else (who.speaker_id, who.name))
        elif isinstance(event, TraitsTold):
            await _send(socket, results_message(event.report, asked, people))
        elif isinstance(event, Ended):
            return event
    return None


async def _close(socket: WebSocket, ended: Ended | None) -> None:
    if ended is None:
        return
    if ended.reason in _NOTICES:
        await _send(socket, {"message_type": "connection", "message": ended.message})
        await socket.close(_NOTICES[ended.reason], ended.reason)
        return
    code = FAILED if ended.reason is CloseReason.FAILED else REFUSED
    await _refuse(socket, ended.message, f"live.{ended.reason}", code)


async def _refuse(socket: WebSocket, message: str, word: str, code: int) -> None:
    await _send(socket, error_message(message, word))
    await socket.close(code, word)


async def _send(socket: WebSocket, message: Mapping[str, Any]) -> None:
    await socket.send_text(json.dumps(message, ensure_ascii=False))


def _people_of(service: Service, caller: Caller, galleries: tuple[str, ...]) -> IdentifyOptions:
    """Galleries by id or, of our own API, by name. Raises `NotFound` and `Forbidden`."""
    found = []
    for each in galleries:
        try:
            gallery = service.galleries.get(caller, each)
        except NotFound:
            gallery = service.galleries.by_key(caller, "native", each)
        found.append(gallery.id)
    return IdentifyOptions(galleries=tuple(found))
