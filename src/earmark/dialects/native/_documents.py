"""What this API answers with; every document names its schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from earmark.dialects._http import iso
from earmark.service import IdentifyOptions, Job, JobOptions, Media, Priority

__all__ = [
    "Document",
    "JobDocument",
    "JobsDocument",
    "MediaDocument",
    "Stamp",
    "job_document",
    "maybe_iso",
    "media_document",
]

State = Literal["queued", "running", "succeeded", "failed", "canceled", "expired"]
KindName = Literal[
    "diarize",
    "voice-activity",
    "identify",
    "voiceprint",
    "compare",
    "speaker-search",
    "traits",
    "gender",
]
PriorityName = Literal["low", "normal", "high"]

_PRIORITIES: Mapping[Priority, PriorityName] = {
    Priority.LOW: "low",
    Priority.NORMAL: "normal",
    Priority.HIGH: "high",
}


Stamp = Annotated[str, BeforeValidator(lambda at: iso(at) if isinstance(at, float | int) else at)]
"""A time: seconds since 1970 are written as ISO 8601 has it."""


class Document(BaseModel):
    """A document, whose first member is the name and version of its schema."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    @classmethod
    def of(cls, found: object) -> Self:
        """The document of something whose attributes have the names of the members."""
        return cls.model_validate(found, from_attributes=True)


class JobFailure(BaseModel):
    """Why a job failed."""

    code: str
    message: str


class JobLinks(BaseModel):
    """Where to go on from a job."""

    self: str
    events: str
    result: str
    cancel: str


class JobDocument(Document):
    """A job as it stands."""

    schema_: Literal["earmark.job/1"] = Field(default="earmark.job/1", alias="schema")
    id: str
    kind: KindName
    state: State
    stage: str = Field(examples=["queued", "fetching", "analysing", "storing", "done"])
    progress: int = Field(ge=0, le=100, description="Percent; never falls.")
    priority: PriorityName
    dialect: str = Field(description="The API through which it came.")
    name: str | None = Field(description="The file's name, or the one that was given.")
    media: str | None = Field(description="The recording's id, once it is here.")
    url: str | None = Field(description="Where the recording is fetched from.")
    webhook: str | None = Field(description="The id of the webhook that hears of the end.")
    options: dict[str, Any] = Field(description="The options that differ from the defaults.")
    error: JobFailure | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    audio_s: float | None = Field(description="Seconds of audio analysed.")
    timings: dict[str, float] = Field(description="Stage -> seconds it took.")
    links: JobLinks


class JobsDocument(Document):
    """A part of the list of jobs, newest first."""

    schema_: Literal["earmark.jobs/1"] = Field(default="earmark.jobs/1", alias="schema")
    items: list[JobDocument]
    cursor: str | None = Field(description="Leads to the next part; null at the end.")
    total: int


class MediaDocument(Document):
    """A recording that is kept on the server."""

    schema_: Literal["earmark.media/1"] = Field(default="earmark.media/1", alias="schema")
    id: str
    name: str | None
    size: int = Field(description="Bytes.")
    sha256: str
    created_at: str
    expires_at: str | None


def job_document(job: Job, base: str) -> JobDocument:
    """The document of a job; ``base`` is the address of this API, without a slash at its end."""
    at = f"{base}/jobs/{job.id}"
    error = None
    if job.error is not None:
        error = JobFailure(code=job.error.code, message=job.error.message)
    return JobDocument(
        id=job.id,
        kind=job.kind.value,
        state=job.state.value,
        stage=job.stage,
        progress=job.progress,
        priority=_PRIORITIES[job.priority],
        dialect=job.dialect,
        name=job.name,
        media=job.media_id,
        url=job.url,
        webhook=job.webhook_id,
        options=_options(job.options) | dict(job.render),
        error=error,
        created_at=iso(job.created_at),
        started_at=maybe_iso(job.started_at),
        finished_at=maybe_iso(job.finished_at),
        audio_s=job.audio_s,
        timings=dict(job.timings),
        links=JobLinks(
            self=at, events=f"{at}/events", result=f"{at}/result", cancel=f"{at}/cancel"
        ),
    )


def media_document(media: Media) -> MediaDocument:
    return MediaDocument(
        id=media.id,
        name=media.name,
        size=media.size,
        sha256=media.sha256,
        created_at=iso(media.created_at),
        expires_at=maybe_iso(media.expires_at),
    )


def maybe_iso(t: float | None) -> str | None:
    return None if t is None else iso(t)


def _options(options: JobOptions) -> dict[str, Any]:
    """What differs from the defaults, by the names that requests give it."""
    plain = JobOptions()
    shown: dict[str, Any] = {
        name: getattr(options, name)
        for name in ("speakers", "min_speakers", "max_speakers", "channels", "start", "end", "fast")
        if getattr(options, name) != getattr(plain, name)
    }
    if options.tolerate_damage:
        shown["on_damage"] = "warn"
    if options.frame_confidence:
        shown["confidence"] = True
    if options.searchable:
        shown["searchable"] = True
    if options.identify is not None:
        shown |= _identify(options.identify)
    return shown


def _identify(options: IdentifyOptions) -> dict[str, Any]:
    plain = IdentifyOptions()
    names = {
        "gallery_ids": "galleries",
        "speaker_ids": "speakers",
        "one_to_one": "exclusive",
        "false_accept_rate": "false_accept_rate",
        "min_probability": "confidence",
        "alternatives": "alternatives",
    }
    return {
        name: getattr(options, attribute)
        for name, attribute in names.items()
        if getattr(options, attribute) != getattr(plain, attribute)
    }
