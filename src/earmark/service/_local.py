"""A gallery on this machine, without a server: what `earmark.Gallery` is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from earmark.errors import AudioNotFound, Gone, InvalidOption, NotFound
from earmark.service._identification import Identification, identify_speakers
from earmark.service._live import GalleryRecognizer
from earmark.service._model import Caller, IdentifyOptions, JobOptions, Media, Scope
from earmark.service._people import Enrolled, Named, NewConsent, NewSpeaker, Receipt, Speaker
from earmark.service._reembedding import Reembedded
from earmark.service._service import Service
from earmark.settings import Settings, get_settings
from earmark.storage import disk_errors, private_file

if TYPE_CHECKING:
    from earmark.live import Recognizer

__all__ = ["LocalGallery"]

_PAGE = 100
_CHUNK = 1 << 20


class LocalGallery:
    """Speakers who are searched together, kept where a server on this machine keeps its own.

    ``name`` is the gallery's, in the tenant ``tenant``; both are made when they are not there and
    ``create`` says so. A server with the same settings sees the same speakers. Voiceprints are
    encrypted, every enrolment, search and erasure is noted in the audit log.

    Raises `NotFound` for a gallery that is not there, and what opening the storage raises.
    """

    def __init__(
        self,
        name: str,
        *,
        create: bool = True,
        tenant: str = "default",
        settings: Settings | None = None,
    ) -> None:
        settings = settings or get_settings()
        self._service = Service.open(settings)
        try:
            self._caller = Caller(
                tenant_id=self._service.tenants.ensure(tenant).id,
                key_id=None,
                scopes=frozenset({Scope.ADMIN}),
            )
            galleries = self._service.galleries
            if create:
                found = galleries.ensure(self._caller, dialect="native", key=name, name=name)
            else:
                found = galleries.by_key(self._caller, "native", name)
            now = time.time()  # what expires does so without a server too
            self._service.speakers.sweep(now)
            self._service.media.sweep(now)
        except BaseException:
            self._service.close()
            raise
        self.name, self._id = name, found.id

    def enroll(
        self,
        name: str,
        *recordings: str | PathLike[str],
        consent: str | NewConsent | None = None,
    ) -> tuple[Enrolled, ...]:
        """Add a person, or recordings to the person of that name: one voice in each recording.

        ``consent`` is what they agreed to (needed once, unless the setting ``consent`` is
        "record"). Nothing is added of a recording that is refused; those before it stay. Where
        several people have the name, an id takes its place.

        Raises `Conflict` for a name that several have, `ConsentRequired`, `TooLittleSpeech`,
        `SeveralSpeakers`, `AudioNotFound`, a kind of `AudioError`, and what storage raises.
        """
        if not recordings:
            raise InvalidOption("An enrolment needs a recording of the person: name one.")
        for recording in recordings:
            _existing(recording)
        told = NewConsent(subject=name, text=consent) if isinstance(consent, str) else consent
        first, *rest = recordings
        enrolled = self._enroll(name, first, told)
        more = (
            self._service.enrolment.enroll(self._caller, enrolled.speaker.id, self._media(each))
            for each in rest
        )
        return (enrolled, *more)

    def search(
        self, recording: str | PathLike[str], *, false_accept_rate: float = 0.01, k: int = 5
    ) -> Named:
        """Whose voice that is: the one voice in a recording, among the speakers of the gallery.

        A stranger is taken for one of them with the probability ``false_accept_rate`` at most.
        Raises as `enroll`.
        """
        with self._heard(recording) as media:
            voice = self._service.analyst.voice(media)
        return self._service.search.search(
            self._caller, (self._id,), voice, k=k, false_accept_rate=false_accept_rate
        )

    def identify(
        self,
        recording: str | PathLike[str],
        *,
        options: JobOptions | None = None,
        false_accept_rate: float = 0.01,
        exclusive: bool = True,
    ) -> Identification:
        """Who speaks when in a recording, and who of the gallery that is.

        Raises `AudioNotFound`, a kind of `AudioError`, and what storage raises.
        """
        asked = IdentifyOptions(
            galleries=(self._id,), exclusive=exclusive, false_accept_rate=false_accept_rate
        )
        wanted = replace(options or JobOptions(), voiceprints=True)
        with self._heard(recording) as media:
            found = self._service.analyst.listen(media, options=wanted)
        return identify_speakers(self._service.search, self._caller, found, asked)

    def recognizer(self, *, false_accept_rate: float = 0.01) -> Recognizer:
        """Names the speakers of a `LiveSession` that are in the gallery, while this is open.

        A stranger is taken for one of them with the probability ``false_accept_rate`` at most.
        """
        asked = IdentifyOptions(galleries=(self._id,), false_accept_rate=false_accept_rate)
        self._service.search.prepare(self._caller, asked)
        return GalleryRecognizer(self._service.search, self._caller, asked)

    def speakers(self) -> tuple[Speaker, ...]:
        """Everybody in the gallery, the newest first."""
        found: list[Speaker] = []
        cursor = None
        while True:
            page = self._service.speakers.list(self._caller, self._id, limit=_PAGE, cursor=cursor)
            found += page.items
            if page.cursor is None:
                return tuple(found)
            cursor = page.cursor

    def speaker(self, name: str) -> Speaker:
        """The person of that name, or of that id.

        Raises `NotFound`, and `Conflict` when several have the name.
        """
        speakers = self._service.speakers
        try:
            return speakers.by_name(self._caller, self._id, name)
        except NotFound:
            return speakers.get(self._caller, name, gallery_id=self._id)

    def erase(self, name: str) -> Receipt:
        """Erase a person for good; the signed receipt tells what was. Raises `NotFound`."""
        return self._service.speakers.erase(self._caller, self.speaker(name).id)

    def export(self, name: str, *, audio: str | PathLike[str] | None = None) -> dict[str, Any]:
        """All that is held of a person, as JSON, voiceprints included. Raises as `speaker`.

        With ``audio``, a folder, the enrolment audio that is kept is written there, as files which
        the samples name.
        """
        folder = None if audio is None else Path(audio)

        def write(_: str, sample_id: str) -> str | None:
            try:
                data = self._service.speakers.sample_audio(self._caller, sample_id)
            except (Gone, NotFound):  # nobody can read it any more
                return None
            assert folder is not None
            file = private_file(folder / sample_id)
            with disk_errors(f"The file {file}"):
                file.write_bytes(data)
            return sample_id

        speaker_id, speakers = self.speaker(name).id, self._service.speakers
        if folder is None:
            return speakers.export(self._caller, speaker_id)
        return speakers.export(self._caller, speaker_id, audio=write)

    def reembed(self) -> Reembedded:
        """Make voiceprints of an earlier model again, from enrolment audio that was kept."""
        return self._service.enrolment.reembed(self._caller, gallery_id=self._id)

    def close(self) -> None:
        """Let go of the storage and of the process that analyses."""
        self._service.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _enroll(
        self, name: str, recording: str | PathLike[str], consent: NewConsent | None
    ) -> Enrolled:
        """Add a recording to the person of that name, or the person with it."""
        enrolment = self._service.enrolment
        try:
            known = self.speaker(name)
        except NotFound:
            new = NewSpeaker(gallery_id=self._id, name=name)
            return enrolment.enroll_new(self._caller, new, self._media(recording), consent=consent)
        return enrolment.enroll(self._caller, known.id, self._media(recording), consent=consent)

    @contextmanager
    def _heard(self, recording: str | PathLike[str]) -> Iterator[Media]:
        """The recording, which is deleted afterwards."""
        media = self._media(recording)
        with self._service.media.for_request(media):
            yield media

    def _media(self, recording: str | PathLike[str]) -> Media:
        """The recording as the engine takes it, to be deleted once it has been heard."""
        path = _existing(recording)
        with (
            path.open("rb") as file,
            self._service.media.writer(
                self._caller, dialect="native", name=path.name, owned=True, at_once=True
            ) as writer,
        ):
            while chunk := file.read(_CHUNK):
                writer.write(chunk)
            return writer.commit()


def _existing(recording: str | PathLike[str]) -> Path:
    path = Path(recording)
    if not path.is_file():
        raise AudioNotFound(f"There is no file {str(path)!r}: check its name.")
    return path
