"""New jobs: a recording in a form, or the name of one in JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from fastapi import APIRouter, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request

from earmark.dialects._http import absolute_url, announced_bytes, idempotency_of
from earmark.dialects._multipart import receive_form
from earmark.dialects.native._access import AdmittingRoute, JobsCaller, TheService
from earmark.dialects.native._documents import JobDocument, job_document
from earmark.dialects.native._idempotency import mark_replayed
from earmark.dialects.native._names import NAME, PREFIX
from earmark.dialects.native._problems import problems
from earmark.dialects.native._requests import (
    DiarizationForm,
    DiarizationRequest,
    JobForm,
    VoiceActivityForm,
    VoiceActivityRequest,
    canonical,
    parse_form,
    parse_json,
)
from earmark.errors import EarmarkError, InvalidInput, NotFound
from earmark.service import Caller, Idempotency, JobKind, Media, Service, Submission, Submitted

__all__ = ["router"]

router = APIRouter(tags=["jobs"], route_class=AdmittingRoute)

MAX_FIELD_BYTES = 64 << 10


def _body(form: type[JobForm], request: type[JobForm]) -> dict[str, Any]:
    """The OpenAPI of a body that is read by hand."""
    fields = form.model_json_schema()
    fields["properties"]["file"] = {
        "type": "string",
        "format": "binary",
        "description": "The recording, in any of the formats of `GET /limits`.",
    }
    fields["required"] = ["file"]
    example = {"url": "https://example.com/meeting.wav"}
    return {
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {"schema": fields},
                "application/json": {"schema": request.model_json_schema(), "example": example},
            },
        }
    }


_ANSWERS: dict[int | str, dict[str, Any]] = {
    202: {"headers": {"Location": {"description": "The job.", "schema": {"type": "string"}}}},
    **problems(404, 409, 413, 415, 503, 507),
}


@router.post(
    "/diarizations",
    status_code=202,
    responses=_ANSWERS,
    openapi_extra=_body(DiarizationForm, DiarizationRequest),
    summary="Ask who spoke when",
)
async def submit_diarization(
    request: Request, response: Response, caller: JobsCaller, service: TheService
) -> JobDocument:
    """Make a job from a recording in the form's `file`, at a `url`, or uploaded before (`media`).

    The job is kept from the moment this answers, whatever happens to the server.
    """
    submitter = _Submitter(service, caller, request, JobKind.DIARIZE)
    return await submitter.submit(response, DiarizationForm, DiarizationRequest)


@router.post(
    "/voice-activities",
    status_code=202,
    responses=_ANSWERS,
    openapi_extra=_body(VoiceActivityForm, VoiceActivityRequest),
    summary="Ask where speech is",
)
async def submit_voice_activity(
    request: Request, response: Response, caller: JobsCaller, service: TheService
) -> JobDocument:
    """As for a diarization, but the answer holds when anyone speaks, not who."""
    submitter = _Submitter(service, caller, request, JobKind.VOICE_ACTIVITY)
    return await submitter.submit(response, VoiceActivityForm, VoiceActivityRequest)


class _Submitter:
    """One request for a job."""

    def __init__(self, service: Service, caller: Caller, request: Request, kind: JobKind) -> None:
        self._service = service
        self._caller = caller
        self._request = request
        self._kind = kind

    async def submit(
        self,
        response: Response,
        form: type[JobForm],
        remote: type[DiarizationRequest | VoiceActivityRequest],
    ) -> JobDocument:
        match self._request.headers.get("content-type", "").partition(";")[0].strip().lower():
            case "multipart/form-data":
                submitted = await self._from_form(form)
            case "application/json":
                submitted = await self._from_json(remote)
            case other:
                raise HTTPException(
                    415, f"Send multipart/form-data or application/json, not {other!r}."
                )
        base = absolute_url(self._request, PREFIX, self._service.settings)
        document = job_document(submitted.job, base)
        response.headers["Location"] = document.links.self
        if submitted.replayed:
            mark_replayed(response)
        return document

    async def _from_form(self, model: type[JobForm]) -> Submitted:
        def check(fields: Mapping[str, str]) -> None:
            parse_form(model, fields)

        form = await receive_form(
            self._request,
            file_field="file",
            open_file=lambda name: self._service.media.writer(
                self._caller,
                dialect=NAME,
                name=name,
                owned=True,
                announced=announced_bytes(self._request, form=True),
            ),
            text_fields=model.model_fields,
            max_field_bytes=MAX_FIELD_BYTES,
            max_file_bytes=self._service.settings.max_upload_bytes,
            check=check,
        )
        if form.media is None:
            raise InvalidInput("The form has no recording: put it into the field 'file'.")
        asked = parse_form(model, form.fields)
        try:
            submitted = await self._submit(asked, form.media, None, form.fingerprint)
        except EarmarkError:
            await run_in_threadpool(self._forget, form.media)
            raise
        if submitted.replayed:
            await run_in_threadpool(self._forget, form.media)
        return submitted

    async def _from_json(self, model: type[DiarizationRequest | VoiceActivityRequest]) -> Submitted:
        body = await self._request.body()
        asked = parse_json(model, body)
        media = None
        if asked.media is not None:
            media = await run_in_threadpool(self._service.media.get, self._caller, asked.media)
        fingerprint = hashlib.sha256(canonical(body)).hexdigest()
        return await self._submit(asked, media, asked.url, fingerprint)

    async def _submit(
        self, asked: JobForm, media: Media | None, url: str | None, fingerprint: str
    ) -> Submitted:
        return await run_in_threadpool(
            self._service.jobs.submit,
            self._caller,
            Submission(
                dialect=NAME,
                kind=self._kind,
                options=asked.options(),
                media=media,
                url=url,
                name=asked.name,
                webhook=asked.webhook,
                priority=asked.rank(),
                render=asked.render(),
            ),
            idempotency=self._idempotency(fingerprint),
        )

    def _idempotency(self, fingerprint: str) -> Idempotency | None:
        return idempotency_of(self._request, f"POST {self._kind.value}", fingerprint)

    def _forget(self, media: Media) -> None:
        with suppress(NotFound):  # the sweeper was faster
            self._service.media.delete(self._caller, media.id)
