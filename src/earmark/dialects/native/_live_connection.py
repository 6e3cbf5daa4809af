"""One connection to ``WS /live``, from its first message to its last."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from earmark.dialects import MAX_MESSAGE_BYTES
from earmark.dialects._live import LiveFeed
from earmark.dialects.native._live_messages import (
    ErrorMessage,
    LiveLimits,
    PongMessage,
    StartedMessage,
    told,
)
from earmark.dialects.native._live_requests import (
    Acknowledge,
    Finish,
    Flush,
    FromClient,
    Ping,
    Resume,
    Start,
    parse,
)
from earmark.dialects.native._names import NAME
from earmark.dialects.native._problems import wrongs
from earmark.errors import Draining, EarmarkError, InvalidInput, InvalidOption, Kind, SessionOver
from earmark.live import CloseReason, Ended
from earmark.service import Caller, Service

__all__ = ["Connection"]

_FIRST_S = 20.0  # in which a client says what it wants
_CLOSE_S = 2.0

_UNSUPPORTED = 1003
_RESTARTING = 1012

CODES: Mapping[Kind, int] = {
    Kind.INVALID: 1008,
    Kind.UNAUTHENTICATED: 1008,
    Kind.NOT_FOUND: 1008,
    Kind.FORBIDDEN: 1008,
    Kind.CONFLICT: 1008,
    Kind.GONE: 1008,
    Kind.TOO_LARGE: 1009,
    Kind.RATE_LIMITED: 1013,
    Kind.EXHAUSTED: 1013,
    Kind.UNAVAILABLE: 1013,
    Kind.INTERNAL: 1011,
}
"""Close codes (RFC 6455 and its registry) of errors."""

ENDINGS: Mapping[CloseReason, int] = {
    CloseReason.FINISHED: 1000,
    CloseReason.CANCELED: 1000,
    CloseReason.IDLE: 1008,
    CloseReason.UNREAD: 1008,
    CloseReason.TOO_LONG: 1008,
    CloseReason.REVOKED: 1008,
    CloseReason.ABANDONED: 1008,
    CloseReason.SHUTTING_DOWN: _RESTARTING,
    CloseReason.FAILED: 1011,
}
"""Close codes of sessions that have ended."""


class _Unsupported(InvalidInput):
    """Text where sound is due, or the other way round."""


class Connection:
    """Reads messages and sound, writes events; closes with a code and a word when it is over."""

    def __init__(self, service: Service, caller: Caller, websocket: WebSocket) -> None:
        self._service = service
        self._caller = caller
        self._websocket = websocket

    async def serve(self) -> None:
        """Until the session has ended, the client is gone, or says what cannot be."""
        try:
            code, word = await self._session()
        except WebSocketDisconnect:
            return
        except EarmarkError as error:
            code, word = _code(error), error.code
            async with asyncio.timeout(_CLOSE_S):
                await self._say(ErrorMessage(code=error.code, message=str(error)))
        async with asyncio.timeout(_CLOSE_S):
            await self._websocket.close(code, word)

    async def _session(self) -> tuple[int, str]:
        """The code and the word to close with."""
        first = await self._first()
        async with self._feed(first) as feed:
            await self._say(self._started(feed, resumed=isinstance(first, Resume)))
            ended = await _first_of(self._write(feed), self._read(feed))
        if ended is None:
            raise SessionOver("The session goes on with another connection, not this one.")
        return ENDINGS[ended.reason], ended.reason.value

    def _feed(self, first: Start | Resume) -> LiveFeed:
        if isinstance(first, Resume):
            return LiveFeed.resume(self._service, self._caller, first.token, after=first.after)
        return LiveFeed.open(
            self._service,
            self._caller,
            first.config(),
            identify=first.identify(),
            dialect=NAME,
            resumable=first.resumable,
        )

    async def _first(self) -> Start | Resume:
        try:
            async with asyncio.timeout(_FIRST_S):
                message = await self._receive()
        except TimeoutError as error:
            raise InvalidInput(
                f"No message came within {_FIRST_S:g} s: begin with 'start' or 'resume'."
            ) from error
        if not isinstance(message, Start | Resume):
            raise _unexpected(message, "'start' or 'resume' comes first")
        return message

    async def _read(self, feed: LiveFeed) -> None:
        """Take what comes; ends only by raising."""
        finished = False
        while True:
            message = await self._receive()
            match message:
                case bytes() if not finished:
                    await feed.push(message)
                case Acknowledge():
                    feed.stream.acknowledge(message.number)
                case Ping():
                    received = feed.stream.received_bytes
                    await self._say(PongMessage(id=message.id, received_bytes=received))
                case Flush():
                    await feed.flush()
                case Finish():
                    finished = True
                    await feed.finish()
                case bytes():
                    raise _unexpected(message, "no sound comes after 'finish'")
                case _:
                    raise _unexpected(message, "the session has started already")

    async def _write(self, feed: LiveFeed) -> Ended | None:
        """Tell all events; the last one, None when another connection has the session."""
        async for event in feed:
            await self._say(told(event, feed.stream.received_bytes))
            if isinstance(event, Ended):
                return event
        return None

    async def _receive(self) -> bytes | FromClient:
        """The next message. Raises `WebSocketDisconnect` at the end, and `InvalidInput`."""
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006))
        data: bytes | None = message.get("bytes")
        return data if data is not None else _parsed(message["text"])

    async def _say(self, message: BaseModel) -> None:
        await self._websocket.send_text(message.model_dump_json(by_alias=True))

    def _started(self, feed: LiveFeed, *, resumed: bool) -> StartedMessage:
        settings = self._service.settings
        return StartedMessage(
            session=feed.stream.id,
            token=feed.stream.token,
            resumed=resumed,
            received_bytes=feed.stream.received_bytes,
            limits=LiveLimits(
                message_bytes=MAX_MESSAGE_BYTES,
                idle_s=settings.live_idle_s,
                resume_s=settings.live_resume_s,
                longest_s=settings.live_longest_s,
                backlog_s=settings.live_backlog_s,
                unread_events=settings.live_unread_events,
            ),
        )


async def _first_of(
    writing: Coroutine[Any, Any, Ended | None], reading: Coroutine[Any, Any, None]
) -> Ended | None:
    """What the first one to end gives or raises; the other one is canceled."""
    writer, reader = asyncio.create_task(writing), asyncio.create_task(reading)
    try:
        await asyncio.wait((writer, reader), return_when=asyncio.FIRST_COMPLETED)
        if reader.done() and not writer.done():
            reader.result()
        return await writer
    finally:
        for each in (writer, reader):
            each.cancel()
        await asyncio.gather(writer, reader, return_exceptions=True)


def _parsed(text: str) -> FromClient:
    try:
        return parse(text)
    except ValidationError as error:
        found = error.errors(include_url=False)
        kinds = {each["type"] for each in found}
        if "json_invalid" in kinds:
            raise _Unsupported(
                "A text message is a JSON object with a 'type'; sound comes in binary messages."
            ) from error
        if kinds & {"union_tag_invalid", "union_tag_not_found", "model_attributes_type"}:
            raise InvalidInput(
                "The 'type' of a message is one of start, resume, acknowledge, flush, finish and"
                " ping."
            ) from error
        wrong = wrongs([{**each, "loc": each["loc"][1:]} for each in found])
        raise InvalidOption(" ".join(each.message for each in wrong[:5])) from error


def _unexpected(message: bytes | FromClient, why: str) -> InvalidInput:
    if isinstance(message, bytes):
        return _Unsupported(f"Sound came where it is not due: {why}.")
    return InvalidInput(f"The message {message.type!r} came where it is not due: {why}.")


def _code(error: EarmarkError) -> int:
    if isinstance(error, _Unsupported):
        return _UNSUPPORTED
    return _RESTARTING if isinstance(error, Draining) else CODES[error.kind]
