"""Speaker search on real voices: boto3 asks, the native API brings the sound of the calls."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chime import ChimeServer, refused
from earmark.service import Store
from earmark.settings import Settings
from earmark.storage._schema import job_voiceprints
from people import RATE, People, wav_of
from raw_server import RawServer, serve
from server import running
from waiting import until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
DOCS = Path(__file__).parents[2] / "docs/chime.md"
SPEAKERS = "/api/v1/speakers"
RAW = {"encoding": "pcm_s16le", "sample_rate": RATE}


@pytest.fixture(scope="module")
def bus() -> Iterator[RawServer]:
    """Where events go."""
    with serve(OK) as bus:
        yield bus


@pytest.fixture(scope="module")
def acme(
    tmp_path_factory: pytest.TempPathFactory, models_dir: Path, bus: RawServer
) -> Iterator[ChimeServer]:
    settings = {
        "EARMARK_MODELS_DIR": str(models_dir),
        "EARMARK_STANDING_CONSENT": "I agree that my voice is recognised when I call.",
        "EARMARK_ALLOW_HTTP": "1",
        "EARMARK_ALLOW_ADDRESSES": "127.0.0.1",
        "EARMARK_CHIME_EVENT_URLS": bus.url("/bus"),
    }
    with running(tmp_path_factory.mktemp("chime"), settings=settings) as server:
        yield ChimeServer(server, "acme")


class Line:
    """A call on a connector of its own."""

    def __init__(self, acme: ChimeServer, transaction: str) -> None:
        self.acme, self.transaction = acme, transaction
        self.connector = acme.connector()
        self.path = f"/api/v1/calls/{self.connector}/{transaction}"
        with acme.http() as http:
            assert http.put(self.path).status_code == 201

    def say(self, sound: bytes, **query: Any) -> dict[str, Any]:
        with self.acme.http() as http:
            answer = http.post(f"{self.path}/audio", content=sound, params=query)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def end(self) -> None:
        with self.acme.http() as http:
            assert http.post(f"{self.path}/end").json()["state"] == "ended"

    def start(self, domain: str, **asked: Any) -> dict[str, Any]:
        task: dict[str, Any] = self.acme.client.start_speaker_search_task(
            VoiceConnectorId=self.connector,
            TransactionId=self.transaction,
            VoiceProfileDomainId=domain,
            **asked,
        )["SpeakerSearchTask"]
        return task

    def look(self, task: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self.acme.client.get_speaker_search_task(
            VoiceConnectorId=self.connector, SpeakerSearchTaskId=task["SpeakerSearchTaskId"]
        )["SpeakerSearchTask"]
        return found

    def wait(self, task: dict[str, Any]) -> dict[str, Any]:
        """The task when it is over."""

        def over() -> dict[str, Any] | None:
            found = self.look(task)
            waiting = found["SpeakerSearchTaskStatus"] in ("IN_QUEUE", "IN_PROGRESS")
            return None if waiting else found

        return until(over, within_s=120, what="the end of a task")


@pytest.fixture(scope="module")
def june(acme: ChimeServer, people: People) -> dict[str, Any]:
    """A domain in which june was enrolled from a call; what was seen on the way."""
    domain, line = acme.domain("regulars"), Line(acme, "first-call")
    task = line.start(domain, CallLeg="Caller", ClientRequestToken="token-1")
    again = line.start(domain, CallLeg="Caller", ClientRequestToken="token-1")
    samples = people.samples("june", 32.0)
    line.say(samples[: 6 * RATE].tobytes(), leg="caller", **RAW)
    started = until(lambda: found if "StartedTimestamp" in (found := line.look(task)) else None)
    line.say(samples[6 * RATE : 17 * RATE].tobytes(), leg="caller", **RAW)
    identified = until(
        lambda: found if "SpeakerSearchDetails" in (found := line.look(task)) else None
    )
    line.say(samples[17 * RATE :].tobytes(), leg="caller", **RAW)
    done = line.wait(task)
    made = acme.client.create_voice_profile(SpeakerSearchTaskId=task["SpeakerSearchTaskId"])
    return {
        "domain": domain,
        "line": line,
        "task": task,
        "again": again,
        "started": started,
        "identified": identified,
        "done": done,
        "profile": made["VoiceProfile"],
    }


@pytest.fixture(scope="module")
def second(acme: ChimeServer, june: dict[str, Any], people: People) -> dict[str, Any]:
    """A call in one stereo file between june, who said other things before, and a stranger."""
    line = Line(acme, "second-call")
    both = [people.samples(name, 28.0, part=1) for name in ("june", "carlo")]
    document = line.say(wav_of(np.stack(both, axis=1)))
    assert document["sound_s"] == {"caller": 28.0, "callee": 28.0}
    line.end()
    tasks = {leg: line.start(june["domain"], CallLeg=leg) for leg in ("Caller", "Callee")}
    return {"line": line, **{leg: line.wait(task) for leg, task in tasks.items()}}


def test_a_task_waits_for_the_sound_that_it_needs(june: dict[str, Any]) -> None:
    assert june["task"]["SpeakerSearchTaskStatus"] == "IN_QUEUE"
    assert june["task"]["CallDetails"] == {
        "VoiceConnectorId": june["line"].connector,
        "TransactionId": "first-call",
        "IsCaller": True,
    }
    assert june["again"]["SpeakerSearchTaskId"] == june["task"]["SpeakerSearchTaskId"]
    assert june["started"]["SpeakerSearchTaskStatus"] == "IN_PROGRESS"
    assert "SpeakerSearchDetails" not in june["started"]
    assert june["identified"]["SpeakerSearchTaskStatus"] == "IN_PROGRESS"
    assert june["identified"]["SpeakerSearchDetails"] == {"Results": []}
    assert june["done"]["SpeakerSearchTaskStatus"] == "SUCCEEDED"
    assert june["done"]["SpeakerSearchDetails"] == {
        "Results": [],
        "VoiceprintGenerationStatus": "VoiceprintGenerationSuccess",
    }


def test_a_profile_is_enrolled_from_the_task(acme: ChimeServer, june: dict[str, Any]) -> None:
    profile = june["profile"]
    assert profile["VoiceProfileDomainId"] == june["domain"]
    years = (profile["ExpirationTimestamp"] - profile["CreatedTimestamp"]).days / 365.25
    assert years == pytest.approx(3, abs=0.01)
    once_more = acme.client.create_voice_profile(
        SpeakerSearchTaskId=june["task"]["SpeakerSearchTaskId"]
    )
    assert once_more["VoiceProfile"]["VoiceProfileId"] == profile["VoiceProfileId"]
    arn, tags = profile["VoiceProfileArn"], [{"Key": "desk", "Value": "1"}]
    acme.client.tag_resource(ResourceARN=arn, Tags=tags)
    assert acme.client.list_tags_for_resource(ResourceARN=arn)["Tags"] == tags
    listed = acme.client.list_voice_profiles(VoiceProfileDomainId=june["domain"])["VoiceProfiles"]
    assert [each["VoiceProfileId"] for each in listed] == [profile["VoiceProfileId"]]
    with acme.http() as http:
        (consent,) = http.get(f"{SPEAKERS}/{profile['VoiceProfileId']}/consents").json()["items"]
    assert consent["text"] == "I agree that my voice is recognised when I call."


def test_the_same_person_is_found_in_another_call(
    june: dict[str, Any], second: dict[str, Any]
) -> None:
    assert second["Caller"]["SpeakerSearchTaskStatus"] == "SUCCEEDED"
    (found,) = second["Caller"]["SpeakerSearchDetails"]["Results"]
    assert found["VoiceProfileId"] == june["profile"]["VoiceProfileId"]
    assert 0.9 < found["ConfidenceScore"] <= 1


def test_a_stranger_is_not(second: dict[str, Any]) -> None:
    assert second["Callee"]["SpeakerSearchTaskStatus"] == "SUCCEEDED"
    assert second["Callee"]["CallDetails"]["IsCaller"] is False
    assert second["Callee"]["SpeakerSearchDetails"]["Results"] == []


def test_a_match_postpones_the_expiry(
    acme: ChimeServer, june: dict[str, Any], second: dict[str, Any]
) -> None:
    del second
    profile = june["profile"]
    now = acme.client.get_voice_profile(VoiceProfileId=profile["VoiceProfileId"])["VoiceProfile"]
    assert now["ExpirationTimestamp"] > profile["ExpirationTimestamp"]


def test_a_profile_is_replaced_and_deleted(
    acme: ChimeServer, june: dict[str, Any], second: dict[str, Any]
) -> None:
    """The stranger gets a profile, whose voice june's second call then replaces."""
    made = acme.client.create_voice_profile(
        SpeakerSearchTaskId=second["Callee"]["SpeakerSearchTaskId"]
    )["VoiceProfile"]
    changed = acme.client.update_voice_profile(
        VoiceProfileId=made["VoiceProfileId"],
        SpeakerSearchTaskId=second["Caller"]["SpeakerSearchTaskId"],
    )["VoiceProfile"]
    assert changed["VoiceProfileId"] == made["VoiceProfileId"]
    assert changed["ExpirationTimestamp"] > made["ExpirationTimestamp"]
    with acme.http() as http:
        held = http.get(f"{SPEAKERS}/{made['VoiceProfileId']}/voiceprints").json()["items"]
    assert len(held) == 1

    acme.client.delete_voice_profile(VoiceProfileId=made["VoiceProfileId"])
    refused(acme.client, "NotFoundException", acme.client.get_voice_profile,
            VoiceProfileId=made["VoiceProfileId"])  # fmt: skip
    message = refused(acme.client, "ConflictException", acme.client.delete_voice_profile_domain,
                      VoiceProfileDomainId=june["domain"])  # fmt: skip
    assert "voice profiles" in message


def test_too_little_speech_fails_and_some_is_a_part_of_success(
    acme: ChimeServer, june: dict[str, Any], people: People
) -> None:
    sound = people.samples("ira", 15.0)
    heard = {
        "short": sound[: 4 * RATE],
        "silent": np.zeros(12 * RATE, np.int16),
        "some": sound,
    }
    done = {}
    for name, samples in heard.items():
        line = Line(acme, name)
        line.say(samples.tobytes(), leg="callee", **RAW)
        task = line.start(june["domain"], CallLeg="Callee")
        line.end()
        done[name] = line.wait(task)
    for name in ("short", "silent"):
        assert done[name]["SpeakerSearchTaskStatus"] == "FAILED"
        assert "10 s are needed" in done[name]["StatusMessage"]
    assert done["some"]["SpeakerSearchTaskStatus"] == "PARTIAL_SUCCESS"
    assert "20 s are needed" in done["some"]["StatusMessage"]
    assert done["some"]["SpeakerSearchDetails"] == {
        "Results": [],
        "VoiceprintGenerationStatus": "VoiceprintGenerationFailure",
    }
    for task in done.values():
        refused(acme.client, "ConflictException", acme.client.create_voice_profile,
                SpeakerSearchTaskId=task["SpeakerSearchTaskId"])  # fmt: skip


def test_a_task_can_be_stopped_while_it_waits(acme: ChimeServer, june: dict[str, Any]) -> None:
    line = Line(acme, "silent")
    task = line.start(june["domain"])
    refused(acme.client, "ConflictException", acme.client.create_voice_profile,
            SpeakerSearchTaskId=task["SpeakerSearchTaskId"])  # fmt: skip
    stop = {
        "VoiceConnectorId": line.connector,
        "SpeakerSearchTaskId": task["SpeakerSearchTaskId"],
    }
    for _ in range(2):  # again is no error
        answer = acme.client.stop_speaker_search_task(**stop)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert line.look(task)["SpeakerSearchTaskStatus"] == "STOPPED"
    stop = {
        "VoiceConnectorId": june["line"].connector,
        "SpeakerSearchTaskId": june["task"]["SpeakerSearchTaskId"],
    }
    refused(acme.client, "ConflictException", acme.client.stop_speaker_search_task, **stop)


def test_an_unused_voiceprint_is_forgotten(
    acme: ChimeServer, second: dict[str, Any], people: People, june: dict[str, Any]
) -> None:
    line = Line(acme, "forgotten")
    line.say(people.wav("allison", 28.0), leg="caller")
    task = line.wait(line.start(june["domain"]))
    assert task["SpeakerSearchTaskStatus"] == "SUCCEEDED"
    task_id = task["SpeakerSearchTaskId"]
    with_store = Store.open(Settings(data_dir=acme.server.data_dir))
    with with_store.database.write() as connection:
        rows = job_voiceprints.update().filter_by(job_id=task_id)
        changed = connection.execute(rows.values(expires_at=time.time() - 1))
        assert changed.rowcount == 1
    with_store.close()
    refused(acme.client, "GoneException", acme.client.create_voice_profile,
            SpeakerSearchTaskId=task_id)  # fmt: skip
    del second


def test_events_say_how_a_task_went(
    bus: RawServer, june: dict[str, Any], second: dict[str, Any]
) -> None:
    connectors = (june["line"].connector, second["line"].connector)

    def told() -> list[dict[str, Any]] | None:
        events = [json.loads(each.partition(b"\r\n\r\n")[2]) for each in list(bus.requests)]
        ours = [each for each in events if each["detail"]["voiceConnectorId"] in connectors]
        return ours if len(ours) >= 8 else None

    events = until(told, what="eight events")
    for event in events:
        assert event["source"] == "aws.chime"
        assert event["service-type"] == "VoiceAnalytics"
        assert event["version"] == "0"
        assert len(event["account"]) == 12
        assert event["region"] == "eu-west-2"
    opened = [each["detail"] for each in events if each["detail-type"] == "VoiceAnalyticsStatus"]
    assert [each["detailStatus"] for each in opened] == ["AnalyticsReady"] * 2
    assert {each["transactionId"] for each in opened} == {"first-call", "second-call"}
    statuses: dict[str, set[str]] = {}
    for event in events:
        if event["detail-type"] == "SpeakerSearchStatus":
            detail = event["detail"]
            statuses.setdefault(detail["taskId"], set()).add(detail["detailStatus"])
            if detail["detailStatus"] == "IdentificationSuccessful":
                (match,) = detail["speakerSearchDetails"]["results"]
                assert match["voiceProfileId"] == june["profile"]["VoiceProfileId"]
    ids = [each["SpeakerSearchTaskId"] for each in (june["task"], second["Caller"],
                                                    second["Callee"])]  # fmt: skip
    print_made = "VoiceprintGenerationSuccessful"
    assert statuses == {
        ids[0]: {"IdentificationNoMatchesFound", print_made},
        ids[1]: {"IdentificationSuccessful", print_made},
        ids[2]: {"IdentificationNoMatchesFound", print_made},
    }


def test_the_program_of_the_documentation_runs(
    acme: ChimeServer, people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = re.search(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    program = found[1]
    for said, meant in (
        ("http://127.0.0.1:8000", acme.server.url),
        ('"em_…"', repr(acme.token)),
        ('"EK…"', repr(acme.key_id)),
        ('secret_access_key="…"', f"secret_access_key={acme.secret!r}"),
    ):
        assert said in program
        program = program.replace(said, meant)
    (tmp_path / "caller.wav").write_bytes(people.wav("carlo", 26.0, part=2))
    monkeypatch.chdir(tmp_path)
    seen: dict[str, Any] = {}
    exec(program, seen)
    for client in (seen["earmark"], seen["chime"]):
        client.close()
    assert seen["task"]["SpeakerSearchTaskStatus"] == "SUCCEEDED"
    assert seen["profile"]["VoiceProfile"]["VoiceProfileDomainId"] == seen["domain_id"]
