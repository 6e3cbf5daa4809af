"""One stream: from the handshake to the last message."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, suppress

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse
from starlette.types import Message as Frame
from starlette.websockets import WebSocket, WebSocketDisconnect

from earmark.audio import Encoding, PcmFormat
from earmark.dialects._call_feed import CallFeed, next_message
from earmark.dialects._http import limit_rate
from earmark.dialects._websockets import DONE, close_code
from earmark.dialects.twilio._access import check_signature, who
from earmark.dialects.twilio._messages import Media, Message, Start, Track, parse
from earmark.dialects.twilio._names import NAME
from earmark.errors import EarmarkError, InvalidInput
from earmark.service import Call, Caller, Service

__all__ = ["media_stream"]

_START_S = 20.0  # in which a stream says what it is
_CLOSE_S = 2.0
_LONGEST_TEXT = 64 << 10
_LONGEST_WORD = 120  # bytes that a close frame has room for
_SOUND = PcmFormat(encoding=Encoding.MULAW, sample_rate=8000)

_log = logging.getLogger(__name__)


async def media_stream(websocket: WebSocket) -> None:
    """Refuse a connection, or take its sound; what is wrong is said in the close frame."""
    service: Service = websocket.app.state.service
    try:
        check_signature(websocket, service.settings)
    except EarmarkError as error:
        await websocket.send_denial_response(PlainTextResponse(str(error), 403))
        return
    await websocket.accept()
    code, word = DONE, "stopped"
    try:
        await _Stream(service, websocket).serve()
    except WebSocketDisconnect:
        return
    except EarmarkError as error:
        _log.warning("A stream of Twilio's is closed: %s", error)
        code, word = close_code(error), str(error)
    with suppress(WebSocketDisconnect):
        async with asyncio.timeout(_CLOSE_S):
            await websocket.close(code, word.encode()[:_LONGEST_WORD].decode(errors="ignore"))


class _Stream:
    def __init__(self, service: Service, websocket: WebSocket) -> None:
        self._service, self._websocket = service, websocket
        self._feeds: dict[Track, CallFeed] = {}

    async def serve(self) -> None:
        """Until the stream stops. Raises `WebSocketDisconnect` and `EarmarkError`."""
        start = await self._start()
        parameters = start.custom_parameters
        async with AsyncExitStack() as stack:
            caller, call = await run_in_threadpool(self._open, start)
            while (message := await self._next()).event != "stop":
                if message.event == "media" and (media := message.media) is not None:
                    if media.track not in self._feeds:
                        feed = await run_in_threadpool(self._feed, caller, call, start, media)
                        self._feeds[media.track] = await stack.enter_async_context(feed)
                    await self._feeds[media.track].push(media.payload)
        if parameters.after == "end":
            end = self._service.calls.end
            await run_in_threadpool(end, caller, call.connector, call.transaction_id)

    async def _start(self) -> Start:
        """What the stream is; ``connected`` comes before."""
        try:
            async with asyncio.timeout(_START_S):
                while (message := await self._next()).event == "connected":
                    pass
        except TimeoutError as error:
            raise InvalidInput(f"No start message came within {_START_S:g} s.") from error
        if message.event != "start" or message.start is None:
            raise InvalidInput(
                f"The message {message.event[:100]!r} came before the start message."
            )
        return message.start

    def _open(self, start: Start) -> tuple[Caller, Call]:
        """Whose call it is, and the call, which is opened if it is new."""
        service, parameters = self._service, start.custom_parameters
        caller = who(service, parameters)
        self._websocket.state.caller = caller  # for the log too
        limit_rate(
            self._websocket,
            service.limits,
            who=caller.key_id or caller.tenant_id,
            route=f"{NAME} WEBSOCKET /media-streams",
            limit=service.settings.rate_limit,
        )
        transaction = parameters.transaction or start.call_sid
        return caller, service.calls.open(caller, parameters.connector, transaction)[0]

    def _feed(self, caller: Caller, call: Call, start: Start, media: Media) -> CallFeed:
        leg = start.custom_parameters.leg(media.track)
        return CallFeed(self._service, caller, call, leg=leg, sound=_SOUND)

    async def _next(self) -> Message:
        """The next message; sound that has come is stored while it is awaited."""
        idle_s = self._service.settings.call_idle_s
        return _parsed(await next_message(self._websocket, idle_s, self._store))

    async def _store(self) -> None:
        for feed in self._feeds.values():
            await feed.store()


def _parsed(message: Frame) -> Message:
    text: str | None = message.get("text")
    if text is None or len(text) > _LONGEST_TEXT:
        raise InvalidInput(f"Twilio sends text of at most {_LONGEST_TEXT} characters.")
    return parse(text)
