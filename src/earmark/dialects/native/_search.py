"""Who is this: a short recording or a voiceprint, compared with galleries at once."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import Field
from starlette.requests import Request

from earmark.dialects.native._access import AdmittingRoute, GalleriesCaller, Id, TheService
from earmark.dialects.native._bodies import Body, answer, described, received
from earmark.dialects.native._documents import Document
from earmark.dialects.native._idempotency import promise_of
from earmark.dialects.native._matching import (
    CandidateDocument,
    Ids,
    MatchingForm,
    Voice,
    candidate_document,
)
from earmark.dialects.native._problems import problems
from earmark.dialects.native._requests import example
from earmark.service import Caller, Service
from earmark.voiceprints import Quality, Voiceprint

__all__ = ["MAX_CLIP_S", "router"]

router = APIRouter(tags=["search"], route_class=AdmittingRoute)

MAX_CLIP_S = 120.0
"""How long a recording may be that is answered at once."""

_ANSWERS = problems(404, 409, 413, 415, 503, 507)


class SearchForm(MatchingForm):
    """Who is this?"""

    speaker_ids: Ids = Field(default=[], description="Only these speakers.")


class SearchRequest(SearchForm, Voice):
    """Who is this, in a recording that is here already, or by a voiceprint?"""

    model_config = example({"media": "the id of a recording"})


class WideSearchForm(SearchForm):
    """Who of several galleries is this?"""

    gallery_ids: Ids = Field(min_length=1, description="The galleries to look in.")


class WideSearchRequest(WideSearchForm, Voice):
    """Who of several galleries is this, in a recording that is here already, or by a voiceprint?"""

    model_config = example(
        {"gallery_ids": ["the id of a gallery"], "media": "the id of a recording"}
    )


class SearchDocument(Document):
    """Whom a voice is taken for."""

    schema_: Literal["earmark.search/1"] = Field(default="earmark.search/1", alias="schema")
    match: CandidateDocument | None = Field(description="Null: unknown.")
    alternatives: list[CandidateDocument] = Field(description="Best first, the match included.")
    margin: float | None = Field(
        description="By how much the best log-likelihood ratio is above the next one; null when"
        " there is no next one."
    )
    threshold: float = Field(description="The log-likelihood ratio that a match needed.")
    false_accept_rate: float | None = Field(description="What the threshold is for, as asked.")
    net_speech: float = Field(description="Seconds of clear speech that were compared.")
    quality: Quality | None


@router.post(
    "/galleries/{gallery_id}/search",
    responses=_ANSWERS,
    openapi_extra=described(SearchForm, SearchRequest),
    summary="Search a gallery",
)
async def search_gallery(
    request: Request,
    response: Response,
    gallery_id: Id,
    caller: GalleriesCaller,
    service: TheService,
) -> SearchDocument:
    """Compare the one voice in a recording of two minutes at most, or a voiceprint, and answer.

    The recording comes in the form's `file` or was uploaded before (`media`), and is not kept.
    Longer ones, and ones of several people, are for `POST /identifications`.
    """
    promise_of(request, response)
    async with received(request, service, caller, SearchForm, SearchRequest, at_once=True) as body:
        return await answer(caller, body, _search, service, caller, [gallery_id], body)


@router.post(
    "/search",
    responses=_ANSWERS,
    openapi_extra=described(WideSearchForm, WideSearchRequest),
    summary="Search several galleries",
)
async def search_galleries(
    request: Request, response: Response, caller: GalleriesCaller, service: TheService
) -> SearchDocument:
    """As in one gallery, among the speakers of all that `gallery_ids` names."""
    promise_of(request, response)
    async with received(
        request, service, caller, WideSearchForm, WideSearchRequest, at_once=True
    ) as body:
        galleries = body.asked.gallery_ids
        return await answer(caller, body, _search, service, caller, galleries, body)


def _search(
    service: Service, caller: Caller, galleries: list[str], body: Body[SearchForm]
) -> SearchDocument:
    asked, probe = body.asked, _probe(service, body)
    named = service.search.search(
        caller,
        galleries,
        probe,
        k=asked.alternatives,
        speakers=asked.speaker_ids,
        false_accept_rate=asked.false_accept_rate,
        confidence=asked.min_probability,
    )
    return SearchDocument(
        match=None if named.match is None else candidate_document(named.match),
        alternatives=[candidate_document(each) for each in named.alternatives],
        margin=named.margin,
        threshold=named.threshold,
        false_accept_rate=asked.false_accept_rate,
        net_speech=probe.net_speech_s,
        quality=None if probe.quality is None else Quality(probe.quality),
    )


def _probe(service: Service, body: Body[SearchForm]) -> Voiceprint:
    if body.media is not None:
        return service.analyst.voice(body.media, limit_s=MAX_CLIP_S)
    assert isinstance(body.asked, Voice)
    assert body.asked.voiceprint is not None
    return Voiceprint.from_base64(body.asked.voiceprint)
