"""Jobs that tell voices apart: what they come to, and that what must be encrypted is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from earmark.diarization import one_voice
from earmark.errors import AudioError, AudioTooLarge, Gone, NotFound, SeveralSpeakers
from earmark.service import (
    Comparison,
    Identification,
    IdentifyOptions,
    Job,
    JobKind,
    JobOptions,
    JobState,
    Media,
    Submission,
    Voices,
    Worker,
)
from earmark.storage._schema import job_voiceprints
from earmark.voiceprints import Voiceprint
from people import People
from workers import Works, open_works


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Works]:
    with open_works(tmp_path_factory.mktemp("voices") / "data") as opened:
        worker = Worker(opened.service)
        worker.start()
        yield opened
        worker.drain(5.0)


@pytest.fixture(scope="module")
def june(works: Works, people: People) -> Voiceprint:
    return _voice(works, people.wav("june", 12.0))


def _media(works: Works, recording: bytes, name: str = "clip.wav") -> Media:
    with works.service.media.writer(
        works.caller, dialect="native", name=name, owned=True
    ) as writer:
        writer.write(recording)
        return writer.commit()


def _voice(works: Works, recording: bytes) -> Voiceprint:
    _, voiceprint = one_voice(works.service.analyst.listen(_media(works, recording)))
    return voiceprint


def _run(works: Works, **asked: object) -> Job:
    submission = Submission(dialect="native", **asked)  # type: ignore[arg-type]
    (job,) = works.wait(works.service.jobs.submit(works.caller, submission).job.id)
    return job


def test_the_voiceprints_of_a_recording_are_kept_sealed(works: Works, sample_wav: Path) -> None:
    media = _media(works, sample_wav.read_bytes())
    job = _run(works, kind=JobKind.VOICEPRINT, media=media)
    assert job.state is JobState.SUCCEEDED
    assert job.result_blob is not None
    voices = Voices.from_json(works.service.jobs.document(job))
    assert voices.channels == (None,)
    assert len(voices.voices) == 2
    first, second = voices.voices
    assert first.talk_time_s >= second.talk_time_s
    assert first.voiceprint.cosine(second.voiceprint) < 0.5
    stored = works.service.store.blobs.get(job.result_blob)
    assert first.voiceprint.to_base64().encode() not in stored
    assert b"earmark.voiceprints" not in stored


def test_a_deleted_job_takes_its_data_key_with_it(works: Works, sample_wav: Path) -> None:
    media = _media(works, sample_wav.read_bytes())
    job = _run(works, kind=JobKind.VOICEPRINT, media=media)
    assert job.result_blob is not None
    store = works.service.store
    sealed = store.blobs.get(job.result_blob)
    store.vault.open(job.id, sealed, purpose="result")
    works.service.jobs.delete(works.caller, job.id)
    with pytest.raises(NotFound):
        store.blobs.get(job.result_blob)
    with pytest.raises(Gone):
        store.vault.open(job.id, sealed, purpose="result")


def test_every_voiceprint_of_one_list_is_compared_with_every_one_of_another(
    works: Works, june: Voiceprint, people: People
) -> None:
    again = _voice(works, people.wav("june", 8.0, part=1))
    carlo = _voice(works, people.wav("carlo", 8.0))
    sent = {
        "a": [june.to_base64()],
        "b": [again.to_base64(), carlo.to_base64()],
    }
    job = _run(works, kind=JobKind.COMPARE, sealed=json.dumps(sent).encode())
    assert job.state is JobState.SUCCEEDED, job.error
    assert job.sealed_blob is not None
    assert june.to_base64().encode() not in works.service.store.blobs.get(job.sealed_blob)
    llr = Comparison.from_json(works.service.jobs.document(job)).llr
    assert llr.shape == (1, 2)
    assert llr[0, 0] > 0 > llr[0, 1]


def test_a_comparison_of_what_is_no_voiceprint_fails_and_names_it(
    works: Works, june: Voiceprint
) -> None:
    good = june.to_base64()
    broken = good[:-8] + ("A" * 8 if good[-8:] != "A" * 8 else "B" * 8)
    sent = {"a": [good], "b": [good, broken]}
    job = _run(works, kind=JobKind.COMPARE, sealed=json.dumps(sent).encode())
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error.code == "voiceprint.invalid"
    assert job.error.message.startswith("b[1]: ")


def test_voices_sent_along_are_found_and_strangers_are_not(
    works: Works, june: Voiceprint, people: People
) -> None:
    carlo = _voice(works, people.wav("carlo", 10.0))
    recording = people.wav("june", 10.0, part=2)
    sent = [
        {"label": "June", "voiceprint": june.to_base64()},
        {"label": "Carlo", "voiceprint": carlo.to_base64()},
    ]
    job = _run(
        works,
        kind=JobKind.IDENTIFY,
        media=_media(works, recording),
        sealed=json.dumps({"voiceprints": sent}).encode(),
        options=JobOptions(speakers=1, identify=IdentifyOptions()),
    )
    assert job.state is JobState.SUCCEEDED, job.error
    found = Identification.from_json(works.service.jobs.document(job))
    (speaker,) = found.speakers
    assert speaker.named.match is not None
    assert speaker.named.match.label == "June"
    assert speaker.named.match.probability > 0.9
    assert not found.diarization.voiceprints
    assert "vector" not in works.service.jobs.document(job).decode()

    job = _run(
        works,
        kind=JobKind.IDENTIFY,
        media=_media(works, people.wav("ira", 10.0)),
        sealed=json.dumps({"voiceprints": sent}).encode(),
        options=JobOptions(speakers=1, identify=IdentifyOptions()),
    )
    (stranger,) = Identification.from_json(works.service.jobs.document(job)).speakers
    assert stranger.named.match is None
    assert {each.label for each in stranger.named.alternatives} == {"June", "Carlo"}


def test_a_searchable_diarization_keeps_its_voices_sealed(works: Works, sample_wav: Path) -> None:
    job = _run(
        works,
        kind=JobKind.DIARIZE,
        media=_media(works, sample_wav.read_bytes()),
        options=JobOptions(searchable=True),
    )
    assert job.state is JobState.SUCCEEDED, job.error
    document = works.service.jobs.document(job).decode()
    assert "voiceprints" not in json.loads(document)
    store = works.service.store
    with store.database.read() as connection:
        kept = connection.execute(
            job_voiceprints.select().where(job_voiceprints.c.job_id == job.id)
        ).all()
    assert {row.speaker for row in kept} == {"SPEAKER_00", "SPEAKER_01"}
    for row in kept:
        data = store.vault.open(job.id, row.sealed, purpose="voiceprint")
        assert Voiceprint.from_bytes(data).model == row.model
        assert data[-64:] not in row.sealed


def test_short_recordings_are_answered_at_once(works: Works, sample_wav: Path) -> None:
    analyst = works.service.analyst
    found = analyst.listen(_media(works, sample_wav.read_bytes()))
    assert {each.model for each in found.voiceprints.values()} == {"earmark-1"}
    with pytest.raises(SeveralSpeakers):
        analyst.voice(_media(works, sample_wav.read_bytes()))
    with pytest.raises(AudioTooLarge) as too_long:
        analyst.listen(_media(works, sample_wav.read_bytes()), limit_s=10.0)
    assert too_long.value.code == "audio.too_large"
    with pytest.raises(AudioError) as unreadable:
        analyst.listen(_media(works, b"no sound at all"))
    assert unreadable.value.code == "audio.unsupported"
    assert analyst.speech(_media(works, sample_wav.read_bytes())).channels[0].segments
