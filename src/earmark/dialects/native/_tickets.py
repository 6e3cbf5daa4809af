"""Tickets for connections that a page opens."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import Field

from earmark.dialects._http import iso
from earmark.dialects.native._access import AdmittingRoute, AnyCaller, TheService
from earmark.dialects.native._documents import Document

__all__ = ["router"]

router = APIRouter(tags=["live"], route_class=AdmittingRoute)


class TicketDocument(Document):
    """A ticket, good for one connection."""

    schema_: Literal["earmark.ticket/1"] = Field(default="earmark.ticket/1", alias="schema")
    ticket: str
    expires_at: str


@router.post("/tickets", status_code=201, summary="Make a ticket")
def make_ticket(response: Response, caller: AnyCaller, service: TheService) -> TicketDocument:
    """For `GET /live?ticket=…` of a page, which cannot send a header with a WebSocket.

    It stands for the key that asked for it, opens one connection, and is over after a minute.
    """
    made = service.tickets.make(caller)
    response.headers["Cache-Control"] = "no-store"
    return TicketDocument(ticket=made.token, expires_at=iso(made.expires_at))
