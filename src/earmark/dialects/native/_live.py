"""``WS /live``: sound in, events out; and the sessions that are open."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocket

from earmark.dialects._http import iso
from earmark.dialects.native._access import (
    AdmittingRoute,
    Id,
    LiveCaller,
    TheService,
    admit_socket,
)
from earmark.dialects.native._documents import Document
from earmark.dialects.native._live_connection import Connection
from earmark.dialects.native._problems import problems, refusal
from earmark.errors import EarmarkError
from earmark.service import Hosted, Scope, Service

__all__ = ["router"]

router = APIRouter(prefix="/live", tags=["live"], route_class=AdmittingRoute)


class SessionPart(BaseModel):
    """A session that is open."""

    id: str
    dialect: str = Field(description="The API through which it came.")
    opened_at: str
    connected: bool = Field(description="False while it waits to be resumed.")
    received_s: float = Field(description="Seconds of sound that have come.")
    backlog_s: float = Field(description="Seconds of these that are not analysed yet.")


class SessionsDocument(Document):
    """The open sessions of the tenant on this server, oldest first."""

    schema_: Literal["earmark.live-sessions/1"] = Field(
        default="earmark.live-sessions/1", alias="schema"
    )
    items: list[SessionPart]


@router.get("", summary="List the live sessions")
def list_sessions(caller: LiveCaller, service: TheService) -> SessionsDocument:
    """The open sessions of the tenant on this server.

    The same address is that of the WebSocket on which sessions are held; its messages are
    `LiveFromClient` and `LiveFromServer` below, and bare samples.
    """
    return SessionsDocument(items=[_part(each) for each in service.live.listing(caller)])


@router.delete(
    "/{session_id}", status_code=204, responses=problems(404), summary="End a live session"
)
def end_session(session_id: Id, caller: LiveCaller, service: TheService) -> None:
    """The session is over at once; its last event is `ended`, with the reason `canceled`."""
    service.live.cancel(caller, session_id)


@router.websocket("")
async def live(websocket: WebSocket) -> None:
    """A live session: see `Connection`."""
    service: Service = websocket.app.state.service
    try:
        caller = await run_in_threadpool(
            admit_socket, service, websocket, Scope.LIVE, route="/live"
        )
    except EarmarkError as error:
        await websocket.send_denial_response(refusal(websocket, error))
        return
    await websocket.accept()
    await Connection(service, caller, websocket).serve()


def _part(session: Hosted) -> SessionPart:
    return SessionPart(
        id=session.id,
        dialect=session.dialect,
        opened_at=iso(session.opened_at),
        connected=session.held,
        received_s=round(session.received_s, 3),
        backlog_s=round(session.backlog_s, 3),
    )
