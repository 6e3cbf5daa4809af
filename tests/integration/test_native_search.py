"""Enrolment, search and identification over HTTP, with the recorded speech of real people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from earmark.diarization import Diarization
from earmark.service import Scope
from earmark.voiceprints import DEFAULT_MODEL, Voiceprint
from people import RATE, People, wav_of
from server import Server, running
from waiting import until

TEXT = "You may recognise me by my voice."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Server]:
    settings = {"EARMARK_MODELS_DIR": str(models_dir), "EARMARK_KEEP_ENROLMENT_AUDIO": "true"}
    with running(tmp_path_factory.mktemp("search"), settings=settings) as server:
        yield server


@pytest.fixture(scope="module")
def http(server: Server) -> Iterator[httpx.Client]:
    key = server.new_key(scopes=(Scope.JOBS, Scope.GALLERIES))
    with server.client(key) as client:
        client.base_url = client.base_url.join("/api/v1")
        yield client


@pytest.fixture(scope="module")
def staff(http: httpx.Client, people: People) -> dict[str, str]:
    """A gallery with two people: its id, and theirs by their names."""
    gallery = http.post("/galleries", json={"name": "staff"}).json()["id"]
    found = {"gallery": gallery}
    for name in ("june", "carlo"):
        enrolled = http.post(
            f"/galleries/{gallery}/enrolments",
            data={
                "name": name.capitalize(),
                "consent": f'{{"subject": "{name}", "text": "{TEXT}"}}',
                "details": '{"desk": "4"}',
            },
            files={"file": (f"{name}.wav", people.wav(name, 15))},
        )
        assert enrolled.status_code == 201, enrolled.text
        found[name] = enrolled.json()["speaker"]["id"]
    return found


def _done(http: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    def over() -> bool:
        job.update(http.get(f"/jobs/{job['id']}").json())
        return job["state"] not in ("queued", "running")

    until(over, within_s=120, what="the end of a job")
    assert job["state"] == "succeeded", job
    return job


def _submit(
    http: httpx.Client, path: str, sound: bytes, **fields: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A job that has succeeded, and its result."""
    answer = http.post(path, data=fields, files={"file": ("meeting.wav", sound)})
    assert answer.status_code == 202, answer.text
    job = _done(http, answer.json())
    return job, http.get(job["links"]["result"]).json()


@pytest.fixture(scope="module")
def meeting(people: People) -> bytes:
    """June, Carlo, and Allison whom nobody has enrolled, one after the other, twice."""
    said = [
        people.samples(name, 16, part=2)[half * 8 * RATE : (half + 1) * 8 * RATE]
        for half in (0, 1)
        for name in ("june", "carlo", "allison")
    ]
    return wav_of(np.concatenate(said))


@pytest.fixture(scope="module")
def identified(http: httpx.Client, staff: dict[str, str], meeting: bytes) -> dict[str, Any]:
    asked = {"gallery_ids": staff["gallery"], "searchable": "true", "alternatives": "2"}
    job, _ = _submit(http, "/identifications", meeting, **asked)
    assert job["kind"] == "identify"
    assert job["options"] == {
        "gallery_ids": [staff["gallery"]],
        "searchable": True,
        "alternatives": 2,
    }
    return job


def test_what_somebody_was_enrolled_from_is_kept(
    http: httpx.Client, staff: dict[str, str], people: People, server: Server
) -> None:
    at = f"/speakers/{staff['june']}"
    assert http.get(at).json()["details"] == {"desk": "4"}
    (sample,) = http.get(f"{at}/samples").json()["items"]
    assert (sample["name"], sample["kept"]) == ("june.wav", True)
    assert sample["duration"] == pytest.approx(15, abs=0.1)
    assert 5 < sample["net_speech"] <= 15
    (voiceprint,) = http.get(f"{at}/voiceprints").json()["items"]
    assert voiceprint["sample_id"] == sample["id"]
    assert (voiceprint["model"], voiceprint["quality"]) == (DEFAULT_MODEL, sample["quality"])
    audio = http.get(f"{at}/samples/{sample['id']}/audio")
    assert audio.content == people.wav("june", 15)
    assert audio.headers["cache-control"] == "no-store"
    other = f"/speakers/{staff['carlo']}/samples/{sample['id']}"
    assert http.get(f"{other}/audio").status_code == 404
    assert http.delete(other).status_code == 404
    assert not list(server.data_dir.glob("blobs/media/*/*"))


def test_another_recording_finds_its_person_and_no_stranger(
    http: httpx.Client, staff: dict[str, str], people: People, server: Server
) -> None:
    at = f"/api/v1/galleries/{staff['gallery']}/search"
    key = server.new_key(scopes=[Scope.GALLERIES])
    for name, expected in (("june", "June"), ("carlo", "Carlo"), ("allison", None), ("ira", None)):
        with server.client(key) as client:
            sound = people.wav(name, 8, part=1)
            answer = client.post(at, files={"file": (f"{name}.wav", sound)})
        assert answer.status_code == 200, answer.text
        found = answer.json()
        match = found["match"]
        assert (None if match is None else match["label"]) == expected, found
        assert len(found["alternatives"]) == 2
        assert found["net_speech"] > 3
        assert (match is not None) == (found["alternatives"][0]["llr"] >= found["threshold"])
    assert http.get(f"/speakers/{staff['june']}").json()["matched_at"] is not None


def test_recordings_that_do_not_do_are_refused_with_the_reason(
    http: httpx.Client, staff: dict[str, str], people: People, server: Server
) -> None:
    def made_of(*parts: np.ndarray[Any, Any]) -> bytes:
        return wav_of(np.concatenate(parts))

    half = people.samples("june", 3)[RATE : RATE + RATE // 2]
    two = [people.samples(name, 8) for name in ("june", "carlo")]
    silence = np.zeros(3 * RATE, np.int16)
    before = http.get(f"/speakers/{staff['june']}/voiceprints").json()
    for sound, status, code in (
        (wav_of(silence), 422, "speech.too_little"),
        (made_of(half, silence[:RATE]), 422, "speech.too_little"),
        (made_of(*two), 422, "speech.several"),
        (b"no recording" * 99, 422, "audio.unsupported"),
        (wav_of(np.zeros(121 * RATE, np.int16)), 413, "audio.too_large"),
    ):
        paths = [f"/galleries/{staff['gallery']}/search", f"/speakers/{staff['june']}/samples"]
        for path in paths if status == 422 else paths[:1]:
            answer = http.post(path, files={"file": ("a.wav", sound)})
            assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    new = {"name": "Nobody", "consent": f'{{"subject": "Nobody", "text": "{TEXT}"}}'}
    answer = http.post(
        f"/galleries/{staff['gallery']}/enrolments",
        data=new,
        files={"file": ("a.wav", made_of(*two))},
    )
    assert answer.json()["code"] == "speech.several", answer.text
    assert http.get(f"/galleries/{staff['gallery']}/speakers").json()["total"] == 2
    loudest = http.post(
        f"/galleries/{staff['gallery']}/enrolments",
        data=new | {"several": "loudest", "end": "12"},
        files={"file": ("a.wav", made_of(*two))},
    )
    assert loudest.status_code == 201, loudest.text
    assert http.delete(f"/speakers/{loudest.json()['speaker']['id']}").status_code == 200
    assert http.get(f"/speakers/{staff['june']}/voiceprints").json() == before
    assert not list(server.data_dir.glob("blobs/media/*/*"))


def test_a_recording_that_was_uploaded_enrols_and_searches_and_stays(
    http: httpx.Client, staff: dict[str, str], people: People
) -> None:
    sound = people.wav("carlo", 6, part=3)
    upload = http.post("/uploads", json={"size": len(sound), "name": "more.wav"}).json()
    http.put(f"/uploads/{upload['id']}/parts/1", content=sound)
    media = http.post(f"/uploads/{upload['id']}/complete").json()["id"]
    found = http.post(f"/galleries/{staff['gallery']}/search", json={"media": media})
    assert found.json()["match"]["label"] == "Carlo", found.text
    at = f"/speakers/{staff['carlo']}"
    key = {"Idempotency-Key": "more of Carlo"}
    first, again = (
        http.post(f"{at}/samples", json={"media": media}, headers=key) for _ in range(2)
    )
    assert first.status_code == 201, first.text
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert len(http.get(f"{at}/voiceprints").json()["items"]) == 2
    assert http.delete(f"{at}/samples/{first.json()['sample']['id']}").status_code == 204
    assert len(http.get(f"{at}/voiceprints").json()["items"]) == 1
    assert http.delete(f"/media/{media}").status_code == 204


def test_a_meeting_is_told_by_name(
    http: httpx.Client, identified: dict[str, Any], staff: dict[str, str]
) -> None:
    at = identified["links"]["result"]
    document = http.get(at).json()
    assert document["schema"] == "earmark.identification/1"
    assert document["diarization"]["schema"] == "earmark.diarization/1"
    labels = [each["match"] and each["match"]["label"] for each in document["speakers"]]
    assert sorted(labels, key=str) == ["Carlo", "June", None]
    for each in document["speakers"]:
        assert len(each["alternatives"]) == 2
        assert (each["match"] is not None) == (each["alternatives"][0]["llr"] >= each["threshold"])
    rttm = http.get(at, params={"format": "rttm"}).text
    told = Diarization.from_rttm(rttm)
    assert {"June", "Carlo"} < set(told.speakers)
    (stranger,) = set(told.speakers) - {"June", "Carlo"}
    assert stranger.startswith("SPEAKER_")
    june = [turn for turn in told.turns if turn.speaker == "June"]
    assert sum(min(turn.end, 8) - turn.start for turn in june if turn.start < 8) > 4


def test_where_somebody_speaks_is_found_again(
    http: httpx.Client, identified: dict[str, Any], staff: dict[str, str], people: People
) -> None:
    page = http.get(f"/speakers/{staff['june']}/recordings").json()
    assert [each["job_id"] for each in page["items"]] == [identified["id"]]
    (found,) = page["items"]
    names = {
        each["match"]["label"]: each["speaker"]
        for each in http.get(identified["links"]["result"]).json()["speakers"]
        if each["match"] is not None
    }
    assert [each["speaker"] for each in found["voices"]] == [names["June"]]
    assert found["voices"][0]["talk_time"] > 10
    job, _ = _submit(
        http, "/diarizations", people.wav("june", 8, part=3), searchable="true", speakers="1"
    )
    page = http.get(f"/speakers/{staff['june']}/recordings", params={"limit": 1}).json()
    assert [each["job_id"] for each in page["items"]] == [job["id"]]
    assert page["searched"] == 2
    rest = http.get(
        f"/speakers/{staff['june']}/recordings", params={"cursor": page["cursor"]}
    ).json()
    assert [each["job_id"] for each in rest["items"]] == [identified["id"]]
    http.delete(f"/jobs/{job['id']}")
    assert http.get(f"/speakers/{staff['june']}/recordings").json()["searched"] == 1


def test_voiceprints_that_a_client_keeps_name_people_too(
    http: httpx.Client, staff: dict[str, str], people: People, meeting: bytes
) -> None:
    job, document = _submit(http, "/voiceprints", people.wav("allison", 12, part=1))
    assert (job["kind"], document["schema"]) == ("voiceprint", "earmark.voiceprints/1")
    answer = http.get(job["links"]["result"])
    assert answer.headers["cache-control"] == "no-store"
    (heard,) = document["channels"][0]["speakers"]
    assert Voiceprint.from_base64(heard["voiceprint"]).model == DEFAULT_MODEL
    searched = http.post(
        f"/galleries/{staff['gallery']}/search", json={"voiceprint": heard["voiceprint"]}
    )
    assert searched.json()["match"] is None
    sent = f'[{{"label": "speaker_ Ä", "voiceprint": "{heard["voiceprint"]}"}}]'
    _, document = _submit(http, "/identifications", meeting, voiceprints=sent)
    matches = [each["match"] for each in document["speakers"] if each["match"] is not None]
    assert [(each["speaker_id"], each["label"]) for each in matches] == [(None, "speaker_ Ä")]


def test_who_is_erased_has_no_name_any_more(
    http: httpx.Client, identified: dict[str, Any], staff: dict[str, str]
) -> None:
    at = identified["links"]["result"]
    before = http.get(at).headers["etag"]
    receipt = http.delete(f"/speakers/{staff['carlo']}")
    assert receipt.status_code == 200, receipt.text
    after = http.get(at, headers={"If-None-Match": before})
    assert after.status_code == 200
    (match,) = [
        each["match"]
        for each in after.json()["speakers"]
        if each["match"] and each["match"]["speaker_id"] == staff["carlo"]
    ]
    assert match["label"] is None
    assert "Carlo" not in http.get(at, params={"format": "csv"}).text
