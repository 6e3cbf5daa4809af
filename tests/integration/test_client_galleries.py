"""Galleries by the Python client, against a running server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import earmark
from earmark.client import Gallery
from earmark.errors import ApiError, AudioNotFound
from people import People, wav_of
from server import Server, running

CONSENT = "You may recognise me by my voice."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Server]:
    settings = {"EARMARK_MODELS_DIR": str(models_dir)}
    with running(tmp_path_factory.mktemp("client"), settings=settings) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[earmark.Client]:
    with earmark.Client(server.url, server.key) as client:
        yield client


@pytest.fixture(scope="module")
def staff(client: earmark.Client, people: People) -> Gallery:
    """A gallery with June in it."""
    gallery = client.create_gallery("staff", description="who works here")
    gallery.enroll("June", people.wav("june", 12), consent=CONSENT, details={"desk": "4"})
    return gallery


def test_somebody_is_enrolled_and_found_and_a_stranger_is_not(
    server: Server, staff: Gallery, people: People
) -> None:
    (june,) = staff.speakers()
    assert (june.name, june.document["details"]) == ("June", {"desk": "4"})
    assert [each["text"] for each in june.consents()] == [CONSENT]
    (sample,) = june.samples()
    with server.client() as http:
        audio = http.get(f"/api/v1/speakers/{june.id}/samples/{sample['id']}/audio")
    assert (sample["kept"], audio.status_code) == (False, 410)
    assert audio.json()["code"] == "resource.gone"
    found = staff.search(people.wav("june", 6, part=1), alternatives=1)
    assert found["match"]["speaker_id"] == june.id
    assert june.refresh().document["matched_at"] is not None
    assert staff.search(people.wav("ira", 6, part=1))["match"] is None


def test_a_meeting_is_told_by_name_and_found_again(
    client: earmark.Client, staff: Gallery, people: People
) -> None:
    said = [people.samples(name, 8, part=2) for name in ("june", "carlo")]
    job = client.identify(
        wav_of(np.concatenate(said)), gallery_ids=[staff.id], searchable=True, name="talk"
    ).wait(timeout_s=120)
    names = {
        each["match"] and each["match"]["label"]: each["speaker"]
        for each in job.result()["speakers"]
    }
    assert set(names) == {"June", None}
    assert " June " in job.export("rttm")
    (june,) = staff.speakers(search="jun")
    (found,) = june.recordings()
    assert (found["job_id"], found["name"]) == (job.id, "talk")
    assert [each["speaker"] for each in found["voices"]] == [names["June"]]


def test_voiceprints_are_sources_too(
    client: earmark.Client, staff: Gallery, people: People
) -> None:
    job = client.voiceprints(people.wav("june", 8, part=3)).wait(timeout_s=120)
    (voice,) = job.result()["channels"][0]["speakers"]
    assert staff.search(voice)["match"]["label"] == "June"
    other = client.create_gallery("other")
    held = other.enroll("J.", voice, consent={"subject": "J.", "text": CONSENT})
    assert [each["sample_id"] for each in held.voiceprints()] == [None]
    label = [{"label": "me", "voiceprint": voice["voiceprint"]}]
    named = client.identify(people.wav("june", 8, part=2), voiceprints=label).wait(timeout_s=120)
    assert [each["match"]["label"] for each in named.result()["speakers"]] == ["me"]
    other.delete()
    assert staff.id in {each.id for each in client.galleries()}
    with pytest.raises(ApiError, match=other.id) as gone:
        client.gallery(other.id)
    assert gone.value.status == 404


def test_a_large_recording_goes_in_parts_and_is_not_kept(
    server: Server, staff: Gallery, people: People
) -> None:
    before = set(server.data_dir.glob("blobs/media/*/*"))
    with earmark.Client(server.url, server.key, part_size=50_000) as client:
        gallery = client.gallery(staff.id)
        assert gallery.search(people.wav("june", 6, part=1))["match"]["label"] == "June"
        with pytest.raises(ApiError, match="clear speech"):
            gallery.search(wav_of(np.zeros(40_000, np.int16)))
    assert set(server.data_dir.glob("blobs/media/*/*")) == before


def test_nobody_is_half_enrolled(client: earmark.Client, staff: Gallery, people: People) -> None:
    good = people.wav("carlo", 6)
    for second, error, code in (
        (wav_of(np.zeros(16000, np.int16)), ApiError, "speech.too_little"),
        ("nowhere.wav", AudioNotFound, "audio.not_found"),
    ):
        with pytest.raises(error) as refused:
            staff.enroll("Carlo", good, second, consent=CONSENT)
        assert refused.value.code == code
    with pytest.raises(ApiError) as refused:
        staff.enroll("Carlo", good)
    assert refused.value.code == "consent.required"
    assert [each.name for each in staff.speakers()] == ["June"]


def test_speakers_are_changed_and_erased(client: earmark.Client, people: People) -> None:
    gallery = client.create_gallery("changing").change(name="changed", description="x")
    assert client.gallery(gallery.id).name == "changed"
    carlo = gallery.enroll("Carlo", people.wav("carlo", 6), consent=CONSENT)
    more = carlo.add(people.wav("carlo", 6, part=1), start=1, end=5)
    assert len(carlo.samples()) == 2
    other = carlo.split("Other", [more["voiceprint"]["id"]])
    assert [len(each.voiceprints()) for each in (carlo, other)] == [1, 1]
    assert other.merge(carlo).document["merged_into"] == carlo.id
    assert other.unmerge().document["merged_into"] is None
    assert carlo.change(name="C.", details={"a": "b"}).name == "C."
    assert carlo.withdraw().document["withdrawn_at"] is not None
    assert gallery.search(people.wav("carlo", 5, part=2))["alternatives"][0]["label"] == "Other"
    carlo.agree(CONSENT)
    assert carlo.document["withdrawn_at"] is None
    carlo.add(people.wav("carlo", 6, part=1), replace=True)
    assert len(carlo.voiceprints()) == 1
    assert carlo.export()["speaker"]["name"] == "C."
    assert "C." not in repr(carlo)
    receipt = carlo.erase()
    assert json.loads(receipt["document"])["speaker"] == carlo.id
    with pytest.raises(ApiError) as gone:
        client.speaker(carlo.id)
    assert gone.value.code == "resource.not_found"


def test_the_same_with_asyncio(server: Server, people: People) -> None:
    async def talk() -> None:
        async with earmark.AsyncClient(server.url, server.key) as client:
            made = await client.create_gallery("async")
            gallery = await (await client.gallery(made.id)).change(description="y")
            ira = await gallery.enroll("Ira", people.wav("ira", 6), consent=CONSENT)
            assert made.id in {each.id async for each in client.galleries()}
            assert [each.id async for each in gallery.speakers(search="ir")] == [ira.id]
            voice = people.wav("ira", 6, part=1)
            assert (await gallery.search(voice))["match"]["label"] == "Ira"
            jobs = await asyncio.gather(
                client.identify(voice, gallery_ids=[gallery.id], searchable=True),
                client.voiceprints(voice),
            )
            await asyncio.gather(*(job.wait(timeout_s=120) for job in jobs))
            (heard,) = (await jobs[1].result())["channels"][0]["speakers"]
            added = await ira.add(heard)
            assert [each["job_id"] async for each in ira.recordings()] == [jobs[0].id]
            assert len(await ira.voiceprints()) == 2
            assert len(await ira.samples()) == 1
            split = await ira.split("Other", [added["voiceprint"]["id"]])
            await (await split.merge(ira)).unmerge()
            await ira.withdraw()
            await ira.agree(CONSENT)
            assert len(await ira.consents()) == 2
            assert (await ira.change(name="I.")).name == "I."
            assert (await ira.refresh()).name == "I."
            assert (await ira.export())["speaker"]["id"] == ira.id
            assert (await ira.erase())["speaker_id"] == ira.id
            assert (await client.speaker(split.id)).document["split_from"] == ira.id
            await gallery.delete()

    asyncio.run(talk())
