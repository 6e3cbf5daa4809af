"""The application under ``/audio/generic/api``."""

from __future__ import annotations

from typing import Final, NoReturn

from fastapi import Depends, FastAPI
from starlette.exceptions import HTTPException

from earmark.dialects._http import RateLimitHeaders
from earmark.dialects.deepaffects._access import Admission
from earmark.dialects.deepaffects._analyses import analysis_routes
from earmark.dialects.deepaffects._enrolment import enrolment_routes
from earmark.dialects.deepaffects._errors import add_faults
from earmark.dialects.deepaffects._names import PREFIX
from earmark.service import Service

__all__ = ["mounts"]

_OFFERED: Final = (
    "diarization/enroll, diarization/get_enrolled_speakers, diarization/delete,"
    " diarization/identify, diarize and vad"
)
_NOT_OFFERED: Final = {"recognise_emotion", "denoise", "featurize"}
_METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def mounts(service: Service) -> dict[str, FastAPI]:
    """The one application, by the prefix that it is mounted at."""
    app = FastAPI(
        title="DeepAffects, as Earmark speaks it",
        openapi_url=None,
        redirect_slashes=False,
        dependencies=[Depends(Admission(service))],
    )
    app.add_middleware(RateLimitHeaders)
    add_faults(app)
    for version in ("v1", "v2"):
        app.include_router(enrolment_routes(service, version))
        app.include_router(analysis_routes(service, version))

    @app.api_route("/{path:path}", methods=_METHODS, response_model=None)
    def elsewhere(path: str) -> NoReturn:
        name = path.rpartition("/")[2]
        if name in _NOT_OFFERED:
            raise HTTPException(501, f"This server does not offer {name}. It offers {_OFFERED}.")
        raise HTTPException(404, f"This server has no such path. It offers {_OFFERED}.")

    return {PREFIX: app}
