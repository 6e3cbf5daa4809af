"""Tasks as Phonexia shows them: states, results per channel, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from earmark.dialects.phonexia._render import state_of, task_body
from earmark.dialects.phonexia._technologies import (
    COMPARISON,
    RECORDING_TECHNOLOGIES,
    VOICEPRINT_GENDERS,
)
from earmark.diarization import ChannelSpeech, Diarization, SpeechActivity, Turn
from earmark.errors import Kind, NotFound
from earmark.service import (
    Comparison,
    Job,
    JobError,
    JobState,
    Voice,
    VoiceprintGenders,
    Voices,
)
from earmark.traits import ChannelGender, Gender, Genders
from earmark.voiceprints import Voiceprint
from some_job import some_job

DIARIZATION, VOICE_ACTIVITY, EXTRACTION, GENDER = RECORDING_TECHNOLOGIES


def job(state: JobState, *, error: JobError | None = None) -> Job:
    return some_job(
        state,
        id="123e4567-e89b-12d3-a456-426614174000",
        dialect="phonexia",
        media_id="m",
        url=None,
        error=error,
    )


def failed(kind: Kind, code: str) -> Job:
    return job(JobState.FAILED, error=JobError(kind=kind, code=code, message="It is silent."))


def turn(start: float, end: float, speaker: str, channel: int | None) -> Turn:
    return Turn(start=start, end=end, speaker=speaker, channel=channel)


def document(*turns: Turn, channels: tuple[int, ...] = (0,)) -> bytes:
    found = Diarization(turns=turns, exclusive=(), duration=30.0, channels=channels)
    return found.to_json().encode()


def segment(speaker: int, start: float, end: float) -> dict[str, Any]:
    return {"speaker_id": speaker, "start_time": start, "end_time": end}


def test_each_channel_numbers_its_own_speakers_as_they_appear() -> None:
    found = document(
        turn(0.5, 2.0, "CH1_SPEAKER_01", 1),
        turn(1.0, 3.0, "CH0_SPEAKER_00", 0),
        turn(4.0, 5.0, "CH1_SPEAKER_00", 1),
        turn(6.0, 7.0, "CH1_SPEAKER_01", 1),
        channels=(0, 1),
    )
    assert DIARIZATION.render(found) == {
        "channels": [
            {"channel_number": 0, "speakers_count": 1, "segments": [segment(0, 1.0, 3.0)]},
            {
                "channel_number": 1,
                "speakers_count": 2,
                "segments": [segment(0, 0.5, 2.0), segment(1, 4.0, 5.0), segment(0, 6.0, 7.0)],
            },
        ]
    }


def test_a_channel_keeps_its_number_also_when_it_is_silent() -> None:
    found = document(turn(1.0, 2.0, "CH3_SPEAKER_00", 3), channels=(1, 3, 4))
    assert DIARIZATION.render(found) == {
        "channels": [
            {"channel_number": 1, "speakers_count": 0, "segments": []},
            {"channel_number": 3, "speakers_count": 1, "segments": [segment(0, 1.0, 2.0)]},
            {"channel_number": 4, "speakers_count": 0, "segments": []},
        ]
    }


def test_a_mix_is_channel_0() -> None:
    assert DIARIZATION.render(document(turn(1.0, 2.0, "A", None), channels=())) == {
        "channels": [{"channel_number": 0, "speakers_count": 1, "segments": [segment(0, 1.0, 2.0)]}]
    }
    speech = SpeechActivity(
        channels=(ChannelSpeech(channel=None, segments=((1.0, 2.0),)),), duration=3.0
    )
    (only,) = VOICE_ACTIVITY.render(speech.to_json().encode())["channels"]
    assert only["channel_number"] == 0


def test_speech_has_a_length_and_segments() -> None:
    speech = SpeechActivity(
        channels=(
            ChannelSpeech(channel=0, segments=((3.43, 7.4), (20.21, 24.98))),
            ChannelSpeech(channel=1, segments=()),
        ),
        duration=30.0,
    )
    assert VOICE_ACTIVITY.render(speech.to_json().encode()) == {
        "channels": [
            {
                "channel_number": 0,
                "speech_length": 8.74,
                "segments": [
                    {"segment_type": "voice", "start_time": 3.43, "end_time": 7.4},
                    {"segment_type": "voice", "start_time": 20.21, "end_time": 24.98},
                ],
            },
            {"channel_number": 1, "speech_length": 0, "segments": []},
        ]
    }


def voice(speaker: str, channel: int | None) -> Voice:
    """One that talks for 20 s, 12.3456 s of which are clear."""
    vector = np.linspace(-1, 1, 448, dtype=np.float32)
    voiceprint = Voiceprint(vector=vector, model="earmark-1", net_speech_s=12.3456)
    return Voice(speaker=speaker, channel=channel, voiceprint=voiceprint, talk_time_s=20.0)


def test_a_voiceprint_per_channel() -> None:
    found = Voices(
        duration_s=30.0, channels=(0, 2), voices=(voice("CH2_SPEAKER_00", 2),), warnings=()
    )
    silent, heard = EXTRACTION.render(found.to_json())["channels"]
    assert silent == {
        "channel_number": 0,
        "voiceprint": "",
        "speech_length": 0.0,
        "model": "earmark-1",
    }
    assert Voiceprint.from_base64(heard.pop("voiceprint")) == found.voices[0].voiceprint
    assert heard == {"channel_number": 2, "speech_length": 12.346, "model": "earmark-1"}


def test_the_voiceprint_of_a_mix_is_of_channel_0() -> None:
    found = Voices(duration_s=30.0, channels=(None,), voices=(voice("SPEAKER_00", None),))
    (only,) = EXTRACTION.render(found.to_json())["channels"]
    assert (only["channel_number"], only["speech_length"]) == (0, 12.346)


def test_the_first_list_are_the_columns_and_the_second_one_the_rows() -> None:
    a_against_b = Comparison(llr=np.array([[11.5, -2.25], [3.0, 4.0], [-6.0, 0.0]]))
    assert COMPARISON.render(a_against_b.to_json()) == {
        "scores": {
            "columns_count": 3,
            "rows_count": 2,
            "values": [11.5, 3.0, -6.0, -2.25, 4.0, 0.0],
        }
    }


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (JobState.QUEUED, "pending"),
        (JobState.RUNNING, "running"),
        (JobState.SUCCEEDED, "done"),
        (JobState.CANCELED, "failed"),
    ],
)
def test_states(state: JobState, shown: str) -> None:
    assert state_of(job(state)) == shown


def test_an_expired_task_is_an_unknown_one() -> None:
    with pytest.raises(NotFound):
        state_of(job(JobState.EXPIRED))


def test_what_is_not_known_yet_is_null() -> None:
    assert task_body(job(JobState.QUEUED), None) == {
        "task": {"task_id": "123e4567-e89b-12d3-a456-426614174000", "state": "pending"},
        "result": None,
        "error": None,
    }


@pytest.mark.parametrize(
    ("kind", "code", "location", "shown"),
    [
        (Kind.INVALID, "audio.empty", ["body", "file"], "audio.empty"),
        (Kind.TOO_LARGE, "audio.too_large", ["body", "file"], "audio.too-large"),
        (Kind.INVALID, "input.option", ["query"], "input.option"),
    ],
)
def test_a_task_whose_input_is_to_blame_is_rejected(
    kind: Kind, code: str, location: list[str], shown: str
) -> None:
    body = task_body(failed(kind, code), None)
    assert body["task"]["state"] == "rejected"
    assert body["error"] == {
        "type": "task.validation-error",
        "message": "It is silent.",
        "detail": [
            {"location": location, "message": "It is silent.", "type": shown, "context": {}}
        ],
    }


@pytest.mark.parametrize("kind", [Kind.INTERNAL, Kind.UNAVAILABLE, Kind.EXHAUSTED])
def test_a_task_that_met_a_failure_of_ours_has_failed(kind: Kind) -> None:
    body = task_body(failed(kind, "audio.decoder"), None)
    assert body["task"]["state"] == "failed"
    assert body["error"] == {"type": "internal", "message": "It is silent.", "detail": []}


def test_a_canceled_task_says_so() -> None:
    error = task_body(job(JobState.CANCELED), None)["error"]
    assert error == {"type": "internal", "message": "The task was canceled.", "detail": []}


HIGH = Gender(llr=2.0, speech_s=4.0625, result="female")
SCORES = {
    "speech_length": 4.062,
    "score_male": {"score_llr": -2.0, "probability": 0.1192},
    "score_female": {"score_llr": 2.0, "probability": 0.8808},
}
NO_SCORES = {"speech_length": 0.25, "score_male": None, "score_female": None}


def test_the_gender_of_each_channel() -> None:
    found = Genders(
        duration=9.0,
        channels=(
            ChannelGender(channel=0, speech_s=4.0625, gender=HIGH),
            ChannelGender(channel=1, speech_s=0.25, gender=None),
        ),
    )
    assert GENDER.render(found.to_json()) == {
        "channels": [{"channel_number": 0, **SCORES}, {"channel_number": 1, **NO_SCORES}]
    }
    mixed = ChannelGender(channel=None, speech_s=0.25, gender=None)
    shown = GENDER.render(Genders(duration=9.0, channels=(mixed,)).to_json())
    assert shown == {"channels": [{"channel_number": 0, **NO_SCORES}]}


def test_the_genders_of_voiceprints_in_their_order() -> None:
    low = Gender(llr=-2.0, speech_s=4.0625, result="male")
    first, second = VOICEPRINT_GENDERS.render(VoiceprintGenders(genders=(HIGH, low)).to_json())[
        "results"
    ]
    assert first == SCORES
    assert second["score_male"]["score_llr"] == 2.0
    assert second["score_male"]["probability"] + second["score_female"]["probability"] == 1
