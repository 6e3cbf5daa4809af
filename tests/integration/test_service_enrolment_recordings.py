"""Enrolment from recordings: what is refused, what is kept, and made again for another model."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from callers import new_caller
from earmark.errors import (
    AudioError,
    AudioTooLarge,
    ConsentRequired,
    Gone,
    MediaTooLarge,
    NotFound,
    SeveralSpeakers,
    TooLittleSpeech,
)
from earmark.service import Caller, Gallery, Media, NewConsent, NewSpeaker, Scope, Service, Speaker
from earmark.settings import Settings
from earmark.storage import samples, voiceprints
from earmark.voiceprints import DEFAULT_MODEL
from people import RATE, People, wav_of
from voices import a_voice, voices_of

_AGREED = NewConsent(subject="June", text="Yes.")


@pytest.fixture(scope="module")
def service(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    opened = Service.open(
        Settings(
            data_dir=tmp_path_factory.mktemp("enrolment") / "data",
            models_dir=models_dir,
            offline=True,
            keep_enrolment_audio=True,
        )
    )
    yield opened
    opened.close()


@pytest.fixture
def caller(service: Service, request: pytest.FixtureRequest) -> Caller:
    return new_caller(service.store, request.node.name[:60], Scope.GALLERIES)


@pytest.fixture
def gallery(service: Service, caller: Caller) -> Gallery:
    return service.galleries.create(caller, name="staff")


@pytest.fixture
def june(service: Service, caller: Caller, gallery: Gallery) -> Speaker:
    return service.speakers.create(caller, gallery.id, name="June", consent=_AGREED)


def _media(service: Service, caller: Caller, sound: bytes, *, owned: bool = True) -> Media:
    with service.media.writer(caller, dialect="native", name="june.wav", owned=owned) as writer:
        writer.write(sound)
        return writer.commit()


def _paths(service: Service, folder: str) -> list[str]:
    return [blob.path for blob in service.store.blobs.list(folder)]


def test_the_voice_of_a_recording_is_learned(
    service: Service, caller: Caller, june: Speaker, people: People
) -> None:
    sound = people.wav("june", 12.0)
    before = _paths(service, "media")
    media = _media(service, caller, sound)
    enrolled = service.enrolment.enroll(caller, june.id, media)
    assert enrolled.sample is not None
    assert enrolled.voiceprint.sample_id == enrolled.sample.id
    assert enrolled.voiceprint.model == DEFAULT_MODEL
    assert enrolled.sample.sha256 == media.sha256
    assert enrolled.sample.duration_s == pytest.approx(12.0, abs=0.1)
    assert 4 < enrolled.sample.net_speech_s <= 12
    assert enrolled.sample.quality == enrolled.voiceprint.quality
    (print_of_june,) = voices_of(service, caller, june.id)

    assert _paths(service, "media") == before  # the plain recording is gone
    with pytest.raises(NotFound):
        service.media.get(caller, media.id)
    assert (enrolled.sample.kept, enrolled.sample.name) == (True, "june.wav")
    assert service.speakers.sample_audio(caller, enrolled.sample.id) == sound
    with service.store.database.read() as connection:
        row = samples.fetch(connection, enrolled.sample.id)
    assert row is not None
    sealed = service.store.blobs.get(row["blob"])
    assert sound[1000:1064] not in sealed

    other = service.speakers.create(caller, june.gallery_id, name="Carlo", consent=_AGREED)
    carlo = _media(service, caller, people.wav("carlo", 12.0), owned=False)
    again = _media(service, caller, people.wav("june", 12.0, part=1), owned=False)
    service.enrolment.enroll(caller, other.id, carlo)
    service.enrolment.enroll(caller, june.id, again)
    (print_of_carlo,) = voices_of(service, caller, other.id)
    (_, second) = voices_of(service, caller, june.id)
    assert print_of_june.cosine(second) > 0.5 > print_of_june.cosine(print_of_carlo)
    assert service.media.get(caller, carlo.id) == carlo

    service.speakers.delete_sample(caller, enrolled.sample.id, speaker_id=june.id)
    assert voices_of(service, caller, june.id) == (second,)
    assert row["blob"] not in _paths(service, "samples")
    with pytest.raises(NotFound):
        service.speakers.sample_audio(caller, enrolled.sample.id)


def test_what_cannot_be_enrolled_is_refused_and_leaves_nothing(
    service: Service, caller: Caller, june: Speaker, people: People
) -> None:
    before = (_paths(service, "media"), _paths(service, "samples"))
    speech = people.samples("june", 12.0)
    two = np.concatenate([speech, people.samples("carlo", 8.0)])
    silence = np.zeros(4 * RATE, np.int16)
    cases: list[tuple[bytes, type[Exception], dict[str, float]]] = [
        (wav_of(silence), TooLittleSpeech, {}),
        (wav_of(speech[: RATE // 2]), TooLittleSpeech, {}),
        (wav_of(speech), TooLittleSpeech, {"needed_s": 60.0}),
        (wav_of(two), SeveralSpeakers, {}),
        (wav_of(speech), AudioTooLarge, {"limit_s": 5.0}),
        (b"no recording", AudioError, {}),
    ]
    for sound, error, options in cases:
        with pytest.raises(error):
            service.enrolment.enroll(
                caller,
                june.id,
                _media(service, caller, sound),
                **options,  # type: ignore[arg-type]
            )
    assert (_paths(service, "media"), _paths(service, "samples")) == before
    assert service.speakers.voiceprints(caller, june.id) == ()


def test_somebody_new_is_added_with_their_recording_or_not_at_all(
    service: Service, caller: Caller, gallery: Gallery, people: People
) -> None:
    before = (_paths(service, "media"), _paths(service, "samples"))
    keys = service.store.vault.status().data_keys
    new = NewSpeaker(gallery_id=gallery.id, name="June")
    silence = _media(service, caller, wav_of(np.zeros(4 * RATE, np.int16)))
    with pytest.raises(TooLittleSpeech):
        service.enrolment.enroll_new(caller, new, silence, consent=_AGREED)
    keyed = replace(new, key="june")
    silence = _media(service, caller, wav_of(np.zeros(4 * RATE, np.int16)))
    with pytest.raises(TooLittleSpeech):
        service.enrolment.enroll_keyed(caller, keyed, silence, consent=_AGREED)
    assert (_paths(service, "media"), _paths(service, "samples")) == before
    assert service.speakers.list(caller, gallery.id).total == 0
    assert service.store.vault.status().data_keys == keys

    sound = people.wav("june", 12.0)
    enrolled = service.enrolment.enroll_new(
        caller, new, _media(service, caller, sound), consent=_AGREED, end=10.0
    )
    assert enrolled.sample is not None
    assert enrolled.sample.duration_s == pytest.approx(10.0, abs=0.1)
    assert service.speakers.sample_audio(caller, enrolled.sample.id) == sound
    exported = service.speakers.export(
        caller, enrolled.speaker.id, audio=lambda *ids: " ".join(ids)
    )
    (sample,) = exported["samples"]
    assert (sample["kept"], sample["audio"]) == (
        True,
        f"{enrolled.speaker.id} {enrolled.sample.id}",
    )
    assert _paths(service, "media") == before[0]


def test_of_several_people_the_loudest_and_of_a_recording_a_part(
    service: Service, caller: Caller, june: Speaker, people: People
) -> None:
    two = np.concatenate([people.samples("carlo", 8.0), people.samples("june", 14.0)])
    loudest = service.enrolment.enroll(
        caller, june.id, _media(service, caller, wav_of(two)), several="loudest"
    )
    part = service.enrolment.enroll(
        caller, june.id, _media(service, caller, wav_of(two)), start=8.5, end=20.0
    )
    assert part.sample is not None
    assert part.sample.duration_s == pytest.approx(11.5, abs=0.1)
    assert loudest.voiceprint.net_speech_s > 5
    first, second = voices_of(service, caller, june.id)
    assert first.cosine(second) > 0.7


def test_without_consent_a_recording_is_not_even_listened_to(
    service: Service, caller: Caller, gallery: Gallery
) -> None:
    eve = service.speakers.create(caller, gallery.id, name="Eve")
    media = _media(service, caller, b"not looked at")
    with pytest.raises(ConsentRequired):
        service.enrolment.enroll(caller, eve.id, media)
    with pytest.raises(NotFound):
        service.media.get(caller, media.id)


def test_a_recording_that_is_kept_has_a_size(
    service: Service, caller: Caller, june: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earmark.service._enrolling._LARGEST_KEPT", 10)
    media = _media(service, caller, io.BytesIO(b"x" * 11).getvalue())
    with pytest.raises(MediaTooLarge, match="11 bytes, and 10 are kept") as raised:
        service.enrolment.enroll(caller, june.id, media)
    assert (raised.value.size, raised.value.limit) == (11, 10)


def test_voiceprints_of_another_model_are_made_again_from_what_is_kept(
    service: Service, caller: Caller, june: Speaker, people: People
) -> None:
    enrolled = service.enrolment.enroll(
        caller, june.id, _media(service, caller, people.wav("june", 12.0)), start=1.0
    )
    (wanted,) = voices_of(service, caller, june.id)
    eve = service.speakers.create(caller, june.gallery_id, name="Eve", consent=_AGREED)
    sent = service.enrolment.enroll_voiceprint(caller, eve.id, a_voice(1))
    assert service.enrolment.reembed(caller).speakers == 0
    _make_old(service, june, enrolled.voiceprint.id)
    _make_old(service, eve, sent.voiceprint.id)
    assert _counting(service, june) == []

    before = (_paths(service, "media"), service.galleries.get(caller, june.gallery_id).revision)
    progress: list[tuple[int, int]] = []
    found = service.enrolment.reembed(
        caller, gallery_id=june.gallery_id, on_progress=lambda *step: progress.append(step)
    )
    assert (found.speakers, found.voiceprints) == (1, 1)
    assert (found.without_audio, found.failed) == ((eve.id,), ())
    assert progress == [(1, 2), (2, 2)]
    assert voices_of(service, caller, june.id) == (wanted,)
    assert _counting(service, june) == [june.id]
    assert _paths(service, "media") == before[0]
    assert service.galleries.get(caller, june.gallery_id).revision == before[1] + 1
    (entry,) = service.audit.list(caller, action="speaker.reembed").items
    assert entry.details["voiceprints"] == [enrolled.voiceprint.id]
    again = service.enrolment.reembed(caller)
    assert (again.voiceprints, again.without_audio) == (0, (eve.id,))


def test_audio_that_is_not_kept_is_said_to_be_gone(
    service: Service, caller: Caller, june: Speaker, people: People
) -> None:
    enrolled = service.enrolment.enroll(
        caller, june.id, _media(service, caller, people.wav("june", 8.0))
    )
    assert enrolled.sample is not None
    with service.store.database.write() as connection:
        samples.update(connection, enrolled.sample.id, {"blob": None})
    with pytest.raises(Gone, match="is not kept"):
        service.speakers.sample_audio(caller, enrolled.sample.id)


def _make_old(service: Service, speaker: Speaker, voiceprint_id: str) -> None:
    """As if it had been enrolled with an earlier model."""
    old = a_voice(7, model="earmark-0", size=192)
    sealed = service.store.vault.seal(speaker.id, old.to_bytes(), purpose="voiceprint")
    with service.store.database.write() as connection:
        values = {"model": "earmark-0", "sealed": sealed}
        assert voiceprints.update(connection, voiceprint_id, values)


def _counting(service: Service, speaker: Speaker) -> list[str]:
    with service.store.database.read() as connection:
        rows = voiceprints.counting(connection, speaker.gallery_id, DEFAULT_MODEL).all()
    return [row["counts_for"] for row in rows]
