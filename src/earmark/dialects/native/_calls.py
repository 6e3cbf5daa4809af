"""Calls, whose sound arrives while they last."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from earmark.audio import Encoding, PcmFormat
from earmark.dialects._http import announced_bytes, idempotency_of, iso
from earmark.dialects._multipart import receive_body
from earmark.dialects.native._access import AdmittingRoute, JobsCaller, TheService
from earmark.dialects.native._documents import Document, maybe_iso
from earmark.dialects.native._idempotency import mark_replayed, promise_of
from earmark.dialects.native._problems import problems
from earmark.errors import InvalidOption
from earmark.service import Call, Idempotency, Leg

__all__ = ["router"]

router = APIRouter(tags=["calls"], route_class=AdmittingRoute)

LegName = Literal["caller", "callee"]

Connector = Annotated[
    str,
    Path(
        min_length=1,
        max_length=256,
        description="The voice connector that the call comes through; made in the Chime dialect.",
    ),
]
Transaction = Annotated[
    str,
    Path(
        min_length=1,
        max_length=256,
        pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$",
        description="Your own name for the call, unique in the connector.",
    ),
]


class CallDocument(Document):
    """A call as it stands."""

    schema_: Literal["earmark.call/1"] = Field(default="earmark.call/1", alias="schema")
    id: str
    connector: str
    transaction: str
    state: Literal["open", "ended"]
    opened_at: str
    heard_at: str = Field(description="When sound came last.")
    ended_at: str | None
    sound_s: dict[LegName, float] = Field(description="Leg -> seconds of sound that have come.")
    pieces: int = Field(description="In how many pieces the sound came.")


_SOUND: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A whole recording in any of the formats of `GET /limits`, or raw samples.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    },
}


@router.put(
    "/calls/{connector}/{transaction}",
    responses={201: {"description": "The call is new."}, **problems(404, 409)},
    summary="Open a call",
)
def open_call(
    response: Response,
    connector: Connector,
    transaction: Transaction,
    caller: JobsCaller,
    service: TheService,
) -> CallDocument:
    """Begin a call; while it lasts, again is no error. One without sound for a while ends."""
    call, new = service.calls.open(caller, connector, transaction)
    response.status_code = 201 if new else 200
    return _document(call)


@router.get("/calls/{connector}/{transaction}", responses=problems(404), summary="See a call")
def get_call(
    connector: Connector, transaction: Transaction, caller: JobsCaller, service: TheService
) -> CallDocument:
    """How long it has lasted, and how much of each side was heard."""
    return _document(service.calls.get(caller, connector, transaction))


@router.post(
    "/calls/{connector}/{transaction}/audio",
    responses=problems(404, 409, 413, 503, 507),
    openapi_extra=_SOUND,
    summary="Add sound to a call",
)
async def add_sound(
    request: Request,
    response: Response,
    connector: Connector,
    transaction: Transaction,
    caller: JobsCaller,
    service: TheService,
    leg: Annotated[
        LegName | None,
        Query(
            description="Whose voice it is; left out, the sound has two channels: the caller's,"
            " then the callee's."
        ),
    ] = None,
    encoding: Annotated[
        Encoding | None, Query(description="Of raw samples; left out, the sound is in a container.")
    ] = None,
    sample_rate: Annotated[
        int | None, Query(ge=8_000, le=192_000, description="Of raw samples, in Hz.")
    ] = None,
    channels: Annotated[
        int | None, Query(ge=1, le=2, description="Of raw samples, interleaved.")
    ] = None,
) -> CallDocument:
    """Append a piece of sound: send the pieces one after another, while the call lasts."""
    whose = None if leg is None else Leg(leg)
    form = _format(encoding, sample_rate, channels, whose)

    def promise(sha256: str) -> Idempotency | None:
        return idempotency_of(
            request,
            f"POST {request.url.path}?{request.url.query}",
            sha256,
            on_replay=lambda: mark_replayed(response),
        )

    writer = await run_in_threadpool(
        service.calls.append,
        caller,
        connector,
        transaction,
        leg=whose,
        sound_format=form,
        announced=announced_bytes(request),
        promise=promise,
    )
    lengthy_for = caller if form is None else None  # what is in a container has to be decoded
    return _document(await receive_body(request, writer, lengthy_for=lengthy_for))


@router.post(
    "/calls/{connector}/{transaction}/end",
    responses=problems(404, 409),
    summary="End a call",
)
def end_call(
    request: Request,
    response: Response,
    connector: Connector,
    transaction: Transaction,
    caller: JobsCaller,
    service: TheService,
) -> CallDocument:
    """Say that no more sound comes; again is no error."""
    promise = promise_of(request, response)
    return _document(service.calls.end(caller, connector, transaction, idempotency=promise))


def _format(
    encoding: Encoding | None, sample_rate: int | None, channels: int | None, leg: Leg | None
) -> PcmFormat | None:
    if encoding is None:
        if sample_rate is not None or channels is not None:
            raise InvalidOption(
                "sample_rate and channels describe raw samples: give their encoding too, or"
                " neither for sound in a container."
            )
        return None
    if sample_rate is None:
        raise InvalidOption("Raw samples need a sample_rate, in Hz: 8000 for a telephone.")
    default = 2 if leg is None else 1
    return PcmFormat(encoding=encoding, sample_rate=sample_rate, channels=channels or default)


def _document(call: Call) -> CallDocument:
    return CallDocument(
        id=call.id,
        connector=call.connector,
        transaction=call.transaction_id,
        state="open" if call.ended_at is None else "ended",
        opened_at=iso(call.opened_at),
        heard_at=iso(call.heard_at),
        ended_at=maybe_iso(call.ended_at),
        sound_s={leg.value: round(seconds, 3) for leg, seconds in call.sound_s.items()},
        pieces=call.pieces,
    )
