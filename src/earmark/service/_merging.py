"""Two records that are one person, and one record that is two people; both can be taken back."""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from earmark.errors import Conflict, Gone, InvalidOption, NotFound
from earmark.service._consents import touch_speaker
from earmark.service._idempotency import done_before, earlier
from earmark.service._model import Caller, Idempotency, Scope
from earmark.service._people import Speaker
from earmark.service._speaker_part import SpeakerPart, found_speaker
from earmark.service._speaker_voiceprints import SAMPLE, VOICEPRINT
from earmark.service._text import checked_name
from earmark.storage import consents as consent_rows
from earmark.storage import galleries as gallery_rows
from earmark.storage import samples as sample_rows
from earmark.storage import speakers as rows
from earmark.storage import voiceprints as voiceprint_rows

__all__ = ["SpeakerMerging"]


class SpeakerMerging(SpeakerPart):
    """Merges, and splits off what belongs to somebody else."""

    def merge(
        self,
        caller: Caller,
        speaker_id: str,
        into_id: str,
        *,
        idempotency: Idempotency | None = None,
    ) -> Speaker:
        """Have a speaker's voiceprints count for another of the same gallery, until `unmerge`.

        Each keeps their own consent: withdrawn, it takes away what it was given for. To be erased
        is to be erased with all who are merged into one. Again is no error.

        Raises `NotFound`, `InvalidOption` for oneself or another gallery's, `Conflict` when either
        is merged otherwise, and `IdempotencyConflict`. Returns the one that was merged.
        """
        caller.require(Scope.GALLERIES)
        with self._store.database.write() as connection:
            family = rows.family(connection, [speaker_id, into_id], lock=True)
            speaker = found_speaker(connection, caller, speaker_id)
            into = found_speaker(connection, caller, into_id, gallery_id=speaker.gallery_id)
            known = earlier(connection, caller.tenant_id, idempotency, speaker_id)
            if known is not None or speaker.merged_into == into_id:
                return speaker
            _check_merge(speaker, into, family)
            values = {"merged_into": into_id, "updated_at": time.time()}
            rows.update(connection, speaker_id, values)
            gallery_rows.touch(connection, speaker.gallery_id, [speaker_id, into_id])
            self._note(connection, caller, "speaker.merge", speaker_id, into=into_id)
            return found_speaker(connection, caller, speaker_id)

    def unmerge(
        self, caller: Caller, speaker_id: str, *, idempotency: Idempotency | None = None
    ) -> Speaker:
        """Have a speaker's voiceprints count for themselves again. Again is no error.

        Raises `NotFound`, and `IdempotencyConflict`.
        """
        caller.require(Scope.GALLERIES)
        with self._store.database.write() as connection:
            speaker = found_speaker(connection, caller, speaker_id, lock=True)
            known = earlier(connection, caller.tenant_id, idempotency, speaker_id)
            if known is not None or speaker.merged_into is None:
                return speaker
            values = {"merged_into": None, "updated_at": time.time()}
            rows.update(connection, speaker_id, values)
            touch_speaker(connection, speaker)
            was_in = speaker.merged_into
            self._note(connection, caller, "speaker.unmerge", speaker_id, was_in=was_in)
            return found_speaker(connection, caller, speaker_id)

    def split(
        self,
        caller: Caller,
        speaker_id: str,
        voiceprint_ids: Collection[str],
        *,
        name: str,
        idempotency: Idempotency | None = None,
    ) -> Speaker:
        """Give some of a speaker's voiceprints, with their samples, to a new one, who is returned.

        They are sealed anew, with the new speaker's data key. The records of consent under which
        they were enrolled go along as copies, and so does the time of expiry. To merge the new
        speaker into the old one takes it back.

        Raises `NotFound` for the speaker or a voiceprint that is not theirs, `InvalidOption` when
        none or all of them are named, `Conflict` when they change meanwhile, and
        `IdempotencyConflict`.
        """
        caller.require(Scope.GALLERIES)
        new_id, name = str(uuid.uuid4()), checked_name(name, "A speaker's name")
        with self._store.database.read() as connection:
            found_speaker(connection, caller, speaker_id)
            known = done_before(connection, caller.tenant_id, idempotency)
            if known is not None:
                return found_speaker(connection, caller, known)
            held = voiceprint_rows.of_speakers(connection, [speaker_id])
            chosen = _chosen(held, voiceprint_ids)
            ids = {row["sample_id"] for row in chosen} - {None}
            samples = [
                row for row in sample_rows.of_speakers(connection, [speaker_id]) if row["id"] in ids
            ]
        try:
            made = self._make_split(caller, speaker_id, new_id, name, chosen, samples, idempotency)
        except (Conflict, Gone, NotFound):  # certainly not made; what was sealed is not to stay
            self._store.vault.forget(new_id)
            raise
        self._store.blobs.delete(*(row["blob"] for row in samples if row["blob"] is not None))
        return made

    def _make_split(
        self,
        caller: Caller,
        speaker_id: str,
        new_id: str,
        name: str,
        chosen: Sequence[sa.RowMapping],
        samples: Sequence[sa.RowMapping],
        idempotency: Idempotency | None,
    ) -> Speaker:
        """Seal what is moved for its new owner, then move it."""
        prints = [
            (row, self._resealed(speaker_id, new_id, row["sealed"], VOICEPRINT)) for row in chosen
        ]
        moved = [(row, self._moved(speaker_id, new_id, row)) for row in samples]
        with self._store.database.write() as connection:
            speaker = found_speaker(connection, caller, speaker_id, lock=True)
            known = earlier(connection, caller.tenant_id, idempotency, new_id)
            if known is not None:
                raise Conflict("The same request is being answered: send it again in a moment.")
            _copy(connection, speaker, new_id, name)
            for row, sealed in prints:
                values = {"speaker_id": new_id, "sealed": sealed}
                same = {"speaker_id": speaker_id, "sealed": row["sealed"]}
                if not voiceprint_rows.update(connection, row["id"], values, **same):
                    raise Conflict(
                        f"The voiceprint {row['id']!r} was changed meanwhile: look at the speaker"
                        " again."
                    )
            for row, blob in moved:
                sample_rows.update(connection, row["id"], {"speaker_id": new_id, "blob": blob})
            changed = {speaker_id, speaker.merged_into or speaker_id, new_id}
            gallery_rows.touch(connection, speaker.gallery_id, changed)
            ids = [row["id"] for row in chosen]
            self._note(connection, caller, "speaker.split", speaker_id, to=new_id, voiceprints=ids)
            return found_speaker(connection, caller, new_id)

    def _resealed(self, owner: str, new_owner: str, sealed: bytes, purpose: str) -> bytes:
        data = self._store.vault.open(owner, sealed, purpose=purpose)
        return self._store.vault.seal(new_owner, data, purpose=purpose)

    def _moved(self, owner: str, new_owner: str, sample: sa.RowMapping) -> str | None:
        """Seal a sample's audio for its new owner; the new blob."""
        if sample["blob"] is None:
            return None
        sealed = self._resealed(owner, new_owner, self._store.blobs.get(sample["blob"]), SAMPLE)
        blob = f"samples/{sample['tenant_id']}/{sample['id']}-{new_owner}"
        self._store.blobs.put(blob, sealed)
        return blob


def _copy(connection: sa.Connection, speaker: Speaker, new_id: str, name: str) -> None:
    """Add a new speaker, split from this one, with copies of their consents."""
    now = time.time()
    row = rows.fetch(connection, speaker.id)
    assert row is not None
    changed: dict[str, Any] = {"id": new_id, "key": None, "name": name, "details": {}}
    changed |= {"split_from": speaker.id, "merged_into": None}
    rows.insert(connection, {**row, **changed, "created_at": now, "updated_at": now})
    for consent in consent_rows.of_speakers(connection, [speaker.id]):
        copy = {"id": str(uuid.uuid4()), "speaker_id": new_id}
        consent_rows.insert(connection, {**consent, **copy})


def _check_merge(speaker: Speaker, into: Speaker, family: Sequence[sa.RowMapping]) -> None:
    if speaker.id == into.id:
        raise InvalidOption("A speaker cannot be merged into themselves: name another one.")
    for each in (speaker, into):
        if each.merged_into is not None:
            raise Conflict(
                f"The speaker {each.id!r} is merged into {each.merged_into!r}: merge with that"
                " one, or unmerge first."
            )
    others = [row["id"] for row in family if row["merged_into"] == speaker.id]
    if others:
        raise Conflict(
            f"The speaker {others[0]!r} is merged into {speaker.id!r}: merge that one with"
            f" {into.id!r} first."
        )


def _chosen(held: Sequence[sa.RowMapping], voiceprint_ids: Collection[str]) -> list[sa.RowMapping]:
    by_id = {row["id"]: row for row in held}
    for voiceprint_id in voiceprint_ids:
        if voiceprint_id not in by_id:
            raise NotFound(f"There is no voiceprint {voiceprint_id!r} of this speaker.")
    chosen = [by_id[voiceprint_id] for voiceprint_id in sorted(set(voiceprint_ids))]
    if not 0 < len(chosen) < len(held):
        raise InvalidOption(
            f"A split takes some of a speaker's voiceprints and leaves some: {len(chosen)} of"
            f" {len(held)} were named."
        )
    return chosen
