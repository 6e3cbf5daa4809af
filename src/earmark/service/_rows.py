"""Between the rows of jobs and the jobs that the use cases speak of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from earmark.errors import Kind
from earmark.service._model import (
    IdentifyOptions,
    Job,
    JobError,
    JobKind,
    JobOptions,
    JobState,
    Leg,
    Priority,
    SearchOptions,
)
from earmark.traits import TraitKind, TraitOptions

__all__ = ["job_of", "options_row"]


def job_of(row: sa.RowMapping) -> Job:
    error = None
    if row["error_code"] is not None:
        error = JobError(
            kind=Kind(row["error_kind"]), code=row["error_code"], message=row["error_message"]
        )
    return Job(
        id=row["id"],
        tenant_id=row["tenant_id"],
        dialect=row["dialect"],
        kind=JobKind(row["kind"]),
        state=JobState(row["state"]),
        stage=row["stage"],
        progress=row["progress"],
        priority=Priority(row["priority"]),
        options=_options(row["options"]),
        render=row["render"],
        media_id=row["media_id"],
        url=row["url"],
        name=row["name"],
        webhook_id=row["webhook_id"],
        error=error,
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        audio_s=row["audio_s"],
        timings=row["timings"] or {},
        result_blob=row["result_blob"],
        result_sealed=row["result_sealed"],
        sealed_blob=row["sealed_blob"],
        findings=row["findings"],
        call_id=row["call_id"],
        key_id=row["key_id"],
    )


def options_row(options: JobOptions) -> dict[str, Any]:
    """The options that differ from the defaults, as JSON."""
    defaults = asdict(JobOptions())
    return {name: value for name, value in asdict(options).items() if value != defaults[name]}


def _options(row: Mapping[str, Any]) -> JobOptions:
    values = dict(row)
    if isinstance(values.get("channels"), list):
        values["channels"] = tuple(values["channels"])
    if values.get("identify") is not None:
        asked = values["identify"]
        names = {name: tuple(asked[name]) for name in ("galleries", "speakers")}
        values["identify"] = IdentifyOptions(**{**asked, **names})
    if values.get("search") is not None:
        search = values["search"]
        values["search"] = SearchOptions(**{**search, "leg": Leg(search["leg"])})
    if values.get("traits") is not None:
        kinds = tuple(TraitKind(each) for each in values["traits"]["kinds"])
        values["traits"] = TraitOptions(**{**values["traits"], "kinds": kinds})
    return JobOptions(**values)
