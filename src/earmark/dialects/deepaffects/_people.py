"""The speakers of a tenant's one gallery here, by their ``speakerId``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from earmark.dialects.deepaffects._names import NAME, SPEAKERS
from earmark.dialects.deepaffects._render import COMPLETE_S, Enrollment
from earmark.errors import EarmarkError, InvalidInput, NotFound
from earmark.service import Caller, Gallery, NewSpeaker, Service, Speaker

__all__ = ["People"]

_AT_ONCE = 100


class People:
    """The speakers of the caller's tenant.

    One whose every voiceprint was deleted is as if not there.
    """

    def __init__(self, service: Service, caller: Caller) -> None:
        self._service, self._caller = service, caller

    def new(self, speaker_id: str) -> NewSpeaker:
        """Somebody of this id, who is to be in the gallery."""
        gallery = self._service.galleries.ensure(
            self._caller, dialect=NAME, key=SPEAKERS, name="DeepAffects"
        )
        return NewSpeaker(gallery_id=gallery.id, key=speaker_id, name=speaker_id)

    def erase(self, speaker_id: str) -> bool:
        """Erase a speaker; whether there was one."""
        try:
            self._service.speakers.erase(self._caller, self._find(speaker_id).id)
        except NotFound:
            return False
        return True

    def get(self, speaker_id: str) -> tuple[Speaker, Enrollment]:
        """One speaker. Raises `NotFound`."""
        speaker = self._find(speaker_id)
        enrollment = self.enrollment(speaker)
        if enrollment is None:
            raise _not_enrolled(speaker_id)
        return speaker, enrollment

    def all(self) -> Iterator[Enrollment]:
        """Everybody who has been enrolled at least in part, newest first."""
        try:
            gallery = self._gallery()
        except NotFound:
            return
        cursor = None
        while True:
            page = self._service.speakers.list(
                self._caller, gallery.id, limit=_AT_ONCE, cursor=cursor
            )
            yield from self._enrollments(page.items)
            if (cursor := page.cursor) is None:
                return

    def wanted(
        self, speaker_ids: Iterable[str], *, incomplete: type[EarmarkError] = InvalidInput
    ) -> tuple[str, dict[str, str]]:
        """The gallery's id, and id -> ``speakerId`` of those who are to be looked for.

        Raises `InvalidInput` for one who is not enrolled, ``incomplete`` for one who is not
        completely.
        """
        found: dict[str, str] = {}
        for speaker_id in speaker_ids:
            try:
                speaker, enrollment = self.get(speaker_id)
            except NotFound as error:
                raise InvalidInput(f"Error in identify: {error}") from error
            if not enrollment.complete:
                raise incomplete(
                    f"Error in identify: the enrollment of speakerId {speaker_id!r} is not"
                    f" complete, {enrollment.speech_s:.1f} of {COMPLETE_S:g} s of speech are"
                    " there: enroll more."
                )
            found[speaker.merged_into or speaker.id] = speaker_id
        return self._gallery().id, found

    def enrollment(self, speaker: Speaker) -> Enrollment | None:
        """How far this speaker is enrolled; None without any voiceprint."""
        return next(iter(self._enrollments([speaker])), None)

    def _enrollments(self, speakers: Sequence[Speaker]) -> list[Enrollment]:
        """Of those who hold a voiceprint."""
        held = self._service.speakers.held(self._caller, [each.id for each in speakers])
        return [
            Enrollment(
                speaker_id=each.key or each.name,
                speech_s=held[each.id].speech_s,
                duration_s=held[each.id].duration_s,
                quality=held[each.id].quality.value,
            )
            for each in speakers
            if each.id in held
        ]

    def _find(self, speaker_id: str) -> Speaker:
        try:
            return self._service.speakers.by_key(self._caller, self._gallery().id, speaker_id)
        except NotFound as error:
            raise _not_enrolled(speaker_id) from error

    def _gallery(self) -> Gallery:
        return self._service.galleries.by_key(self._caller, NAME, SPEAKERS)


def _not_enrolled(speaker_id: str) -> NotFound:
    return NotFound(f"speakerId {speaker_id!r} is not enrolled.")
