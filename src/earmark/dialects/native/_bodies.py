"""Bodies that are read by hand: a recording in a form, or the name of one in JSON."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fastapi.concurrency import contextmanager_in_threadpool
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request

from earmark.dialects._http import at_length
from earmark.dialects._multipart import receive_recording
from earmark.dialects.native._names import NAME
from earmark.dialects.native._requests import canonical, parse_form, parse_json
from earmark.errors import InvalidInput
from earmark.service import Caller, Media, Service

__all__ = ["Body", "answer", "described", "received"]

FormModel = TypeVar("FormModel", bound=BaseModel)
JsonModel = TypeVar("JsonModel", bound=BaseModel)
Asked_co = TypeVar("Asked_co", covariant=True)

T = TypeVar("T")

FIELD_BYTES = 64 << 10
"""What the fields of a form have together, names and values; the file does not count."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Body(Generic[Asked_co]):
    """What a request brought: its fields, and the recording that came in it or that it names.

    ``fingerprint`` (SHA-256, hex) is the same for every body with the same content.
    """

    asked: Asked_co
    media: Media | None
    fingerprint: str


@asynccontextmanager
async def received(
    request: Request,
    service: Service,
    caller: Caller,
    form: type[FormModel],
    remote: type[JsonModel],
    *,
    at_once: bool,
    field_bytes: int = FIELD_BYTES,
) -> AsyncIterator[Body[FormModel | JsonModel]]:
    """Read the body; the recording in it is deleted afterwards, unless a job has taken it.

    JSON may name a recording that is here in a field ``media``. ``at_once``: there is no job, and
    the answer waits for the engine.

    Raises HTTP 415 for a body that is neither a form nor JSON, `InvalidInput` for a form without
    a recording, `NotFound` for one that is not here, and what `receive_form` raises.
    """
    body: Body[FormModel | JsonModel]
    match request.headers.get("content-type", "").partition(";")[0].strip().lower():
        case "multipart/form-data":
            body = await _from_form(request, service, caller, form, field_bytes, at_once)
        case "application/json":
            body = await _from_json(request, service, caller, remote)
        case other:
            raise HTTPException(
                415, f"Send multipart/form-data or application/json, not {other!r}."
            )
    async with contextmanager_in_threadpool(service.media.for_request(body.media)):
        yield body


async def answer(
    caller: Caller, body: Body[BaseModel], function: Callable[..., T], /, *arguments: object
) -> T:
    """What ``function`` returns; with a recording it waits for the engine, so see `at_length`."""
    if body.media is None:
        return await run_in_threadpool(function, *arguments)
    return await at_length(caller, function, *arguments)


def described(form: type[BaseModel], remote: type[BaseModel]) -> dict[str, Any]:
    """The OpenAPI of such a body; the examples are those of the JSON."""
    fields = _whole(form.model_json_schema())
    fields.setdefault("properties", {})["file"] = {
        "type": "string",
        "format": "binary",
        "description": "The recording, in any of the formats of `GET /limits`.",
    }
    fields["required"] = [*fields.get("required", ()), "file"]
    schema = _whole(remote.model_json_schema())
    (example, *_) = schema["examples"]
    return {
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {"schema": fields},
                "application/json": {"schema": schema, "example": example},
            },
        }
    }


def _whole(schema: dict[str, Any]) -> dict[str, Any]:
    """The same schema, with what it refers to in its place: it has no place of its own."""
    parts = schema.pop("$defs", {})

    def put(value: object) -> object:
        if isinstance(value, dict):
            if "$ref" in value:
                return put(parts[value["$ref"].rpartition("/")[2]])
            return {name: put(each) for name, each in value.items()}
        return [put(each) for each in value] if isinstance(value, list) else value

    return {name: put(each) for name, each in schema.items()}


async def _from_form(
    request: Request,
    service: Service,
    caller: Caller,
    model: type[FormModel],
    field_bytes: int,
    at_once: bool,
) -> Body[FormModel]:
    def check(fields: Mapping[str, str]) -> None:
        parse_form(model, fields)

    form = await receive_recording(
        request,
        service,
        caller,
        dialect=NAME,
        text_fields=model.model_fields,
        max_field_bytes=field_bytes,
        check=check,
        at_once=at_once,
    )
    if form.media is None:
        raise InvalidInput("The form has no recording: put it into the field 'file'.")
    return Body(
        asked=parse_form(model, form.fields), media=form.media, fingerprint=form.fingerprint
    )


async def _from_json(
    request: Request, service: Service, caller: Caller, model: type[JsonModel]
) -> Body[JsonModel]:
    body = await request.body()
    asked = parse_json(model, body)
    media = None
    named: str | None = getattr(asked, "media", None)
    if named is not None:
        media = await run_in_threadpool(service.media.get, caller, named)
    return Body(asked=asked, media=media, fingerprint=hashlib.sha256(canonical(body)).hexdigest())
