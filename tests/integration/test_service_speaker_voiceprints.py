"""What speakers hold, in all, on both databases."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from callers import new_caller
from earmark.service import NewConsent, Scope, Service
from earmark.service._speaker_voiceprints import Held
from earmark.settings import Settings
from earmark.storage import Database, samples, voiceprints
from earmark.voiceprints import Quality
from stores import store_on
from voices import a_voice

AGREED = NewConsent(subject="Ada Byron", text="You may recognise me by my voice.")


def test_what_people_hold_is_told_in_all(database: Database, tmp_path: Path) -> None:
    service = Service(store_on(database, Settings(data_dir=tmp_path)))
    caller = new_caller(service.store, "acme", Scope.GALLERIES)
    gallery = service.galleries.create(caller, name="staff")
    ada, ben, nobody = (
        service.speakers.create(caller, gallery.id, name=name, consent=AGREED).id
        for name in ("Ada", "Ben", "Nobody")
    )
    for speaker_id, net_speech_s, quality in (
        (ada, 4.0, Quality.AVERAGE),
        (ada, 12.0, Quality.HIGH),
        (ada, 2.0, Quality.POOR),
        (ben, 3.0, None),
    ):
        print_ = replace(a_voice(1), net_speech_s=net_speech_s, quality=quality)
        service.enrolment.enroll_voiceprint(caller, speaker_id, print_)
    with service.store.database.write() as connection:
        (_, second, _) = voiceprints.of_speakers(connection, [ada])
        voiceprints.update(connection, second["id"], {"model": "earlier"})
        for sample_id, duration_s in (("s1", 9.0), ("s2", 30.0)):
            sample = {
                "id": sample_id,
                "tenant_id": caller.tenant_id,
                "speaker_id": ada,
                "sha256": "",
                "duration_s": duration_s,
                "net_speech_s": 1.0,
                "quality": Quality.GOOD,
                "options": {},
                "created_at": time.time(),
            }
            samples.insert(connection, sample)
    held = service.speakers.held(caller, [ada, ben, nobody])
    assert held == {
        ada: Held(speech_s=6.0, duration_s=39.0, quality=Quality.HIGH),
        ben: Held(speech_s=3.0, duration_s=0.0, quality=Quality.POOR),
    }
    other = new_caller(service.store, "globex", Scope.GALLERIES)
    assert service.speakers.held(other, [ada, ben]) == {}
