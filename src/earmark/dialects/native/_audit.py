"""The audit log, and the receipts of erasures."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field
from starlette.requests import Request

from earmark.dialects._http import at_length, iso
from earmark.dialects.native._access import (
    AdminCaller,
    AdmittingRoute,
    GalleriesCaller,
    Id,
    TheService,
)
from earmark.dialects.native._documents import Document
from earmark.dialects.native._galleries import Cursor, Limit
from earmark.dialects.native._idempotency import promise_of
from earmark.dialects.native._people import ReceiptDocument
from earmark.dialects.native._problems import problems
from earmark.dialects.native._requests import example

__all__ = ["router"]

router = APIRouter(tags=["audit"], route_class=AdmittingRoute)


class EntryDocument(BaseModel):
    """What somebody did with biometric data. Who it was about stands there by id, never by name."""

    seq: int = Field(description="From 1, without gaps.")
    at: str
    actor: str = Field(description="The id of a key, or what else acted.")
    action: str = Field(examples=["speaker.enrol", "speaker.search", "speaker.erase"])
    subject: str | None = Field(description="The id of a speaker, a gallery or a job.")
    details: dict[str, Any]
    previous: str = Field(description="The hash of the entry before, hex.")
    hash: str = Field(description="SHA-256 of this entry and the hash before it, hex.")


class AuditDocument(Document):
    """A part of the audit log, newest first."""

    schema_: Literal["earmark.audit/1"] = Field(default="earmark.audit/1", alias="schema")
    items: list[EntryDocument]
    cursor: str | None = Field(description="Leads to the next part; null at the end.")
    total: int


class AuditCheckDocument(Document):
    """Whether the log is as it was written."""

    schema_: Literal["earmark.audit-check/1"] = Field(
        default="earmark.audit-check/1", alias="schema"
    )
    intact: bool
    entries: int
    last: str = Field(description="The hash of the last entry: note it elsewhere.")
    broken: int | None = Field(description="The number of the first entry that does not fit.")
    reason: str | None = Field(description="What is wrong with it.")


class ReceiptsDocument(Document):
    """Proofs of erasure, newest first."""

    schema_: Literal["earmark.receipts/1"] = Field(default="earmark.receipts/1", alias="schema")
    items: list[ReceiptDocument]
    cursor: str | None = Field(description="Leads to the next part; null at the end.")
    total: int


class ReceiptKeyDocument(Document):
    """What receipts are checked with, by this server or by anybody."""

    schema_: Literal["earmark.receipt-key/1"] = Field(
        default="earmark.receipt-key/1", alias="schema"
    )
    algorithm: Literal["Ed25519"] = "Ed25519"
    public_key: str = Field(description="32 bytes, base64.")


class SignedRequest(BaseModel):
    """A receipt, as it was given out."""

    model_config = example({"document": "{…}", "signature": "…"})

    document: str = Field(max_length=100_000)
    signature: str = Field(max_length=1000)


class SignedDocument(Document):
    """Whether a receipt is genuine."""

    schema_: Literal["earmark.receipt-check/1"] = Field(
        default="earmark.receipt-check/1", alias="schema"
    )
    genuine: bool


@router.get("/audit", summary="See the audit log")
def list_audit(
    caller: AdminCaller,
    service: TheService,
    subject: Annotated[str | None, Query(max_length=64, pattern=r"^[\w-]*$")] = None,
    action: Annotated[str | None, Query(max_length=64, pattern=r"^[\w.-]*$")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> AuditDocument:
    """Every enrolment, search, export and erasure, newest first."""
    page = service.audit.list(caller, subject=subject, action=action, limit=limit, cursor=cursor)
    return AuditDocument(
        items=[
            EntryDocument(
                seq=each.seq,
                at=iso(each.at),
                actor=each.actor,
                action=each.action,
                subject=each.subject,
                details=dict(each.details),
                previous=each.previous,
                hash=each.hash,
            )
            for each in page.items
        ],
        cursor=page.cursor,
        total=page.total,
    )


@router.get("/audit/verify", responses=problems(503), summary="Check the audit log")
async def verify_audit(caller: AdminCaller, service: TheService) -> AuditCheckDocument:
    """Follow the chain of hashes from its beginning: what was changed since does not fit."""
    found = await at_length(caller, service.audit.verify, caller)
    return AuditCheckDocument(
        intact=found.broken is None,
        entries=found.entries,
        last=found.hash,
        broken=found.broken,
        reason=found.reason,
    )


@router.get("/receipts", summary="List receipts")
def list_receipts(
    caller: GalleriesCaller, service: TheService, limit: Limit = 50, cursor: Cursor = None
) -> ReceiptsDocument:
    """The receipts of all erasures, newest first; they outlive what was erased."""
    page = service.receipts.list(caller, limit=limit, cursor=cursor)
    return ReceiptsDocument.of(page)


@router.get("/receipts/key", summary="See the key of receipts")
def get_receipt_key(_: GalleriesCaller, service: TheService) -> ReceiptKeyDocument:
    """The public key that receipts are signed for."""
    return ReceiptKeyDocument(public_key=service.receipts.public_key)


@router.post("/receipts/verify", responses=problems(409, 413), summary="Check a receipt")
def verify_receipt(
    asked: SignedRequest,
    request: Request,
    response: Response,
    _: GalleriesCaller,
    service: TheService,
) -> SignedDocument:
    """Whether this server signed it, to the byte."""
    promise_of(request, response, asked)
    return SignedDocument(genuine=service.receipts.verify(asked.document, asked.signature))


@router.get("/receipts/{receipt_id}", responses=problems(404), summary="Look at a receipt")
def get_receipt(receipt_id: Id, caller: GalleriesCaller, service: TheService) -> ReceiptDocument:
    """The receipt of one erasure."""
    return ReceiptDocument.of(service.receipts.get(caller, receipt_id))
