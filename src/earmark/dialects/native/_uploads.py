"""Recordings that are sent in parts, and what is kept of them."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from earmark.dialects._http import absolute_url, iso
from earmark.dialects._multipart import receive_body
from earmark.dialects.native._access import AdmittingRoute, Id, JobsCaller, TheService
from earmark.dialects.native._documents import Document, MediaDocument, media_document
from earmark.dialects.native._idempotency import promise_of
from earmark.dialects.native._names import PREFIX
from earmark.dialects.native._problems import problems
from earmark.dialects.native._requests import Name, example
from earmark.errors import InvalidOption
from earmark.service import Upload

__all__ = ["router"]

router = APIRouter(tags=["uploads and media"], route_class=AdmittingRoute)

Sha256 = Annotated[str, Field(pattern="^[0-9a-fA-F]{64}$")]


class UploadRequest(BaseModel):
    """A recording that will come in parts."""

    model_config = example({"size": 960_104, "name": "meeting.wav", "part_size": 500_000})

    size: int = Field(ge=1, le=1 << 50, description="Bytes of the whole recording.")
    name: Name | None = Field(default=None, description="The file's name.")
    sha256: Sha256 | None = Field(
        default=None, description="SHA-256 (hex) of the whole, compared when it is complete."
    )
    part_size: int | None = Field(
        default=None, ge=1, le=1 << 40, description="Bytes of every part but the last."
    )


class PartDocument(BaseModel):
    """A part that has come."""

    number: int = Field(description="From 1.")
    size: int
    sha256: str


class UploadDocument(Document):
    """An upload: what is there, what is still to come."""

    schema_: Literal["earmark.upload/1"] = Field(default="earmark.upload/1", alias="schema")
    id: str
    size: int
    part_size: int
    parts_total: int
    received: list[PartDocument]
    media: str | None = Field(description="The recording's id, once complete.")
    expires_at: str


def _document(upload: Upload) -> UploadDocument:
    return UploadDocument(
        id=upload.id,
        size=upload.size,
        part_size=upload.part_size,
        parts_total=upload.parts_total,
        received=[
            PartDocument(number=part.number, size=part.size, sha256=part.sha256)
            for part in upload.received
        ],
        media=upload.media_id,
        expires_at=iso(upload.expires_at),
    )


@router.post(
    "/uploads",
    status_code=201,
    responses=problems(404, 409, 413, 503, 507),
    summary="Begin an upload",
)
def create_upload(
    asked: UploadRequest,
    request: Request,
    response: Response,
    caller: JobsCaller,
    service: TheService,
) -> UploadDocument:
    """Say how large the recording is; then send its parts, in any order, several at once."""
    made = service.uploads.create(
        caller,
        size=asked.size,
        name=asked.name,
        sha256=asked.sha256 and asked.sha256.lower(),
        part_size=asked.part_size,
        idempotency=promise_of(request, response, asked),
    )
    base = absolute_url(request, PREFIX, service.settings)
    response.headers["Location"] = f"{base}/uploads/{made.id}"
    return _document(made)


_RAW: dict[str, Any] = {
    "parameters": [
        {
            "in": "header",
            "name": name,
            "required": False,
            "schema": {"type": "string"},
            "description": what,
        }
        for name, what in (
            ("Content-Digest", "`sha-256=:…:` of the part (RFC 9530); what differs is refused."),
            ("X-Content-SHA256", "The same in hex."),
        )
    ],
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    },
}


@router.put(
    "/uploads/{upload_id}/parts/{number}",
    responses=problems(404, 409, 413, 503, 507),
    openapi_extra=_RAW,
    summary="Send a part",
)
async def put_part(
    request: Request,
    upload_id: Id,
    number: Annotated[int, Path(ge=1, le=1_000_000, description="From 1.")],
    caller: JobsCaller,
    service: TheService,
) -> PartDocument:
    """The raw bytes of one part; sent again, it replaces what was there."""
    digest = _digest(request)
    writer = await run_in_threadpool(service.uploads.part, caller, upload_id, number, digest)
    part = await receive_body(request, writer)
    return PartDocument(number=part.number, size=part.size, sha256=part.sha256)


@router.get("/uploads/{upload_id}", responses=problems(404), summary="See what has come")
def get_upload(upload_id: Id, caller: JobsCaller, service: TheService) -> UploadDocument:
    """Which parts are there: after an interruption, send the others."""
    return _document(service.uploads.get(caller, upload_id))


@router.post(
    "/uploads/{upload_id}/complete",
    responses=problems(404, 409, 503, 507),
    summary="Complete an upload",
)
def complete_upload(
    request: Request,
    response: Response,
    upload_id: Id,
    caller: JobsCaller,
    service: TheService,
) -> MediaDocument:
    """Join the parts; again answers the same."""
    promise = promise_of(request, response)
    return media_document(service.uploads.complete(caller, upload_id, idempotency=promise))


@router.delete(
    "/uploads/{upload_id}",
    status_code=204,
    responses=problems(404, 409),
    summary="Give up an upload",
)
def abort_upload(upload_id: Id, caller: JobsCaller, service: TheService) -> None:
    """Remove what has come; an upload that stays incomplete is removed after a day anyway."""
    service.uploads.abort(caller, upload_id)


@router.get("/media/{media_id}", responses=problems(404), summary="Look at a recording")
def get_media(media_id: Id, caller: JobsCaller, service: TheService) -> MediaDocument:
    """What is known of an uploaded recording."""
    return media_document(service.media.get(caller, media_id))


@router.delete(
    "/media/{media_id}", status_code=204, responses=problems(404, 409), summary="Delete a recording"
)
def delete_media(media_id: Id, caller: JobsCaller, service: TheService) -> None:
    """Remove a recording, unless a job still needs it."""
    service.media.delete(caller, media_id)


def _digest(request: Request) -> str | None:
    """The SHA-256 (hex) that a request tells of its body."""
    hexadecimal = request.headers.get("x-content-sha256")
    if hexadecimal is not None:
        if not re.fullmatch("[0-9a-fA-F]{64}", hexadecimal):
            raise InvalidOption(f"X-Content-SHA256 is 64 hex digits, not {hexadecimal[:100]!r}.")
        return hexadecimal.lower()
    header = request.headers.get("content-digest")
    if header is None:
        return None
    found = re.search(r"(?:^|[\s,])sha-256=:([A-Za-z0-9+/=]*):", header)
    try:
        digest = base64.b64decode(found[1], validate=True) if found else b""
    except binascii.Error:
        digest = b""
    if len(digest) != 32:
        raise InvalidOption(f"Content-Digest is sha-256=:<base64>:, not {header[:100]!r}.")
    return digest.hex()
