"""All that is held of one person, in one document, as they may ask for it."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from earmark.service._model import Caller, Scope
from earmark.service._speaker_part import SpeakerPart, found_speaker
from earmark.service._speaker_voiceprints import VOICEPRINT
from earmark.service._store import Store
from earmark.service._text import iso
from earmark.storage import audit, consents, galleries, job_voiceprints, samples, voiceprints
from earmark.storage import speakers as rows

__all__ = ["SpeakerExport"]

_SCHEMA = "earmark.person/1"
_TIMES = ("at", "created_at", "updated_at", "expires_at", "given_at", "matched_at", "withdrawn_at")
_SPEAKER = ("id", "name", "key", "details", "split_from", "withdrawn_at", "matched_at")
_CONSENT = ("id", "subject", "text", "purpose", "method", "given_at", "withdrawn_at", "created_at")
_SAMPLE = (
    "id",
    "speaker_id",
    "name",
    "sha256",
    "duration_s",
    "net_speech_s",
    "quality",
    "created_at",
)
_VOICEPRINT = ("id", "sample_id", "model", "net_speech_s", "quality", "created_at")
_MATCH = ("job_id", "speaker", "cosine", "llr", "probability")
_ENTRY = ("seq", "at", "actor", "action", "subject", "hash")


class SpeakerExport(SpeakerPart):
    """Hands out what is held of a speaker."""

    def export(
        self,
        caller: Caller,
        speaker_id: str,
        *,
        audio: Callable[[str, str], str | None] = lambda *_: None,
    ) -> dict[str, Any]:
        """A speaker, and who is merged into them, as JSON; it is noted as an export.

        Their records of consent; their samples; their voiceprints in portable form; where
        identifications found them; and what the audit log has about them. The audio of samples is
        not in it: it may be large. ``audio`` tells where that of a speaker's sample which is kept
        is to be had, both told by their ids. What cannot be read any more, because the data key is
        gone, is null.
        Raises `NotFound`.
        """
        caller.require(Scope.GALLERIES)
        with self._store.database.write() as connection:
            found_speaker(connection, caller, speaker_id)
            family = rows.family(connection, [speaker_id])
            people = [_rows_of(connection, row) for row in family]
            entries = audit.about(connection, caller.tenant_id, [row["id"] for row in family])
            self._note(connection, caller, "speaker.export", speaker_id, all=True)
        documents = {each["speaker"]["id"]: _document(self._store, each, audio) for each in people}
        return {
            "schema": _SCHEMA,
            "exported_at": iso(time.time()),
            **documents.pop(speaker_id),
            "merged": [documents[each] for each in sorted(documents)],
            "audit": [
                {**_some(entry, _ENTRY), "details": json.loads(entry["details"])}
                for entry in entries
            ],
        }


def _rows_of(connection: sa.Connection, speaker: sa.RowMapping) -> dict[str, Any]:
    ids = [speaker["id"]]
    return {
        "speaker": speaker,
        "gallery": galleries.fetch(connection, speaker["gallery_id"]),
        "consents": consents.of_speakers(connection, ids),
        "samples": samples.of_speakers(connection, ids),
        "voiceprints": voiceprints.of_speakers(connection, ids),
        "matches": job_voiceprints.matches(connection, speaker["tenant_id"], ids),
    }


def _document(
    store: Store, held: dict[str, Any], audio: Callable[[str, str], str | None]
) -> dict[str, Any]:
    speaker, gallery = held["speaker"], held["gallery"]
    prints = [(row["speaker_id"], row["sealed"]) for row in held["voiceprints"]]
    opened = store.vault.open_many(prints, purpose=VOICEPRINT)
    return {
        "speaker": {
            **_some(speaker, (*_SPEAKER, "expires_at", "created_at", "updated_at")),
            "gallery": _some(gallery, ("id", "dialect", "name")),
        },
        "consents": [_some(row, _CONSENT) for row in held["consents"]],
        "samples": [
            {
                **_some(row, _SAMPLE),
                "kept": row["blob"] is not None,
                "audio": None if row["blob"] is None else audio(speaker["id"], row["id"]),
            }
            for row in held["samples"]
        ],
        "voiceprints": [
            {**_some(row, _VOICEPRINT), "voiceprint": _base64(data)}
            for row, data in zip(held["voiceprints"], opened, strict=True)
        ],
        "matches": [_some(row, _MATCH) for row in held["matches"]],
    }


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _some(row: sa.RowMapping, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: _shown(name, row[name]) for name in names}


def _shown(name: str, value: Any) -> Any:
    if name in _TIMES and value is not None:
        return iso(value)
    return value
