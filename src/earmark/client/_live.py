"""Live sessions: sound in, events out, through connections that break."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Generator,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypedDict

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from earmark.errors import ApiError, ServerUnreachable

__all__ = ["LiveLine", "LiveOptions", "Message", "Sound", "follow", "follow_waiting"]

Message: TypeAlias = Mapping[str, Any]
"""A message of the live protocol."""

Sound: TypeAlias = Iterable[bytes] | AsyncIterable[bytes]
"""Pieces of raw samples, of any length, as they come."""

_MESSAGE_BYTES = 64 << 10
_MOST_BYTES = 4 << 20  # of sound, that are held
_ASK_BYTES = 512 << 10  # unconfirmed, after which the server is asked what it has
_ACKNOWLEDGED = 100  # events, between two acknowledgements
_PING_S, _PONG_S = 20.0, 60.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.25, 8.0
_RETRIED = frozenset({429, 502, 503, 504})
_AGAIN = frozenset({1012, 1013})  # close codes
_BROKEN = (ConnectionClosed, InvalidHandshake, OSError, TimeoutError, EOFError)


class LiveOptions(TypedDict, total=False):
    """What sound comes, and what is asked of it; the live protocol has the details."""

    encoding: Literal["pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "mulaw", "alaw"]
    sample_rate: int
    channels: int
    turns: bool
    speakers: int
    min_speakers: int
    max_speakers: int
    gallery_ids: Sequence[str]
    speaker_ids: Sequence[str]
    one_to_one: bool
    false_accept_rate: float | None
    min_probability: float
    traits: Sequence[Literal["speech", "speech-rt", "gender"]]
    period_s: float
    min_volume: float
    stats_s: float
    resumable: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveLine:
    """Where and how to connect. ``patience_s`` is for how long a lost connection is tried again."""

    url: str
    headers: Mapping[str, str]
    verify: ssl.SSLContext | bool
    timeout_s: float
    patience_s: float

    def connect(self) -> connect:
        """A connection to be entered."""
        return connect(
            self.url,
            additional_headers=self.headers,
            ssl=self._ssl(),
            open_timeout=self.timeout_s,
            ping_interval=_PING_S,
            ping_timeout=_PONG_S,
            compression=None,
            user_agent_header=None,
        )

    def _ssl(self) -> ssl.SSLContext | None:
        if not self.url.startswith("wss:"):
            return None
        if isinstance(self.verify, ssl.SSLContext):
            return self.verify
        context = ssl.create_default_context()
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


async def follow(line: LiveLine, sound: Sound, options: LiveOptions) -> AsyncGenerator[Message]:
    """The events of a session that is given this sound; the last one is ``ended``."""
    async with aclosing(_Session(line, sound, options).events()) as events:
        async for event in events:
            yield event


def follow_waiting(
    line: LiveLine, sound: Iterable[bytes], options: LiveOptions
) -> Generator[Message]:
    """As `follow`, for who has no event loop: it runs while the next event is waited for."""
    events = follow(line, sound, options)

    async def coming() -> Message | None:
        return await anext(events, None)

    with asyncio.Runner() as runner:
        try:
            while (event := runner.run(coming())) is not None:
                yield event
        finally:
            runner.run(events.aclose())


class _Session:
    """One session over any number of connections."""

    def __init__(self, line: LiveLine, sound: Sound, options: LiveOptions) -> None:
        self._line = line
        self._options = options
        self._held = _Held()
        self._reading = asyncio.create_task(self._held.read(sound))
        self._token: str | None = None
        self._started = self._ended = False
        self._seen = 0

    async def events(self) -> AsyncGenerator[Message]:
        until, wait = time.monotonic() + self._line.patience_s, _FIRST_WAIT_S
        try:
            while True:
                try:
                    async with aclosing(self._connection()) as messages:
                        async for message in messages:
                            until, wait = time.monotonic() + self._line.patience_s, _FIRST_WAIT_S
                            if "number" in message:
                                yield message
                except _BROKEN as error:
                    if self._ended:
                        return
                    if self._reading.done():
                        self._reading.result()  # what reading the sound has raised
                    lost = self._started and self._token is None
                    if lost or time.monotonic() + wait > until or not _passing(error):
                        raise _raised(error) from error
                await asyncio.sleep(wait)
                wait = min(_LONGEST_WAIT_S, wait * 2)
        finally:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _connection(self) -> AsyncGenerator[Message]:
        """The messages of one connection; ends by raising."""
        async with self._line.connect() as websocket:
            await self._say(websocket, self._first())
            sending: asyncio.Task[None] | None = None
            try:
                while True:
                    message: Message = json.loads(await websocket.recv())
                    if message["type"] == "error":
                        await self._refuse(websocket, message)
                    self._held.confirm(message["received_bytes"])
                    if message["type"] == "started":
                        self._started, self._token = True, message["token"]
                        self._held.go_back(message["received_bytes"])
                        sending = asyncio.create_task(self._send(websocket))
                    if "number" in message:
                        self._seen = message["number"]
                        self._ended = message["type"] == "ended"
                        if self._ended or self._seen % _ACKNOWLEDGED == 0:
                            told = {"type": "acknowledge", "number": self._seen}
                            await self._say(websocket, told)
                    yield message
            finally:
                if sending is not None:
                    sending.cancel()
                    await asyncio.gather(sending, return_exceptions=True)

    def _first(self) -> Message:
        if self._token is None:
            return {"type": "start", **self._options}
        return {"type": "resume", "token": self._token, "after": self._seen}

    async def _send(self, websocket: ClientConnection) -> None:
        """Send all sound, and that it is over; the connection is closed when its source fails."""
        with suppress(ConnectionClosed):  # who receives hears of it
            async for piece in self._held.unsent():
                await websocket.send(piece)
                if self._held.asks():
                    await self._say(websocket, {"type": "ping"})
            if self._reading.exception() is None:
                await self._say(websocket, {"type": "finish"})
            else:
                await websocket.close()

    async def _say(self, websocket: ClientConnection, message: Message) -> None:
        with suppress(ConnectionClosed):  # who receives hears of it
            await websocket.send(json.dumps(message))

    async def _refuse(self, websocket: ClientConnection, message: Message) -> None:
        """Raise what the last words of a server mean."""
        await websocket.wait_closed()
        answer = websocket.response
        refused = ApiError(
            message["message"],
            code=message["code"],
            status=websocket.close_code or 1006,
            request_id=None if answer is None else answer.headers.get("X-Request-ID"),
        )
        if websocket.close_code in _AGAIN:
            raise EOFError(str(refused)) from refused
        raise refused


class _Held:
    """Sound that was read and that the server has not confirmed yet; offsets are in bytes."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._confirmed = 0  # where the data begin
        self._sent = 0
        self._asked = 0
        self._over = False
        self._more, self._room = asyncio.Event(), asyncio.Event()

    async def read(self, sound: Sound) -> None:
        """Take all sound from its source, as it is sent on. Raises what the source raises."""
        try:
            async for data in _pieces(sound):
                self._data += data
                self._more.set()
                while len(self._data) > _MOST_BYTES:
                    self._room.clear()
                    await self._room.wait()
        finally:
            self._over = True
            self._more.set()

    async def unsent(self) -> AsyncGenerator[bytes]:
        """What has to be sent, up to the end of the sound."""
        while True:
            at = self._sent - self._confirmed
            piece = bytes(self._data[at : at + _MESSAGE_BYTES])
            if piece:
                self._sent += len(piece)
                yield piece
            elif self._over:
                return
            else:
                self._more.clear()
                await self._more.wait()

    def confirm(self, received: int) -> None:
        """The server has so much of all sound."""
        if received > self._confirmed:
            del self._data[: received - self._confirmed]
            self._confirmed = received
            self._room.set()

    def go_back(self, received: int) -> None:
        """Go on with what the server has not got."""
        self._sent = self._asked = received

    def asks(self) -> bool:
        """Whether it is time to ask what has arrived."""
        due = self._sent - max(self._asked, self._confirmed) >= _ASK_BYTES
        if due:
            self._asked = self._sent
        return due


async def _pieces(sound: Sound) -> AsyncGenerator[bytes]:
    if isinstance(sound, AsyncIterable):
        async for data in sound:
            yield data
        return
    pieces = iter(sound)

    def following() -> bytes | None:
        return next(pieces, None)

    while (piece := await asyncio.to_thread(following)) is not None:
        yield piece


def _passing(error: BaseException) -> bool:
    """Whether another try may succeed."""
    return not isinstance(error, InvalidStatus) or error.response.status_code in _RETRIED


def _raised(error: BaseException) -> ApiError | ServerUnreachable:
    if isinstance(error.__cause__, ApiError):
        return error.__cause__
    if not isinstance(error, InvalidStatus):
        return ServerUnreachable(f"The live connection broke off ({error}): try again later.")
    status, headers = error.response.status_code, error.response.headers
    detail, code = f"The server answers with status {status}.", f"http.{status}"
    with suppress(ValueError):
        body = json.loads(error.response.body or b"")
        if isinstance(body, dict):
            detail, code = str(body.get("detail", detail)), str(body.get("code", code))
    return ApiError(detail, code=code, status=status, request_id=headers.get("X-Request-ID"))
