"""How somebody is enrolled: listened to first, then added, all that comes of it in one transaction.

Who is new comes to be in that transaction too, so that nobody is there without a voice when an
enrolment is refused, and nothing has to be taken back.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from earmark.errors import Conflict, EarmarkError, Kind, MediaTooLarge, NotFound
from earmark.service._analyst import Analyst
from earmark.service._consents import check_consent, give_consent, touch_speaker
from earmark.service._idempotency import done_before, earlier
from earmark.service._listening import listen_to
from earmark.service._model import Caller, Idempotency, Media, Scope
from earmark.service._new_speaker import SpeakerMaking, hold_gallery
from earmark.service._people import Enrolled, NewConsent, Speaker
from earmark.service._people_rows import sample_of, voiceprint_of
from earmark.service._speaker_part import found_speaker
from earmark.service._speaker_voiceprints import SAMPLE, VOICEPRINT, remove_voiceprints
from earmark.service._store import Store
from earmark.storage import consents as consent_rows
from earmark.storage import samples as sample_rows
from earmark.storage import speakers as speaker_rows
from earmark.storage import voiceprints as rows
from earmark.voiceprints import Quality, Voiceprint

__all__ = ["MAX_VOICEPRINTS", "Enrolling", "Heard", "Terms"]

MAX_VOICEPRINTS = 100
"""Most voiceprints that one speaker holds."""

_LARGEST_KEPT = 64 << 20  # bytes: it is encrypted in one piece


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """A voiceprint; and the recording that it was made from, and what of that, if it was."""

    voiceprint: Voiceprint
    media: Media | None = None
    options: Mapping[str, Any] | None = None
    duration_s: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """On what terms somebody is enrolled: see `Enrolment`."""

    consent: NewConsent | None
    idempotency: Idempotency | None
    replace: bool = False
    renew: bool = False


class Enrolling(SpeakerMaking):
    """Enrols a speaker, told by their id, or somebody new, told by the row that they will have."""

    def __init__(self, store: Store, analyst: Analyst) -> None:
        super().__init__(store)
        self._analyst = analyst

    def _enroll(
        self, caller: Caller, who: str | dict[str, Any], hear: Callable[[], Heard], terms: Terms
    ) -> Enrolled:
        """Add what is heard, unless it would be refused, or the same request has added it."""
        caller.require(Scope.GALLERIES)
        known = self._begin(caller, who, terms)
        if known is not None:
            return known
        heard = hear()
        speaker_id = who if isinstance(who, str) else str(who["id"])
        try:
            enrolled = self._add(caller, who, speaker_id, heard, terms)
        except EarmarkError as error:
            if error.kind is not Kind.UNAVAILABLE:  # it is certain that nothing was added
                self._leave_no_key(speaker_id)
            raise
        if enrolled.speaker.id != speaker_id:  # the same request was answered meanwhile
            self._leave_no_key(speaker_id)
        return enrolled

    def _leave_no_key(self, speaker_id: str) -> None:
        """Delete the data key of who is not there, or was erased while something was sealed."""
        with self._store.database.read() as connection:
            row = speaker_rows.fetch(connection, speaker_id)
        if row is None or row["expires_at"] == 0:
            self._store.vault.forget(speaker_id)

    def _begin(self, caller: Caller, who: str | dict[str, Any], terms: Terms) -> Enrolled | None:
        """Refuse what would be refused later; what an earlier request with the key has made."""
        with self._store.database.read() as connection:
            speaker = None
            if isinstance(who, str):
                speaker = found_speaker(connection, caller, who)
            known = done_before(connection, caller.tenant_id, terms.idempotency)
            if known is not None:
                return _enrolled(connection, caller, known)
            if not isinstance(who, str):
                self._check_new(connection, caller, who)
            check_consent(connection, self._store.settings, speaker, terms.consent)
        return None

    def _listen(self, media: Media, options: Mapping[str, Any], limit_s: float) -> Heard:
        if self._store.settings.keep_enrolment_audio and media.size > _LARGEST_KEPT:
            raise MediaTooLarge(
                f"The recording has {media.size} bytes, and {_LARGEST_KEPT} are kept of somebody:"
                " send a shorter one.",
                size=media.size,
                limit=_LARGEST_KEPT,
            )
        voiceprint, duration_s = listen_to(self._analyst, media, options, limit_s)
        return Heard(voiceprint=voiceprint, media=media, options=options, duration_s=duration_s)

    def _add(
        self,
        caller: Caller,
        who: str | dict[str, Any],
        speaker_id: str,
        heard: Heard,
        terms: Terms,
    ) -> Enrolled:
        sample = self._sample(caller, speaker_id, heard)
        voiceprint = self._voiceprint(speaker_id, heard, sample)
        with self._store.database.write() as connection:
            speaker = None
            if isinstance(who, str):
                # From here to the end they cannot be erased; before, their row would be gone.
                speaker = found_speaker(connection, caller, who, lock=True)
            else:
                hold_gallery(connection, caller, who["gallery_id"])
            known = earlier(connection, caller.tenant_id, terms.idempotency, voiceprint["id"])
            if known is not None:
                return _enrolled(connection, caller, known)
            check_consent(connection, self._store.settings, speaker, terms.consent)
            given = None
            if not isinstance(who, str):
                speaker, given = self._added(connection, caller, who, terms.consent)
            assert speaker is not None
            if isinstance(who, str) and terms.consent is not None:
                given = give_consent(connection, speaker, terms.consent)
            blobs, replaced = _make_room(connection, speaker, terms.replace)
            if terms.renew:
                expires_at = time.time() + self._store.settings.speaker_expiry_s
                speaker_rows.renew(connection, speaker_id, expires_at)
            if sample is not None:
                sample_rows.insert(connection, sample)
            place = {"tenant_id": caller.tenant_id, "gallery_id": speaker.gallery_id}
            rows.insert(connection, {**voiceprint, **place})
            touch_speaker(connection, speaker)
            if not isinstance(who, str):
                self._note_new(connection, caller, speaker)
            if given is not None:
                self._note(connection, caller, "consent.give", speaker_id, consent=given.id)
            self._note(
                connection,
                caller,
                "speaker.enrol",
                speaker_id,
                voiceprint=voiceprint["id"],
                sample=voiceprint["sample_id"],
                consent=consent_rows.valid(connection, speaker_id),
                replaced=replaced,
            )
            enrolled = _enrolled(connection, caller, voiceprint["id"])
        self._store.blobs.delete(*blobs)
        return enrolled

    def _sample(self, caller: Caller, speaker_id: str, heard: Heard) -> dict[str, Any] | None:
        """The row of the recording, whose audio is kept where the settings say so."""
        media, voiceprint = heard.media, heard.voiceprint
        if media is None:
            return None
        sample: dict[str, Any] = {
            "id": str(uuid.uuid4()),
            "tenant_id": caller.tenant_id,
            "speaker_id": speaker_id,
            "name": media.name,
            "sha256": media.sha256,
            "duration_s": heard.duration_s,
            "net_speech_s": voiceprint.net_speech_s,
            "quality": voiceprint.quality or Quality.POOR,
            "blob": None,
            "size": None,
            "options": dict(heard.options or {}),
            "created_at": time.time(),
        }
        if self._store.settings.keep_enrolment_audio:
            audio = self._store.blobs.get(media.blob)
            sealed = self._store.vault.seal(speaker_id, audio, purpose=SAMPLE)
            sample |= {"blob": f"samples/{caller.tenant_id}/{sample['id']}", "size": len(audio)}
            # Before its row: if that does not come, what is left is swept, and means nothing.
            self._store.blobs.put(sample["blob"], sealed)
        return sample

    def _voiceprint(
        self, speaker_id: str, heard: Heard, sample: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """The row of the voiceprint, but for its place."""
        voiceprint = heard.voiceprint
        return {
            "id": str(uuid.uuid4()),
            "speaker_id": speaker_id,
            "sample_id": None if sample is None else sample["id"],
            "model": voiceprint.model,
            "net_speech_s": voiceprint.net_speech_s,
            "quality": voiceprint.quality,
            "sealed": self._store.vault.seal(speaker_id, voiceprint.to_bytes(), purpose=VOICEPRINT),
            "created_at": time.time(),
        }


def _make_room(connection: sa.Connection, speaker: Speaker, replace: bool) -> tuple[list[str], int]:
    """Remove what the speaker held if it is replaced; blobs to be deleted, voiceprints removed."""
    held = [row["id"] for row in rows.of_speakers(connection, [speaker.id])]
    if replace:
        samples = [row["id"] for row in sample_rows.of_speakers(connection, [speaker.id])]
        return remove_voiceprints(connection, speaker, held, samples), len(held)
    if len(held) >= MAX_VOICEPRINTS:
        raise Conflict(
            f"The speaker {speaker.id!r} holds {len(held)} voiceprints, and {MAX_VOICEPRINTS} are"
            " the most: delete some, or replace them all."
        )
    return [], 0


def _enrolled(connection: sa.Connection, caller: Caller, voiceprint_id: str) -> Enrolled:
    """What an enrolment has made. Raises `NotFound` when it was deleted since."""
    row = rows.fetch(connection, voiceprint_id, tenant_id=caller.tenant_id)
    if row is None:
        raise NotFound(
            f"The voiceprint {voiceprint_id!r} that this request has enrolled was deleted since:"
            " send it with another idempotency key to enrol anew."
        )
    sample = None
    if row["sample_id"] is not None:
        sample = sample_rows.fetch(connection, row["sample_id"])
    return Enrolled(
        speaker=found_speaker(connection, caller, row["speaker_id"]),
        voiceprint=voiceprint_of(row),
        sample=None if sample is None else sample_of(sample),
    )
