"""Voiceprints made again from kept samples, when the default model is another one."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from earmark.errors import AudioError, AudioTooLarge, Gone, JobPoisoned, NotFound, SpeechError
from earmark.service._analyst import Analyst
from earmark.service._consents import touch_speaker
from earmark.service._listening import listen_to
from earmark.service._media import add_media, discard_media
from earmark.service._model import Caller, Media, Scope
from earmark.service._speaker_part import SpeakerPart, found_speaker
from earmark.service._speaker_voiceprints import SAMPLE, VOICEPRINT
from earmark.service._store import Store
from earmark.storage import samples as sample_rows
from earmark.storage import voiceprints as rows
from earmark.voiceprints import DEFAULT_MODEL, Voiceprint

__all__ = ["Reembedded", "Reembedding"]

_PLAIN_S = 3600.0  # a recording in the clear is swept after this, should the process end


@dataclass(frozen=True, kw_only=True, slots=True)
class Reembedded:
    """What making voiceprints again came to.

    ``voiceprints`` were made again, of ``speakers`` people. The people in ``without_audio`` hold
    voiceprints of another model and not all of the samples for them, those in ``failed`` samples
    of which no voiceprint can be made any more: both stay as they are, are not found by what is
    missing, and have to be enrolled anew.
    """

    speakers: int
    voiceprints: int
    without_audio: tuple[str, ...]
    failed: tuple[str, ...]


class Reembedding(SpeakerPart):
    """Makes the voiceprints of other models again."""

    def __init__(self, store: Store, analyst: Analyst) -> None:
        super().__init__(store)
        self._analyst = analyst

    def reembed(
        self,
        caller: Caller,
        *,
        gallery_id: str | None = None,
        on_progress: Callable[[int, int], None] = lambda *_: None,
    ) -> Reembedded:
        """Make the voiceprints of another model than the default one again, of whoever has any.

        Of each person what can be made is replaced at once, in one transaction. ``on_progress``
        hears how many people are done, of how many. Again does what is left, so that it may be
        broken off. Raises `Unavailable` when the engine or the database cannot be had.
        """
        caller.require(Scope.GALLERIES)
        with self._store.database.read() as connection:
            ids = rows.of_other_models(connection, caller.tenant_id, DEFAULT_MODEL, gallery_id)
        renewed, made, silent, failed = 0, 0, [], []
        for done, speaker_id in enumerate(ids, 1):
            try:
                old, count = self._renew(caller, speaker_id)
            except NotFound:  # erased, or expired
                continue
            except (AudioError, AudioTooLarge, Gone, JobPoisoned, SpeechError):
                failed.append(speaker_id)
            else:
                made, renewed = made + count, renewed + (count > 0)
                if old:
                    silent.append(speaker_id)
            on_progress(done, len(ids))
        return Reembedded(
            speakers=renewed,
            voiceprints=made,
            without_audio=tuple(silent),
            failed=tuple(failed),
        )

    def _renew(self, caller: Caller, speaker_id: str) -> tuple[int, int]:
        """How many voiceprints of one person had to stay, and how many were made again."""
        with self._store.database.read() as connection:
            found_speaker(connection, caller, speaker_id)
            held = rows.of_speakers(connection, [speaker_id])
            samples = {row["id"]: row for row in sample_rows.of_speakers(connection, [speaker_id])}
        old = [row for row in held if row["model"] != DEFAULT_MODEL]
        kept = [row for row in old if row["sample_id"] in samples]
        kept = [row for row in kept if samples[row["sample_id"]]["blob"] is not None]
        made = [(row, self._listen(samples[row["sample_id"]])) for row in kept]
        if made:
            self._replace(caller, speaker_id, made)
        return len(old) - len(made), len(made)

    def _listen(self, sample: sa.RowMapping) -> Voiceprint:
        with self._in_the_clear(sample) as media:
            voiceprint, _ = listen_to(self._analyst, media, sample["options"], None)
        return voiceprint

    def _replace(
        self, caller: Caller, speaker_id: str, made: Sequence[tuple[sa.RowMapping, Voiceprint]]
    ) -> None:
        sealed = [
            self._store.vault.seal(speaker_id, voiceprint.to_bytes(), purpose=VOICEPRINT)
            for _, voiceprint in made
        ]
        with self._store.database.write() as connection:
            speaker = found_speaker(connection, caller, speaker_id, lock=True)
            for (row, voiceprint), data in zip(made, sealed, strict=True):
                told = {"net_speech_s": voiceprint.net_speech_s, "quality": voiceprint.quality}
                values = {**told, "model": voiceprint.model, "sealed": data}
                # One that was deleted, or split off, meanwhile is left alone.
                rows.update(connection, row["id"], values, speaker_id=speaker_id)
            touch_speaker(connection, speaker)
            ids = [row["id"] for row, _ in made]
            self._note(connection, caller, "speaker.reembed", speaker_id, voiceprints=ids)

    @contextmanager
    def _in_the_clear(self, sample: sa.RowMapping) -> Iterator[Media]:
        """A kept sample as a recording that the engine can read, and that is deleted after."""
        sealed = self._store.blobs.get(sample["blob"])
        audio = self._store.vault.open(sample["speaker_id"], sealed, purpose=SAMPLE)
        media_id, now = str(uuid.uuid4()), time.time()
        media = Media(
            id=media_id,
            tenant_id=sample["tenant_id"],
            dialect="native",
            key=None,
            name=None,
            blob=f"media/{sample['tenant_id']}/{media_id}",
            size=len(audio),
            sha256=sample["sha256"],
            owned=True,
            created_at=now,
            expires_at=now + _PLAIN_S,
        )
        with self._store.database.write() as connection:
            add_media(connection, media)
        try:
            self._store.blobs.put(media.blob, audio)
            yield media
        finally:
            discard_media(self._store, media)
