"""Consents: given, withdrawn, and asked for before anybody is enrolled."""

from __future__ import annotations

import math
import time
import uuid

import sqlalchemy as sa

from earmark.errors import ConsentRequired, InvalidOption
from earmark.service._idempotency import earlier
from earmark.service._model import Caller, Idempotency, Scope
from earmark.service._people import Consent, NewConsent, Speaker
from earmark.service._people_rows import consent_of
from earmark.service._speaker_part import SpeakerPart, found_speaker
from earmark.service._text import checked_name, checked_text
from earmark.settings import Settings
from earmark.storage import consents as rows
from earmark.storage import galleries as gallery_rows
from earmark.storage import speakers as speaker_rows

__all__ = ["SpeakerConsents", "check_consent", "give_consent", "standing_consent"]

_STANDING = "standing"
_LONGEST_TEXT = 10_000
_LONGEST_PURPOSE = 1024
_LONGEST_METHOD = 64
_AHEAD_S = 300.0  # as far as the clocks of others may be ahead of ours


def standing_consent(settings: Settings, subject: str) -> NewConsent | None:
    """The operator's standing consent for somebody, for dialects that cannot carry one.

    None when the operator has declared none.
    """
    if settings.standing_consent is None:
        return None
    return NewConsent(subject=subject, text=settings.standing_consent, method=_STANDING)


class SpeakerConsents(SpeakerPart):
    """What speakers have agreed to."""

    def consents(self, caller: Caller, speaker_id: str) -> tuple[Consent, ...]:
        """All records, those withdrawn too, oldest first. Raises `NotFound`."""
        caller.require(Scope.GALLERIES)
        with self._store.database.read() as connection:
            found_speaker(connection, caller, speaker_id)
            return tuple(map(consent_of, rows.of_speakers(connection, [speaker_id])))

    def add_consent(
        self,
        caller: Caller,
        speaker_id: str,
        consent: NewConsent,
        *,
        idempotency: Idempotency | None = None,
    ) -> Consent:
        """Record consent; who had withdrawn theirs is matched again.

        A standing consent does not undo a withdrawal. Raises `NotFound`, `InvalidOption` for what
        cannot be a record, `ConsentRequired`, and `IdempotencyConflict`.
        """
        caller.require(Scope.GALLERIES)
        consent_id = str(uuid.uuid4())
        with self._store.database.write() as connection:
            speaker = found_speaker(connection, caller, speaker_id, lock=True)
            known = earlier(connection, caller.tenant_id, idempotency, consent_id)
            if known is not None:
                found = map(consent_of, rows.of_speakers(connection, [speaker_id]))
                return next(each for each in found if each.id == known)
            given = give_consent(connection, speaker, consent, consent_id)
            self._note(connection, caller, "consent.give", speaker_id, consent=given.id)
        return given

    def withdraw(self, caller: Caller, speaker_id: str) -> Speaker:
        """Match nobody with a speaker from now on. What is kept of them stays, until erased.

        Again is no error. Raises `NotFound`.
        """
        caller.require(Scope.GALLERIES)
        now = time.time()
        with self._store.database.write() as connection:
            speaker = found_speaker(connection, caller, speaker_id, lock=True)
            if speaker.withdrawn_at is None:
                withdrawn = rows.withdraw(connection, speaker_id, now)
                values = {"withdrawn_at": now, "updated_at": now}
                speaker_rows.update(connection, speaker_id, values)
                touch_speaker(connection, speaker)
                consents = sorted(withdrawn)
                self._note(connection, caller, "consent.withdraw", speaker_id, consents=consents)
            return found_speaker(connection, caller, speaker_id)


def check_consent(
    connection: sa.Connection,
    settings: Settings,
    speaker: Speaker | None,
    consent: NewConsent | None,
) -> None:
    """Raise `ConsentRequired` unless this speaker may be enrolled, with this consent or without.

    None is somebody who is not there yet.
    """
    if speaker is not None:
        _check_withdrawal(speaker, consent)
    if consent is not None or settings.consent != "strict":
        return
    if speaker is None or rows.valid(connection, speaker.id) is None:
        raise ConsentRequired(
            "There is no record of this speaker's consent: send one (who consented, to what text,"
            " for what purpose), or set EARMARK_CONSENT=record to enrol without."
        )


def _check_withdrawal(speaker: Speaker, consent: NewConsent | None) -> None:
    """What somebody has withdrawn stands above what is declared for everybody."""
    if speaker.withdrawn_at is None or (consent is not None and consent.method != _STANDING):
        return
    raise ConsentRequired(
        "This speaker has withdrawn their consent: nobody is enrolled against it; send a new"
        " record of consent, their own."
    )


def give_consent(
    connection: sa.Connection,
    speaker: Speaker,
    consent: NewConsent,
    consent_id: str | None = None,
) -> Consent:
    """Add a record, in a transaction that has locked the speaker.

    Raises `InvalidOption`, and `ConsentRequired` for a standing one after a withdrawal.
    """
    _check_withdrawal(speaker, consent)
    now = time.time()
    given_at = now if consent.given_at is None else consent.given_at
    if not math.isfinite(given_at) or not 0 <= given_at <= now + _AHEAD_S:
        raise InvalidOption("Consent is given at a time that has come: correct the time.")
    values = {
        "id": consent_id or str(uuid.uuid4()),
        "tenant_id": speaker.tenant_id,
        "speaker_id": speaker.id,
        "subject": checked_name(consent.subject, "The name of who consented"),
        "text": checked_text(consent.text, "A text of consent", longest=_LONGEST_TEXT),
        "purpose": checked_text(consent.purpose, "A purpose", longest=_LONGEST_PURPOSE),
        "method": checked_text(consent.method, "A method of consent", longest=_LONGEST_METHOD),
        "given_at": given_at,
        "withdrawn_at": None,
        "created_at": now,
    }
    rows.insert(connection, values)
    if speaker.withdrawn_at is not None:
        speaker_rows.update(connection, speaker.id, {"withdrawn_at": None, "updated_at": now})
        touch_speaker(connection, speaker)
    del values["tenant_id"]
    return Consent(**values)  # type: ignore[arg-type]


def touch_speaker(connection: sa.Connection, speaker: Speaker) -> None:
    """Have every index look again at a speaker, and at whom they are merged into."""
    changed = {speaker.id, speaker.merged_into or speaker.id}
    gallery_rows.touch(connection, speaker.gallery_id, changed)
