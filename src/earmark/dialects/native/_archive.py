"""What is held of one person, and where they speak."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse

from earmark.dialects.native._access import AdmittingRoute, GalleriesCaller, Id, TheService
from earmark.dialects.native._problems import problems

__all__ = ["router"]

router = APIRouter(prefix="/speakers/{speaker_id}", tags=["speakers"], route_class=AdmittingRoute)


@router.get(
    "/export",
    response_class=JSONResponse,
    responses={
        200: {"content": {"application/json": {"schema": {"type": "object"}}}},
        **problems(404),
    },
    summary="Export a speaker",
)
def export_speaker(speaker_id: Id, caller: GalleriesCaller, service: TheService) -> JSONResponse:
    """All that is held of one person, as they may ask for it: also their voiceprints, as base64."""
    return JSONResponse(
        service.speakers.export(caller, speaker_id),
        headers={
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{speaker_id}.json"',
        },
    )
