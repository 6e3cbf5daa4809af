"""What speakers hold: voiceprints, and the samples that those were made from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from earmark.errors import Gone, NotFound
from earmark.service._consents import touch_speaker
from earmark.service._model import Caller, Scope
from earmark.service._people import Sample, Speaker, StoredVoiceprint
from earmark.service._people_rows import sample_of, voiceprint_of
from earmark.service._speaker_part import SpeakerPart, found_speaker
from earmark.service._store import Store
from earmark.storage import samples as sample_rows
from earmark.storage import voiceprints as rows
from earmark.voiceprints import DEFAULT_MODEL, Quality, Voiceprint

__all__ = ["SAMPLE", "VOICEPRINT", "Held", "SpeakerVoiceprints", "opened", "remove_voiceprints"]

VOICEPRINT = "voiceprint"
SAMPLE = "sample"
"""What a speaker's data key seals."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """What a speaker holds in all.

    ``speech_s`` is the clear speech behind the voiceprints that are compared: those of an earlier
    model are not, until they are made again. ``duration_s`` is of all samples, ``quality`` the
    best one's. Seconds.
    """

    speech_s: float
    duration_s: float
    quality: Quality


class SpeakerVoiceprints(SpeakerPart):
    """What speakers hold; a sample and the voiceprint that was made from it go together."""

    def voiceprints(self, caller: Caller, speaker_id: str) -> tuple[StoredVoiceprint, ...]:
        """A speaker's own voiceprints, without the vectors, oldest first. Raises `NotFound`."""
        caller.require(Scope.GALLERIES)
        with self._store.database.read() as connection:
            found_speaker(connection, caller, speaker_id)
            return tuple(map(voiceprint_of, rows.of_speakers(connection, [speaker_id])))

    def held(self, caller: Caller, speaker_ids: Collection[str]) -> dict[str, Held]:
        """What each of these speakers holds, by their ids; who holds no voiceprint is left out."""
        caller.require(Scope.GALLERIES)
        grades = list(Quality)
        with self._store.database.read() as connection:
            found = rows.summaries(
                connection, caller.tenant_id, speaker_ids, model=DEFAULT_MODEL, grades=grades
            )
        return {
            row["speaker_id"]: Held(
                speech_s=row["speech_s"],
                duration_s=row["duration_s"] or 0.0,
                quality=grades[row["grade"] or 0],
            )
            for row in found
        }

    def open_voiceprints(
        self, caller: Caller, speaker_id: str
    ) -> tuple[tuple[StoredVoiceprint, Voiceprint], ...]:
        """Each with its vector; it is noted as an export.

        Raises `NotFound`, and `Gone` when the data key is no more.
        """
        caller.require(Scope.GALLERIES)
        with self._store.database.write() as connection:
            found_speaker(connection, caller, speaker_id)
            found = rows.of_speakers(connection, [speaker_id])
            ids = [row["id"] for row in found]
            self._note(connection, caller, "speaker.export", speaker_id, voiceprints=ids)
        return tuple(zip(map(voiceprint_of, found), opened(self._store, found), strict=True))

    def samples(self, caller: Caller, speaker_id: str) -> tuple[Sample, ...]:
        """The recordings that a speaker was enrolled from, oldest first. Raises `NotFound`."""
        caller.require(Scope.GALLERIES)
        with self._store.database.read() as connection:
            found_speaker(connection, caller, speaker_id)
            return tuple(map(sample_of, sample_rows.of_speakers(connection, [speaker_id])))

    def sample_audio(
        self, caller: Caller, sample_id: str, *, speaker_id: str | None = None
    ) -> bytes:
        """A sample's audio, as it came; it is noted as an export.

        Raises `NotFound`, also when the sample is not this speaker's, and `Gone` when the audio is
        not kept.
        """
        caller.require(Scope.GALLERIES)
        with self._store.database.write() as connection:
            row = _sample(connection, caller, sample_id, speaker_id)
            if row["blob"] is None:
                raise Gone(
                    f"The audio of the sample {sample_id!r} is not kept: it is only when"
                    " EARMARK_KEEP_ENROLMENT_AUDIO is set before somebody is enrolled."
                )
            owner = row["speaker_id"]
            self._note(connection, caller, "speaker.export", owner, samples=[sample_id])
        return self._store.vault.open(owner, self._store.blobs.get(row["blob"]), purpose=SAMPLE)

    def delete_sample(
        self, caller: Caller, sample_id: str, *, speaker_id: str | None = None
    ) -> None:
        """Delete a sample and the voiceprint that was made from it. Raises `NotFound`."""
        caller.require(Scope.GALLERIES)
        with self._store.database.write() as connection:
            row = _sample(connection, caller, sample_id, speaker_id)
            speaker = found_speaker(connection, caller, row["speaker_id"], lock=True)
            made = rows.of_speakers(connection, [speaker.id])
            ids = [each["id"] for each in made if each["sample_id"] == sample_id]
            blobs = self._remove(connection, caller, speaker, ids, [sample_id])
        self._store.blobs.delete(*blobs)

    def delete_voiceprint(
        self, caller: Caller, voiceprint_id: str, *, speaker_id: str | None = None
    ) -> None:
        """Delete a voiceprint and the sample that it was made from. Raises `NotFound`."""
        caller.require(Scope.GALLERIES)
        with self._store.database.write() as connection:
            row = rows.fetch(connection, voiceprint_id, tenant_id=caller.tenant_id)
            if row is None or speaker_id not in (None, row["speaker_id"]):
                raise NotFound(f"There is no voiceprint {voiceprint_id!r}.")
            speaker = found_speaker(connection, caller, row["speaker_id"], lock=True)
            samples = [] if row["sample_id"] is None else [row["sample_id"]]
            blobs = self._remove(connection, caller, speaker, [voiceprint_id], samples)
        self._store.blobs.delete(*blobs)

    def _remove(
        self,
        connection: sa.Connection,
        caller: Caller,
        speaker: Speaker,
        voiceprint_ids: Collection[str],
        sample_ids: Collection[str],
    ) -> list[str]:
        blobs = remove_voiceprints(connection, speaker, voiceprint_ids, sample_ids)
        what: Mapping[str, list[str]] = {
            "voiceprints": sorted(voiceprint_ids),
            "samples": sorted(sample_ids),
        }
        self._note(connection, caller, "voiceprint.delete", speaker.id, **what)
        return blobs


def remove_voiceprints(
    connection: sa.Connection,
    speaker: Speaker,
    voiceprint_ids: Collection[str],
    sample_ids: Collection[str],
) -> list[str]:
    """Delete what a speaker holds; the blobs that are to go once the transaction is over."""
    samples = sample_rows.of_speakers(connection, [speaker.id])
    blobs = [row["blob"] for row in samples if row["id"] in sample_ids and row["blob"]]
    rows.delete(connection, ids=voiceprint_ids)
    sample_rows.delete(connection, sample_ids)
    touch_speaker(connection, speaker)
    return blobs


def opened(store: Store, found: Collection[sa.RowMapping]) -> tuple[Voiceprint, ...]:
    """The voiceprints in these rows. Raises `Gone` when a data key is no more."""
    return tuple(
        Voiceprint.from_bytes(
            store.vault.open(row["speaker_id"], row["sealed"], purpose=VOICEPRINT)
        )
        for row in found
    )


def _sample(
    connection: sa.Connection, caller: Caller, sample_id: str, speaker_id: str | None
) -> sa.RowMapping:
    row = sample_rows.fetch(connection, sample_id, tenant_id=caller.tenant_id)
    if row is None or speaker_id not in (None, row["speaker_id"]):
        raise NotFound(f"There is no sample {sample_id!r}.")
    found_speaker(connection, caller, row["speaker_id"])
    return row
