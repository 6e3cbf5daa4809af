"""Phonexia's tasks from the recording to the result, with the code of the vendor's guide."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from audio_samples import make, wav
from earmark.audio import read_audio
from earmark.traits import gender_of
from earmark.voiceprints import Voiceprint
from people import RATE, People, wav_of
from server import Server, running

DIARIZATION = "/api/technology/speaker-diarization"
VOICE_ACTIVITY = "/api/technology/voice-activity-detection"
EXTRACTION = "/api/technology/speaker-identification-voiceprint-extraction"
COMPARISON = "/api/technology/speaker-identification-voiceprint-comparison"
GENDER = "/api/technology/gender-identification"
VOICEPRINT_GENDERS = "/api/technology/gender-identification-voiceprints"

CALL_S, MONOLOGUE = 30.0, (21.8, 28.4)  # where one of the two talks alone
HEARD_AT_ONCE_S = 1.024  # of sound, after which is looked whether there is enough speech
ALONE_S = (12.0, 18.6)  # where the monologue is put


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Server]:
    settings = {"EARMARK_ANONYMOUS_TENANT": "calls", "EARMARK_MODELS_DIR": str(models_dir)}
    with running(tmp_path_factory.mktemp("phonexia"), settings=settings) as server:
        yield server


@pytest.fixture(scope="module")
def stereo(sample_wav: Path) -> bytes:
    """Two recordings side by side: a call of two people, and one of them talking alone."""
    call = read_audio(sample_wav)[0]
    alone = np.zeros_like(call)
    first, last = (round(at * 16000) for at in MONOLOGUE)
    place = round(ALONE_S[0] * 16000)
    alone[place : place + last - first] = call[first:last]
    return wav(np.round(np.stack([call, alone]) * 32767).astype(np.int16), 16000)


def run(server: Server, recording: bytes, path: str = DIARIZATION, **asked: Any) -> dict[str, Any]:
    """Start a task and poll it as the vendor's guide does; the last answer."""
    config = asked.pop("config", None)
    answer = requests.post(
        server.url + path,
        params=asked,
        files={"file": ("call.wav", io.BytesIO(recording))},
        data=None if config is None else {"config": json.dumps(config)},
        timeout=60,
    )
    return followed(server, path, answer)


def followed(server: Server, path: str, started: requests.Response) -> dict[str, Any]:
    """The last answer about a task that was started."""
    assert started.status_code == 202, started.text
    task = started.json()["task"]
    location = started.headers["X-Location"]
    assert task["state"] == "pending"
    assert location == started.headers["Location"] == f"{path}/{task['task_id']}"
    deadline = time.monotonic() + 300
    while True:
        answer = requests.get(server.url + location, timeout=60)
        assert answer.status_code == 200
        body: dict[str, Any] = answer.json()
        assert set(body) == {"task", "result", "error"}
        assert body["task"]["task_id"] == task["task_id"]
        if body["task"]["state"] not in ("pending", "running"):
            return body
        assert (body["result"], body["error"]) == (None, None)
        assert time.monotonic() < deadline, "The task takes too long."
        time.sleep(0.2)


def channels(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The channels of a task that is done; their segments make sense."""
    assert body["task"]["state"] == "done", body["error"]
    assert body["error"] is None
    found: list[dict[str, Any]] = body["result"]["channels"]
    for channel in found:
        last = 0.0
        for segment in channel["segments"]:
            assert 0 <= last <= segment["start_time"] < segment["end_time"] <= CALL_S
            last = segment["start_time"]
    return found


def speakers(channel: dict[str, Any]) -> set[int]:
    """The ids of a channel's speakers, which count from 0 in the order of their appearance."""
    ids = list(dict.fromkeys(segment["speaker_id"] for segment in channel["segments"]))
    assert ids == list(range(channel["speakers_count"]))
    assert all(
        set(segment) == {"speaker_id", "start_time", "end_time"} for segment in channel["segments"]
    )
    return set(ids)


def speech(channel: dict[str, Any]) -> float:
    return float(sum(each["end_time"] - each["start_time"] for each in channel["segments"]))


def test_each_channel_has_a_result_of_its_own(server: Server, stereo: bytes) -> None:
    call, alone = channels(run(server, stereo))
    assert (call["channel_number"], alone["channel_number"]) == (0, 1)
    assert (speakers(call), speakers(alone)) == ({0, 1}, {0})
    assert ALONE_S[0] - 0.5 < alone["segments"][0]["start_time"]
    assert alone["segments"][-1]["end_time"] < ALONE_S[1] + 0.5


def test_one_channel_of_two(server: Server, stereo: bytes) -> None:
    (alone,) = channels(run(server, stereo, channels="1"))
    assert (alone["channel_number"], speakers(alone)) == (1, {0})


def test_a_mix_is_one_channel(server: Server, stereo: bytes) -> None:
    (mixed,) = channels(run(server, stereo, channel_mode="mix"))
    assert (mixed["channel_number"], speakers(mixed)) == (0, {0, 1})


def test_a_mix_of_some_channels_and_a_silent_one(server: Server, stereo: bytes) -> None:
    call, alone = np.frombuffer(stereo[44:], np.int16).reshape(-1, 2).T
    three = wav(np.stack([call, np.zeros_like(call), alone]), 16000)
    (mixed,) = channels(run(server, three, channel_mode="mix", channels="1,2"))
    assert (mixed["channel_number"], speakers(mixed)) == (0, {0})
    assert ALONE_S[0] - 0.5 < mixed["segments"][0]["start_time"]
    found = channels(run(server, wav(np.stack([call, np.zeros_like(call)]), 16000)))
    assert [each["channel_number"] for each in found] == [0, 1]
    assert (found[1]["speakers_count"], found[1]["segments"]) == (0, [])


def test_a_range_keeps_the_time_of_the_file(server: Server, stereo: bytes) -> None:
    found = channels(run(server, stereo, range_from=15, range_to=20.5, channels="0,1"))
    for channel in found:
        assert channel["segments"]
        assert channel["segments"][0]["start_time"] >= 15
        assert max(each["end_time"] for each in channel["segments"]) <= 20.5 + 0.02


@pytest.mark.parametrize(
    ("config", "count"),
    [({"total_speakers": 3, "unknown": True}, 3), ({"max_speakers": 1}, 1), ({}, 2)],
)
def test_the_number_of_speakers(
    server: Server, sample_wav: Path, config: dict[str, Any], count: int
) -> None:
    (call,) = channels(run(server, sample_wav.read_bytes(), config=config))
    assert len(speakers(call)) == count


def extracted(server: Server, recording: bytes, **asked: Any) -> list[dict[str, Any]]:
    """The channels of an extraction that is done."""
    body = run(server, recording, EXTRACTION, **asked)
    assert body["task"]["state"] == "done", body["error"]
    found: list[dict[str, Any]] = body["result"]["channels"]
    for channel in found:
        assert set(channel) == {"channel_number", "voiceprint", "speech_length", "model"}
        assert channel["model"] == "earmark-1"
    return found


def compared(server: Server, a: list[str], b: list[str]) -> dict[str, Any]:
    """The scores of a comparison that is done."""
    sent = {"voiceprints_a": a, "voiceprints_b": b}
    answer = requests.post(server.url + COMPARISON, json=sent, timeout=60)
    body = followed(server, COMPARISON, answer)
    assert (body["task"]["state"], body["error"]) == ("done", None)
    assert set(body["result"]) == {"scores"}
    scores: dict[str, Any] = body["result"]["scores"]
    return scores


def test_a_person_is_found_again_and_a_stranger_is_not(server: Server, people: People) -> None:
    """June and Carlo on two channels; later June alone, and Allison."""
    both = np.stack([people.samples(name, 10.0) for name in ("june", "carlo")], axis=1)
    first = extracted(server, wav_of(both))
    assert [each["channel_number"] for each in first] == [0, 1]
    later = [
        *extracted(server, people.wav("june", 10.0, part=1)),
        *extracted(server, people.wav("allison", 10.0, part=1)),
    ]
    assert all(4 < each["speech_length"] <= 10 for each in (*first, *later))

    june, carlo = (each["voiceprint"] for each in first)
    again, allison = (each["voiceprint"] for each in later)
    scores = compared(server, [june, carlo, june], [again, allison])
    assert (scores["columns_count"], scores["rows_count"]) == (3, 2)
    values = scores["values"]
    assert len(values) == 6
    assert values[0] == values[2] > 0  # both times June
    assert max(values[1], *values[3:]) < 0
    turned = compared(server, [again, allison], [june, carlo, june])
    assert turned["values"] == [values[j * 3 + i] for i in range(3) for j in range(2)]


def test_the_voiceprint_of_a_range_of_a_mix(server: Server, stereo: bytes) -> None:
    whole, part = (
        extracted(server, stereo, channel_mode="mix", **asked)
        for asked in ({}, {"range_from": 22, "range_to": 28})
    )
    assert len(whole) == len(part) == 1
    assert 2 < part[0]["speech_length"] < whole[0]["speech_length"] <= CALL_S
    assert part[0]["channel_number"] == 0


def test_a_channel_in_which_nobody_speaks_has_no_voiceprint(server: Server, people: People) -> None:
    june = people.samples("june", 5.0)
    heard, silent = extracted(server, wav_of(np.stack([june, np.zeros_like(june)], axis=1)))
    assert Voiceprint.from_base64(heard["voiceprint"]).net_speech_s == pytest.approx(
        heard["speech_length"], abs=1e-3
    )
    assert (silent["voiceprint"], silent["speech_length"]) == ("", 0.0)


@pytest.mark.parametrize("seconds", [0.0, 0.5])
def test_too_little_speech_for_a_voiceprint(server: Server, people: People, seconds: float) -> None:
    recording = np.zeros(3 * RATE, np.int16)
    recording[: round(seconds * RATE)] = people.samples("june", seconds)
    body = run(server, wav_of(recording), EXTRACTION)
    assert (body["task"]["state"], body["result"]) == ("rejected", None)
    (detail,) = body["error"]["detail"]
    assert (detail["location"], detail["type"]) == (["body", "file"], "speech.too-little")


def test_the_gender_of_each_channel_and_of_its_voiceprint(server: Server, people: People) -> None:
    """Allison on the one channel, Carlo on the other, nobody on the third."""
    allison, carlo = (people.samples(name, 6.0) for name in ("allison", "carlo"))
    call = wav_of(np.stack([allison, carlo, np.zeros_like(carlo)], axis=1))
    body = run(server, call, GENDER, max_speech_length=2.5)
    assert body["task"]["state"] == "done", body["error"]
    woman, man, nobody = body["result"]["channels"]
    assert [each["channel_number"] for each in (woman, man, nobody)] == [0, 1, 2]
    assert woman["score_female"]["score_llr"] > max(1, man["score_female"]["score_llr"])
    assert all(1 < each["speech_length"] <= 2.5 + HEARD_AT_ONCE_S for each in (woman, man))
    nothing = {"speech_length": 0, "score_male": None, "score_female": None}
    assert nobody == {"channel_number": 2, **nothing}

    prints = [each["voiceprint"] for each in extracted(server, call, channels="0,1")]
    sent = {"voiceprints": prints}
    answer = requests.post(server.url + VOICEPRINT_GENDERS, json=sent, timeout=60)
    results = followed(server, VOICEPRINT_GENDERS, answer)["result"]["results"]
    expected = [gender_of(Voiceprint.from_base64(each)) for each in prints]
    for found, gender in zip(results, expected, strict=True):
        assert found["speech_length"] == pytest.approx(gender.speech_s, abs=1e-3)
        assert found["score_female"]["score_llr"] == pytest.approx(gender.llr, abs=1e-4)
    assert results[0]["score_female"]["score_llr"] > 0.5
    assert results[1]["score_male"]["score_llr"] > 1.5
    for each in (woman, man, *results):
        female, male = each["score_female"], each["score_male"]
        assert male["score_llr"] == -female["score_llr"]
        assert female["probability"] + male["probability"] == pytest.approx(1)


def test_the_programs_of_the_docs(
    server: Server, sample_wav: Path, people: People, tmp_path: Path
) -> None:
    shutil.copy(sample_wav, tmp_path / "call.wav")
    for day, part in (("monday", 0), ("friday", 1)):
        (tmp_path / f"{day}.wav").write_bytes(people.wav("june", 8.0, part=part))
    page = (Path(__file__).parents[2] / "docs/phonexia.md").read_text(encoding="utf-8")
    blocks = [block.partition("```")[0] for block in page.split("```python\n")[1:]]
    program = "\n".join(blocks).replace("http://127.0.0.1:8000", server.url)
    program = program.replace('"channels": "0,1", ', "").replace("em_…", server.key)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    task, score = done.stdout.splitlines()
    assert "speakers_count" in task
    assert float(score) > 0


def test_where_somebody_speaks(server: Server, stereo: bytes) -> None:
    call, alone = channels(run(server, stereo, VOICE_ACTIVITY))
    assert (call["channel_number"], alone["channel_number"]) == (0, 1)
    for channel in (call, alone):
        assert set(channel) == {"channel_number", "speech_length", "segments"}
        assert {each["segment_type"] for each in channel["segments"]} == {"voice"}
        assert channel["speech_length"] == pytest.approx(speech(channel), abs=0.01)
    assert call["speech_length"] > alone["speech_length"] > 5
    (mixed,) = channels(run(server, stereo, VOICE_ACTIVITY, channel_mode="mix", range_from=25))
    assert mixed["channel_number"] == 0
    assert mixed["segments"][0]["start_time"] >= 25


@pytest.mark.parametrize(
    ("recording", "asked", "cause"),
    [
        (b"", {}, "audio.empty"),
        (b"These are only words. " * 500, {}, "audio.unsupported"),
        (make("flac", 2.0)[:-5000], {}, "audio.damaged"),
        (make("wav-s16", 1.0), {"range_from": 5}, "audio.empty"),
        (make("wav-s16", 1.0), {"channels": "0,1"}, "input.option"),
    ],
    ids=["empty", "text", "truncated", "nothing in the range", "no such channel"],
)
@pytest.mark.parametrize("path", [DIARIZATION, VOICE_ACTIVITY, EXTRACTION, GENDER])
def test_unfit_input_is_rejected(
    server: Server, path: str, recording: bytes, asked: dict[str, Any], cause: str
) -> None:
    body = run(server, recording, path, **asked)
    assert (body["task"]["state"], body["result"]) == ("rejected", None)
    error = body["error"]
    assert error["type"] == "task.validation-error"
    (detail,) = error["detail"]
    assert (detail["message"], detail["type"]) == (error["message"], cause)
    assert detail["location"] == (["query"] if cause == "input.option" else ["body", "file"])
