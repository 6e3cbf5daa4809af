"""What is said in a live session on one connection, whatever carries it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import Any

from pydantic import BaseModel, ValidationError

from earmark.dialects import MAX_MESSAGE_BYTES
from earmark.dialects._live import LiveFeed
from earmark.dialects.native._live_messages import LiveLimits, PongMessage, StartedMessage, told
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
from earmark.errors import InvalidInput, InvalidOption, SessionOver
from earmark.live import CloseReason, Ended
from earmark.service import Caller, Service

__all__ = ["Conversation", "Left", "Unsupported", "parsed"]

_FIRST_S = 20.0  # in which a client says what it wants


class Left(Exception):
    """The client has closed the connection as who does not mean to come back."""


class Unsupported(InvalidInput):
    """Text where sound is due, or the other way round."""


class Conversation(ABC):
    """Reads messages and sound, writes events."""

    def __init__(self, service: Service, caller: Caller) -> None:
        self._service = service
        self._caller = caller

    @abstractmethod
    async def _receive(self) -> bytes | FromClient:
        """The next message, or sound.

        Raises `InvalidInput`, `Left`, and something of its own when the connection is lost.
        """

    @abstractmethod
    async def _say(self, message: BaseModel) -> None:
        """Send a message; called by two tasks."""

    async def hold(self) -> Ended:
        """From the first message to the last, which is returned.

        Raises `SessionOver` when the session goes on with another connection, and what opening it
        and the messages of the client raise.
        """
        first = await self._first()
        async with self._feed(first) as feed:
            await self._say(self._started(feed, resumed=isinstance(first, Resume)))
            try:
                ended = await _first_of(self._write(feed), self._read(feed))
            except Left:
                feed.abandon(CloseReason.ABANDONED, "The client closed the connection.")
                raise
        if ended is None:
            raise SessionOver("The session goes on with another connection, not this one.")
        return ended

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


def parsed(text: str) -> FromClient:
    """A message of a client. Raises `InvalidInput`."""
    try:
        return parse(text)
    except ValidationError as error:
        found = error.errors(include_url=False)
        kinds = {each["type"] for each in found}
        if "json_invalid" in kinds:
            raise Unsupported(
                "A text message is a JSON object with a 'type'; sound comes in binary messages."
            ) from error
        if kinds & {"union_tag_invalid", "union_tag_not_found", "dict_type"}:
            raise InvalidInput(
                "The 'type' of a message is one of start, resume, acknowledge, flush, finish and"
                " ping."
            ) from error
        wrong = wrongs([{**each, "loc": each["loc"][1:]} for each in found])
        raise InvalidOption(" ".join(each.message for each in wrong[:5])) from error


def _unexpected(message: bytes | FromClient, why: str) -> InvalidInput:
    if isinstance(message, bytes):
        return Unsupported(f"Sound came where it is not due: {why}.")
    return InvalidInput(f"The message {message.type!r} came where it is not due: {why}.")
