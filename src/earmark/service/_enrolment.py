"""Enrolment: from a recording, or a voiceprint that was made before, to a speaker who is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from typing import Literal

from earmark.errors import Conflict, NotFound
from earmark.service._analyst import Analyst
from earmark.service._enrolling import Enrolling, Heard, Terms
from earmark.service._media import discard_media
from earmark.service._model import Caller, Idempotency, Media, Scope
from earmark.service._people import Enrolled, NewConsent, NewSpeaker
from earmark.service._reembedding import Reembedded, Reembedding
from earmark.service._speaker_part import keyed_speaker
from earmark.service._store import Store
from earmark.voiceprints import Voiceprint, require_model

__all__ = ["LONGEST_S", "Enrolment"]

LONGEST_S = 1800.0
"""Longest recording that somebody is enrolled from, in seconds, unless it is said otherwise."""

_NEEDED_S = 1.0  # of speech


class Enrolment(Enrolling):
    """Adds voices to the speakers of all tenants; every method sees only the caller's.

    Raises `Forbidden` without the scope; `NotFound` for an unknown speaker, for any that is not
    the caller's and for one that is erased meanwhile; `ConsentRequired` without a record of
    consent where the settings want one, and always when consent was withdrawn; `Conflict` when the
    speaker holds 100 voiceprints; `IdempotencyConflict`, and `NotFound` when what the same request
    has enrolled before was deleted since.
    """

    def __init__(self, store: Store, analyst: Analyst) -> None:
        super().__init__(store, analyst)
        self._reembedding = Reembedding(store, analyst)

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
        terms = Terms(consent=consent, idempotency=idempotency, replace=replace)
        with self._heard(media, start, end, channels, several, needed_s, limit_s) as hear:
            return self._enroll(caller, speaker_id, hear, terms)

    def enroll_voiceprint(
        self,
        caller: Caller,
        speaker_id: str,
        voiceprint: Voiceprint,
        *,
        consent: NewConsent | None = None,
        replace: bool = False,
        renew: bool = False,
        idempotency: Idempotency | None = None,
    ) -> Enrolled:
        """Add a voiceprint that was made before.

        With ``renew`` the speaker expires as if enrolled now, unless a time was fixed for them.
        Raises also `ForeignVoiceprint`.
        """
        require_model(voiceprint)
        terms = Terms(consent=consent, idempotency=idempotency, replace=replace, renew=renew)
        return self._enroll(caller, speaker_id, lambda: Heard(voiceprint=voiceprint), terms)

    def enroll_new(
        self,
        caller: Caller,
        new: NewSpeaker,
        voice: Media | Voiceprint,
        *,
        consent: NewConsent | None = None,
        start: float | None = None,
        end: float | None = None,
        channels: str | Sequence[int] = "mix",
        several: Literal["refuse", "loudest"] = "refuse",
        needed_s: float | None = None,
        limit_s: float = LONGEST_S,
        idempotency: Idempotency | None = None,
    ) -> Enrolled:
        """Add somebody to a gallery together with their voice, both or neither.

        The voice is a voiceprint, or that of the one person who speaks in a recording, listened to
        as `enroll` has it. Raises as `enroll` and `enroll_voiceprint`, `NotFound` for the gallery,
        `Conflict` when the key or the id is taken, and `InvalidOption`.
        """
        caller.require(Scope.GALLERIES)
        terms = Terms(consent=consent, idempotency=idempotency)
        with self._heard(voice, start, end, channels, several, needed_s, limit_s) as hear:
            return self._enroll(caller, self._prepared(caller, new), hear, terms)

    def enroll_keyed(
        self,
        caller: Caller,
        new: NewSpeaker,
        voice: Media | Voiceprint,
        *,
        consent: NewConsent | None = None,
        needed_s: float | None = None,
        limit_s: float = LONGEST_S,
    ) -> Enrolled:
        """Add a voice to the gallery's speaker with this key; with `enroll_new` if there is none.

        Raises as both.
        """
        caller.require(Scope.GALLERIES)
        terms = Terms(consent=consent, idempotency=None)
        with self._heard(voice, None, None, "mix", "refuse", needed_s, limit_s) as hear:
            once = cache(hear)
            with suppress(NotFound):
                return self._enroll(caller, self._keyed(caller, new), once, terms)
            try:
                return self._enroll(caller, self._prepared(caller, new), once, terms)
            except Conflict:  # a rival was first
                return self._enroll(caller, self._keyed(caller, new), once, terms)

    def reembed(
        self,
        caller: Caller,
        *,
        gallery_id: str | None = None,
        on_progress: Callable[[int, int], None] = lambda *_: None,
    ) -> Reembedded:
        """Make voiceprints of another model again: see `Reembedding.reembed`."""
        return self._reembedding.reembed(caller, gallery_id=gallery_id, on_progress=on_progress)

    @contextmanager
    def _heard(
        self,
        voice: Media | Voiceprint,
        start: float | None,
        end: float | None,
        channels: str | Sequence[int],
        several: str,
        needed_s: float | None,
        limit_s: float,
    ) -> Iterator[Callable[[], Heard]]:
        """To take a voiceprint, or listen to a recording; one that is ``owned`` is deleted then."""
        if isinstance(voice, Voiceprint):
            require_model(voice)
            yield lambda: Heard(voiceprint=voice)
            return
        options = {
            "channels": channels,
            "several": several,
            "start": start,
            "end": end,
            "needed_s": needed_s or _NEEDED_S,
        }
        try:
            yield partial(self._listen, voice, options, limit_s)
        finally:
            if voice.owned:
                discard_media(self._store, voice)

    def _keyed(self, caller: Caller, new: NewSpeaker) -> str:
        with self._store.database.read() as connection:
            return keyed_speaker(connection, caller, new.gallery_id, new.key or "").id
