"""Enrolment: from a recording, or a voiceprint that was made before, to a speaker who is found."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from earmark.errors import Conflict, MediaTooLarge, NotFound
from earmark.service._analyst import Analyst
from earmark.service._consents import check_consent, give_consent, touch_speaker
from earmark.service._idempotency import done_before, earlier
from earmark.service._listening import listen_to
from earmark.service._media import discard_media
from earmark.service._model import Caller, Idempotency, Media, Scope
from earmark.service._people import Enrolled, NewConsent, Speaker
from earmark.service._people_rows import sample_of, speaker_of, voiceprint_of
from earmark.service._reembedding import Reembedding
from earmark.service._speaker_part import SpeakerPart, found_speaker
from earmark.service._speaker_voiceprints import SAMPLE, VOICEPRINT, remove_voiceprints
from earmark.service._store import Store
from earmark.storage import consents as consent_rows
from earmark.storage import samples as sample_rows
from earmark.storage import speakers as speaker_rows
from earmark.storage import voiceprints as rows
from earmark.voiceprints import Quality, Voiceprint, require_model

__all__ = ["LONGEST_S", "MAX_VOICEPRINTS", "Enrolment"]

MAX_VOICEPRINTS = 100
"""Most voiceprints that one speaker holds."""

LONGEST_S = 1800.0
"""Longest recording that somebody is enrolled from, in seconds, unless it is said otherwise."""

_LARGEST_KEPT = 64 << 20  # bytes: it is encrypted in one piece
_NEEDED_S = 1.0  # of speech


@dataclass(frozen=True, kw_only=True, slots=True)
class _Heard:
    """What an enrolment adds: a voiceprint, and the row of the sample that it was made from."""

    voiceprint: Voiceprint
    sample: Mapping[str, Any] | None


class Enrolment(SpeakerPart):
    """Adds voices to the speakers of all tenants; every method sees only the caller's.

    Raises `Forbidden` without the scope; `NotFound` for an unknown speaker, for any that is not
    the caller's and for one that is erased meanwhile; `ConsentRequired` without a record of
    consent where the settings want one, and always when consent was withdrawn; `Conflict` when the
    speaker holds 100 voiceprints; and `IdempotencyConflict`.
    """

    def __init__(self, store: Store, analyst: Analyst) -> None:
        super().__init__(store)
        self._analyst = analyst
        self.reembed = Reembedding(store, analyst).reembed

    def enroll(
        self,
        caller: Caller,
        speaker_id: str,
        media: Media,
        *,
        consent: NewConsent | None = None,
        start: float | None = None,
        end: float | None = None,
        channels: str | Sequence[int] = "mix",
        several: Literal["refuse", "loudest"] = "refuse",
        needed_s: float | None = None,
        replace: bool = False,
        limit_s: float = LONGEST_S,
        idempotency: Idempotency | None = None,
    ) -> Enrolled:
        """Add the voice of the one person who speaks in a recording.

        From ``start`` to ``end`` (seconds) on ``channels``, with ``needed_s`` seconds of clean
        speech at least; where several people speak, "loudest" takes who speaks most. ``replace``
        removes what the speaker held before. A recording that is ``owned`` is deleted in any case.
        An encrypted copy is kept where the settings say so.

        Raises also `TooLittleSpeech`, `SeveralSpeakers`, `AudioError` and its like, `AudioTooLarge`
        for more than ``limit_s`` seconds, `MediaTooLarge`, and `Unavailable`.
        """
        caller.require(Scope.GALLERIES)
        try:
            known = self._begin(caller, speaker_id, consent, idempotency)
            if known is not None:
                return known
            options: dict[str, Any] = {"channels": channels, "several": several}
            options |= {"start": start, "end": end, "needed_s": needed_s or _NEEDED_S}
            with self._unless_erased(speaker_id):
                heard = self._listen(caller, speaker_id, media, options, limit_s)
                return self._add(caller, speaker_id, heard, consent, replace, idempotency)
        finally:
            if media.owned:
                discard_media(self._store, media)

    def enroll_voiceprint(
        self,
        caller: Caller,
        speaker_id: str,
        voiceprint: Voiceprint,
        *,
        consent: NewConsent | None = None,
        replace: bool = False,
        idempotency: Idempotency | None = None,
    ) -> Enrolled:
        """Add a voiceprint that was made before. Raises also `ForeignVoiceprint`."""
        caller.require(Scope.GALLERIES)
        require_model(voiceprint)
        known = self._begin(caller, speaker_id, consent, idempotency)
        if known is not None:
            return known
        heard = _Heard(voiceprint=voiceprint, sample=None)
        with self._unless_erased(speaker_id):
            return self._add(caller, speaker_id, heard, consent, replace, idempotency)

    @contextmanager
    def _unless_erased(self, speaker_id: str) -> Iterator[None]:
        """Leave no data key of somebody who was erased while something was sealed for them."""
        try:
            yield
        except NotFound:
            with self._store.database.read() as connection:
                row = speaker_rows.fetch(connection, speaker_id)
            if row is None or row["expires_at"] == 0:
                self._store.vault.forget(speaker_id)
            raise

    def _begin(
        self,
        caller: Caller,
        speaker_id: str,
        consent: NewConsent | None,
        idempotency: Idempotency | None,
    ) -> Enrolled | None:
        """Refuse what would be refused later; what an earlier request with the key has made."""
        with self._store.database.read() as connection:
            speaker = found_speaker(connection, caller, speaker_id)
            known = done_before(connection, caller.tenant_id, idempotency)
            if known is not None:
                return _enrolled(connection, speaker, known)
            check_consent(connection, self._store.settings, speaker, consent)
        return None

    def _listen(
        self,
        caller: Caller,
        speaker_id: str,
        media: Media,
        options: Mapping[str, Any],
        limit_s: float,
    ) -> _Heard:
        keep = self._store.settings.keep_enrolment_audio
        if keep and media.size > _LARGEST_KEPT:
            raise MediaTooLarge(
                f"The recording has {media.size} bytes, and {_LARGEST_KEPT} are kept of somebody:"
                " send a shorter one.",
                size=media.size,
                limit=_LARGEST_KEPT,
            )
        voiceprint, duration_s = listen_to(self._analyst, media, options, limit_s)
        sample: dict[str, Any] = {
            "id": str(uuid.uuid4()),
            "tenant_id": caller.tenant_id,
            "speaker_id": speaker_id,
            "name": media.name,
            "sha256": media.sha256,
            "duration_s": duration_s,
            "net_speech_s": voiceprint.net_speech_s,
            "quality": voiceprint.quality or Quality.POOR,
            "blob": None,
            "size": None,
            "options": dict(options),
        }
        if keep:
            audio = self._store.blobs.get(media.blob)
            sealed = self._store.vault.seal(speaker_id, audio, purpose=SAMPLE)
            sample |= {"blob": f"samples/{caller.tenant_id}/{sample['id']}", "size": len(audio)}
            # Before its row: if that does not come, what is left is swept, and means nothing.
            self._store.blobs.put(sample["blob"], sealed)
        return _Heard(voiceprint=voiceprint, sample=sample)

    def _add(
        self,
        caller: Caller,
        speaker_id: str,
        heard: _Heard,
        consent: NewConsent | None,
        replace: bool,
        idempotency: Idempotency | None,
    ) -> Enrolled:
        sealed = self._store.vault.seal(speaker_id, heard.voiceprint.to_bytes(), purpose=VOICEPRINT)
        voiceprint_id = str(uuid.uuid4())
        with self._store.database.write() as connection:
            # From here to the end the speaker cannot be erased; before, their row would be gone.
            speaker = found_speaker(connection, caller, speaker_id, lock=True)
            known = earlier(connection, caller.tenant_id, idempotency, voiceprint_id)
            if known is not None:
                return _enrolled(connection, speaker, known)
            check_consent(connection, self._store.settings, speaker, consent)
            given = None if consent is None else give_consent(connection, speaker, consent)
            blobs, replaced = _make_room(connection, speaker, replace)
            values = _row(speaker, voiceprint_id, heard, sealed)
            if heard.sample is not None:
                sample = {**heard.sample, "created_at": values["created_at"]}
                sample_rows.insert(connection, sample)
            rows.insert(connection, values)
            touch_speaker(connection, speaker)
            if given is not None:
                self._note(connection, caller, "consent.give", speaker_id, consent=given.id)
            self._note(
                connection,
                caller,
                "speaker.enrol",
                speaker_id,
                voiceprint=voiceprint_id,
                sample=values["sample_id"],
                consent=consent_rows.valid(connection, speaker_id),
                replaced=replaced,
            )
            enrolled = _enrolled(connection, speaker, voiceprint_id)
        self._store.blobs.delete(*blobs)
        return enrolled


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


def _row(speaker: Speaker, voiceprint_id: str, heard: _Heard, sealed: bytes) -> dict[str, Any]:
    return {
        "id": voiceprint_id,
        "tenant_id": speaker.tenant_id,
        "gallery_id": speaker.gallery_id,
        "speaker_id": speaker.id,
        "sample_id": None if heard.sample is None else heard.sample["id"],
        "model": heard.voiceprint.model,
        "net_speech_s": heard.voiceprint.net_speech_s,
        "quality": heard.voiceprint.quality,
        "sealed": sealed,
        "created_at": time.time(),
    }


def _enrolled(connection: sa.Connection, speaker: Speaker, voiceprint_id: str) -> Enrolled:
    """What an enrolment has made. Raises `NotFound` when it was deleted since."""
    row = rows.fetch(connection, voiceprint_id, speaker_id=speaker.id)
    if row is None:
        raise NotFound(f"There is no voiceprint {voiceprint_id!r}.")
    sample = None
    if row["sample_id"] is not None:
        sample = sample_rows.fetch(connection, row["sample_id"])
    current = speaker_rows.fetch(connection, speaker.id)
    assert current is not None
    return Enrolled(
        speaker=speaker_of(current),
        voiceprint=voiceprint_of(row),
        sample=None if sample is None else sample_of(sample),
    )
