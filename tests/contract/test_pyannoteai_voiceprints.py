"""Voiceprints and identification with the vendor's own client, against a running server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from pyannoteai.sdk import Client
from pyannoteai.sdk.client import PyannoteAIFailedJob

from earmark.audio import read_audio
from earmark.diarization import Diarization
from earmark.voiceprints import Voiceprint
from people import RATE, People, wav_of
from raw_server import serve as receiving
from server import Server, running
from waiting import until

pytestmark = pytest.mark.filterwarnings(
    r"ignore:\s*You are using:UserWarning",  # the client's advice about uploads and polling
)

TAKEN = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
TURN_S = 4.0  # how long the two people of a call speak before the other one does
MONOLOGUE = (21.8, 28.4)  # where one of the two of the sample talks alone


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Server]:
    settings = {
        "EARMARK_MODELS_DIR": str(models_dir),
        "EARMARK_ALLOW_HTTP": "1",
        "EARMARK_ALLOW_ADDRESSES": "127.0.0.1",
    }
    with running(tmp_path_factory.mktemp("voiceprints"), settings=settings) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Client]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Client, "API_URL", f"{server.url}/v1")
        yield Client(token=server.key)


@pytest.fixture(scope="module")
def upload(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], str]:
    """Hands a recording to the server; its address there."""

    def upload(recording: bytes) -> str:
        file = tmp_path_factory.mktemp("recording") / "recording.wav"
        file.write_bytes(recording)
        return str(client.upload(file))

    return upload


@pytest.fixture(scope="module")
def enrol(client: Client, upload: Callable[[bytes], str]) -> Callable[[bytes], str]:
    """Has a voiceprint made; the voiceprint."""

    def enrol(recording: bytes) -> str:
        output = client.retrieve(client.voiceprint(upload(recording)), every_seconds=1)["output"]
        assert output.keys() == {"voiceprint"}
        assert len(output["voiceprint"]) < 20_000
        return str(output["voiceprint"])

    return enrol


@pytest.fixture(scope="module")
def prints(enrol: Callable[[bytes], str], people: People) -> dict[str, str]:
    """June, who speaks in the call, and Allison, who does not."""
    return {name.title(): enrol(people.wav(name, 12.0, part=0)) for name in ("june", "allison")}


@pytest.fixture(scope="module")
def call(upload: Callable[[bytes], str], people: People) -> str:
    """June and Carlo in turns, in other words than those June was enrolled with."""
    voices = [people.samples(name, 3 * TURN_S, part=1) for name in ("june", "carlo")]
    turns = [np.split(voice, 3) for voice in voices]
    return upload(wav_of(np.concatenate([turns[i % 2][i // 2] for i in range(6)])))


def identify(client: Client, media: str, prints: dict[str, str], **asked: Any) -> dict[str, Any]:
    job = client.retrieve(client.identify(media, prints, **asked), every_seconds=1)
    output: dict[str, Any] = job["output"]
    return output


def assert_not_stored(server: Server, voiceprint: str) -> None:
    """Neither in the log nor in anything else on the server's disk."""
    vector = Voiceprint.from_base64(voiceprint).vector.tobytes()[400:440]
    for file in server.data_dir.rglob("*"):
        if file.is_file():
            stored = file.read_bytes()
            assert vector not in stored, file
            assert voiceprint[400:440].encode() not in stored, file


def matches(output: dict[str, Any]) -> list[str | None]:
    return [each["match"] for each in output["voiceprints"]]


def test_that_a_person_is_found_and_a_stranger_is_not(
    server: Server, client: Client, call: str, prints: dict[str, str]
) -> None:
    output = identify(
        client,
        call,
        prints,
        matching_threshold=50,
        num_speakers=2,
        exclusive=True,
        confidence=True,
        turn_level_confidence=True,
    )
    assert output.keys() == {
        *("diarization", "identification", "voiceprints", "exclusiveDiarization", "confidence"),
    }
    june, carlo = output["voiceprints"]  # as they come to speak
    assert (june["match"], carlo["match"]) == ("June", None)
    assert june["confidence"]["June"] > 90
    assert max(june["confidence"]["Allison"], *carlo["confidence"].values()) < 50

    turns = output["identification"]
    assert len(turns) == len(output["diarization"])
    for named, turn in zip(turns, output["diarization"], strict=True):
        assert named.keys() == {*turn, "diarizationSpeaker", "match"}
        assert (named["start"], named["end"]) == (turn["start"], turn["end"])
        assert named["diarizationSpeaker"] == turn["speaker"]
        assert named["speaker"] == (named["match"] or turn["speaker"])
        middle = (turn["start"] + turn["end"]) / 2
        assert named["match"] == ("June" if middle // TURN_S % 2 == 0 else None)
    assert_not_stored(server, prints["June"])


def test_that_without_a_threshold_everybody_is_matched(
    client: Client, call: str, prints: dict[str, str]
) -> None:
    june = {"June": prints["June"]}
    jobs = [
        client.identify(call, known, num_speakers=2, exclusive_matching=exclusive)
        for known, exclusive in ((prints, True), (june, True), (june, False))
    ]
    found = [matches(client.retrieve(job, every_seconds=1)["output"]) for job in jobs]
    assert found == [["June", "Allison"], ["June", None], ["June", "June"]]


def test_that_one_of_two_on_the_telephone_is_found(
    client: Client,
    upload: Callable[[bytes], str],
    enrol: Callable[[bytes], str],
    prints: dict[str, str],
    sample_wav: Path,
    sample_rttm: Path,
) -> None:
    sound = np.round(read_audio(sample_wav)[0] * 32767).astype(np.int16)

    def cut(start: float, end: float) -> bytes:
        return wav_of(sound[round(start * 16000) : round(end * 16000)], rate=16000)

    known = prints | {"Caller": enrol(cut(*MONOLOGUE))}
    output = identify(client, upload(cut(0, MONOLOGUE[0])), known, matching_threshold=50)
    assert sorted(matches(output), key=str) == ["Caller", None]

    reference = Diarization.from_rttm(sample_rttm)
    talk = reference.crop(*MONOLOGUE).chart().speakers
    caller = max(talk, key=lambda each: each.talk).speaker
    found = [turn for turn in output["identification"] if turn["match"] == "Caller"]
    right = sum(
        max(0.0, min(turn["end"], spoken.end) - max(turn["start"], spoken.start))
        for turn in found
        for spoken in reference.turns
        if spoken.speaker == caller
    )
    assert right > 0.8 * sum(turn["end"] - turn["start"] for turn in found)


def test_the_voiceprint_of_one_of_two(server: Server, client: Client, sample_wav: Path) -> None:
    with receiving(TAKEN) as receiver:
        job_id = client.voiceprint(client.upload(sample_wav), webhook=receiver.url())
        output = client.retrieve(job_id, every_seconds=1)["output"]
        until(lambda: len(receiver.requests) == 1)
        told = json.loads(receiver.requests[0].partition(b"\r\n\r\n")[2])
    assert output.keys() == {"voiceprint", "warning"}
    assert "2 people speak" in output["warning"]
    assert told == {"jobId": job_id, "status": "succeeded", "output": output}
    assert_not_stored(server, output["voiceprint"])


def test_what_no_voiceprint_is_made_of(
    client: Client, upload: Callable[[bytes], str], people: People
) -> None:
    silence = np.zeros(5 * RATE, np.int16)
    for recording, why in (
        (wav_of(silence), "0.0 s of one person's clear speech"),
        (people.wav("june", 0.5), "s of one person's clear speech"),
        (people.wav("june", 33.0), "31 s"),
        (b"These are notes, not sound.\n" * 100, "not audio that can be read"),
    ):
        job_id = client.voiceprint(upload(recording))
        with pytest.raises(PyannoteAIFailedJob, match=why):
            client.retrieve(job_id, every_seconds=1)


def test_voiceprints_that_are_not_compared(
    client: Client, call: str, prints: dict[str, str]
) -> None:
    june = prints["June"]
    own = Voiceprint.from_base64(june)
    foreign = Voiceprint(vector=own.vector, model="precision-2", net_speech_s=own.net_speech_s)
    for sent, field in (
        ({"June": foreign.to_base64()}, "voiceprints.0.voiceprint"),
        ({"Allison": prints["Allison"], "June": june[:-20]}, "voiceprints.1.voiceprint"),
        ({"SPEAKER_00": june}, "voiceprints.0.label"),
        ({f"person {i}": june for i in range(51)}, "voiceprints"),
    ):
        with pytest.raises(requests.HTTPError) as caught:
            client.identify(call, sent)
        assert caught.value.response.status_code == 400
        (error,) = caught.value.response.json()["errors"]
        assert error["field"] == field
        assert error["message"]
