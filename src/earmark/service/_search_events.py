"""What the addresses of the settings are told of a speaker search task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

import sqlalchemy as sa

from earmark.service._delivery import note_event
from earmark.service._model import Job
from earmark.service._search_findings import SearchFindings, asked_of
from earmark.settings import Settings
from earmark.storage import jobs as rows

__all__ = ["note_failure", "note_findings"]


def note_findings(
    connection: sa.Connection,
    settings: Settings,
    job: Job,
    findings: SearchFindings,
    events: Sequence[str],
    now: float,
) -> None:
    """Put on record what a task has found out, and that it has to be told."""
    known = asdict(findings)
    rows.update(connection, job.id, {"findings": known, "updated_at": now})
    for event in events:
        # What is told at once of a search does not know of a voiceprint yet.
        later = event in ("search.found", "search.unknown")
        note_event(
            connection,
            settings,
            tenant_id=job.tenant_id,
            dialect=job.dialect,
            about=job.id,
            event=event,
            detail={
                "leg": asked_of(job).leg,
                "matches": known["matches"],
                "voiceprint": None if later else known["voiceprint"],
                "shown": dict(job.render),
            },
            now=now,
        )


def note_failure(connection: sa.Connection, settings: Settings, job: Job, now: float) -> None:
    """As `note_findings`, in the transaction that ends a task as failed."""
    known, events = SearchFindings.of(job), []
    if known.matches is None:
        events.append("search.unidentified")
    if known.voiceprint is None:
        events.append("search.no_voiceprint")
        known = replace(known, voiceprint=False)
    note_findings(connection, settings, job, known, events, now)
