"""Galleries: sets of speakers who are searched together."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field
from starlette.requests import Request

from earmark.dialects._http import at_length
from earmark.dialects.native._access import AdmittingRoute, GalleriesCaller, Id, TheService
from earmark.dialects.native._idempotency import promise_of
from earmark.dialects.native._names import NAME
from earmark.dialects.native._people import GalleriesDocument, GalleryDocument
from earmark.dialects.native._problems import problems
from earmark.dialects.native._requests import Written, example

__all__ = ["Cursor", "Details", "Label", "Limit", "router"]

router = APIRouter(prefix="/galleries", tags=["galleries"], route_class=AdmittingRoute)

Limit = Annotated[int, Query(ge=1, le=200, description="How many at once.")]
Cursor = Annotated[str | None, Query(max_length=200, description="From the part before.")]


Label = Annotated[str, Field(min_length=1, max_length=256)]
"""What a gallery or a person is called."""

Details = Annotated[dict[str, str], Field(max_length=50), Written]
"""Whatever a client wants to find again with a thing."""


class GalleryRequest(BaseModel):
    """A gallery that is to be made."""

    model_config = example({"name": "staff"})

    name: Label = Field(description="Which no other gallery has.")
    description: str = Field(default="", max_length=1024)
    details: Details = Field(default={}, description="Whatever you want to find again with it.")


class GalleryChange(BaseModel):
    """What is to be changed; what is left out stays as it is."""

    model_config = example({"description": "All who work here"})

    name: Label | None = None
    description: Annotated[str, Field(max_length=1024)] | None = None
    details: Details | None = None


@router.post("", status_code=201, responses=problems(409, 413), summary="Make a gallery")
def create_gallery(
    asked: GalleryRequest,
    request: Request,
    response: Response,
    caller: GalleriesCaller,
    service: TheService,
) -> GalleryDocument:
    """An empty one; a name that another gallery has is refused."""
    gallery = service.galleries.create(
        caller,
        dialect=NAME,
        name=asked.name,
        key=asked.name,
        description=asked.description,
        details=asked.details,
        idempotency=promise_of(request, response, asked),
    )
    return GalleryDocument.of(gallery)


@router.get("", summary="List galleries")
def list_galleries(
    caller: GalleriesCaller, service: TheService, limit: Limit = 50, cursor: Cursor = None
) -> GalleriesDocument:
    """All galleries of the key's tenant, newest first, whatever API they came through."""
    page = service.galleries.list(caller, limit=limit, cursor=cursor)
    return GalleriesDocument.of(page)


@router.get("/{gallery_id}", responses=problems(404), summary="Look at a gallery")
def get_gallery(gallery_id: Id, caller: GalleriesCaller, service: TheService) -> GalleryDocument:
    """What is known of it; its speakers have a list of their own."""
    return GalleryDocument.of(service.galleries.get(caller, gallery_id))


@router.patch("/{gallery_id}", responses=problems(404, 409, 413), summary="Change a gallery")
def change_gallery(
    gallery_id: Id, asked: GalleryChange, caller: GalleriesCaller, service: TheService
) -> GalleryDocument:
    """Rename or describe it; what is left out stays as it is."""
    gallery = service.galleries.update(
        caller,
        gallery_id,
        name=asked.name,
        description=asked.description,
        details=asked.details,
    )
    return GalleryDocument.of(gallery)


@router.delete(
    "/{gallery_id}", status_code=204, responses=problems(404, 503), summary="Delete a gallery"
)
async def delete_gallery(gallery_id: Id, caller: GalleriesCaller, service: TheService) -> None:
    """Erase all its speakers, each with a receipt, then the gallery."""
    await at_length(caller, service.galleries.delete, caller, gallery_id)
