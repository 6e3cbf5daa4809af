"""``WS /calls/…/media``: a call's sound as it is spoken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocket, WebSocketDisconnect

from earmark.audio import Encoding, PcmFormat
from earmark.dialects._call_feed import CallFeed, next_message
from earmark.dialects._websockets import DONE, UNSUPPORTED, close_code
from earmark.dialects.native._access import admit_socket
from earmark.dialects.native._problems import refusal, wrongs
from earmark.errors import EarmarkError, InvalidInput, InvalidOption
from earmark.service import Call, Caller, Leg, Scope, Service

__all__ = ["router"]

router = APIRouter(tags=["calls"])

_CLOSE_S = 2.0

Exact = Annotated[float, PlainSerializer(lambda value: round(value, 6), return_type=float)]
"""Seconds, exact to a sample."""


class MediaOptions(BaseModel):
    """The query: what the samples are, and whose voice; without ``leg`` both, interleaved."""

    model_config = ConfigDict(extra="forbid")

    encoding: Encoding
    sample_rate: Annotated[int, Field(ge=8_000, le=192_000)]
    leg: Leg | None = None
    ticket: str | None = None

    @property
    def sound(self) -> PcmFormat:
        channels = 2 if self.leg is None else 1
        return PcmFormat(encoding=self.encoding, sample_rate=self.sample_rate, channels=channels)


class FromClient(BaseModel):
    """What a client says: no more sound comes through this connection, or at all."""

    type: Literal["finish", "end"]


class MediaMessage(BaseModel):
    """``sound_s``: leg -> seconds of sound that are stored, of all connections.

    ``stored_bytes`` are those of this connection.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    type: Literal["started", "stored", "finished"]
    schema_: Literal["earmark.call-media/1"] = Field(
        default="earmark.call-media/1", serialization_alias="schema"
    )
    call: str
    state: Literal["open", "ended"]
    stored_bytes: int
    sound_s: dict[Leg, Exact]


class ErrorMessage(BaseModel):
    """Why the connection is closed."""

    type: Literal["error"] = "error"
    code: str
    message: str


class _Unsupported(InvalidInput):
    """Text that is no message."""


@router.websocket("/calls/{connector}/{transaction}/media")
async def media(websocket: WebSocket, connector: str, transaction: str) -> None:
    """Sound of a call that was opened."""
    calls = _service(websocket).calls
    await _serve(websocket, lambda caller: calls.get(caller, connector, transaction))


@router.websocket("/calls/{call_id}/media")
async def media_by_id(websocket: WebSocket, call_id: str) -> None:
    """The same, of a call that is named by its id."""
    calls = _service(websocket).calls
    await _serve(websocket, lambda caller: calls.find(caller, call_id))


async def _serve(websocket: WebSocket, find: Callable[[Caller], Call]) -> None:
    """Refuse, or take sound until the client has said that it is over, or is gone."""
    try:
        feed = await run_in_threadpool(_open, websocket, find)
    except EarmarkError as error:
        await websocket.send_denial_response(refusal(websocket, error))
        return
    try:
        async with feed:
            await websocket.accept()
            await _say(websocket, _message("started", feed.call, feed))
            code, word = await _take(websocket, feed)
    except WebSocketDisconnect:
        return
    except EarmarkError as error:
        code = UNSUPPORTED if isinstance(error, _Unsupported) else close_code(error)
        word = error.code
        with suppress(WebSocketDisconnect):
            await _say(websocket, ErrorMessage(code=error.code, message=str(error)))
    with suppress(WebSocketDisconnect):
        async with asyncio.timeout(_CLOSE_S):
            await websocket.close(code, word)


def _open(websocket: WebSocket, find: Callable[[Caller], Call]) -> CallFeed:
    service = _service(websocket)
    caller = admit_socket(service, websocket, Scope.JOBS, route="/calls/media")
    options = _options(websocket)
    return CallFeed(service, caller, find(caller), leg=options.leg, sound=options.sound)


def _options(websocket: WebSocket) -> MediaOptions:
    try:
        return MediaOptions.model_validate(dict(websocket.query_params))
    except ValidationError as error:
        found = wrongs(error.errors(include_url=False))
        raise InvalidOption(" ".join(each.message for each in found)) from error


async def _take(websocket: WebSocket, feed: CallFeed) -> tuple[int, str]:
    """Take sound until no more comes; the code and the word to close with."""
    service = _service(websocket)
    idle_s = service.settings.call_idle_s

    async def store() -> None:
        if await feed.store():
            await _say(websocket, _message("stored", feed.call, feed))

    while True:
        message = await next_message(websocket, idle_s, store)
        data: bytes | None = message.get("bytes")
        if data is not None:
            if await feed.push(data):
                await _say(websocket, _message("stored", feed.call, feed))
            continue
        over = _parsed(message["text"]).type == "end"
        call = await (feed.end() if over else feed.close())
        await _say(websocket, _message("finished", call, feed))
        return DONE, "finished"


def _parsed(text: str) -> FromClient:
    try:
        return FromClient.model_validate_json(text)
    except ValidationError as error:
        raise _Unsupported(
            'A text message is {"type": "finish"} or {"type": "end"}; sound comes in'
            " binary messages."
        ) from error


def _message(
    kind: Literal["started", "stored", "finished"], call: Call, feed: CallFeed
) -> MediaMessage:
    return MediaMessage(
        type=kind,
        call=call.id,
        state="open" if call.ended_at is None else "ended",
        stored_bytes=feed.stored_bytes,
        sound_s=dict(call.sound_s),
    )


async def _say(websocket: WebSocket, message: BaseModel) -> None:
    await websocket.send_text(message.model_dump_json())


def _service(websocket: WebSocket) -> Service:
    service: Service = websocket.app.state.service
    return service
