"""Which format of a result a request wants."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from earmark.dialects.native._formats import FORMATS_OF, choose_format
from earmark.diarization import Diarization, Turn
from earmark.errors import InvalidOption
from earmark.service import JobKind


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/vtt", "text/vtt"),
        ("TEXT/VTT", "text/vtt"),
        ("text/*", "text/x-rttm"),
        ("text/html, text/csv;q=0.9, */*;q=0.1", "text/csv"),
        ("application/json;q=0.5, application/x-subrip", "application/x-subrip"),
        ("*/*, application/json;q=0", "text/x-rttm"),
        ("text/vtt;charset=utf-8", "text/vtt"),
        ("text/vtt;q=nonsense", "text/vtt"),
    ],
)
def test_what_accept_likes_best(accept: str | None, media_type: str) -> None:
    chosen = choose_format(JobKind.DIARIZE, name=None, accept=accept)
    assert chosen.media_type == media_type


@pytest.mark.parametrize("kind", JobKind)
def test_a_name_goes_before_accept(kind: JobKind) -> None:
    for name, each in FORMATS_OF[kind].items():
        assert choose_format(kind, name=name, accept="image/png") is each


def test_what_there_is_not_is_refused_with_what_there_is() -> None:
    with pytest.raises(InvalidOption, match="json, rttm, csv, audacity"):
        choose_format(JobKind.VOICE_ACTIVITY, name="srt", accept=None)
    with pytest.raises(HTTPException, match="text/csv") as refused:
        choose_format(JobKind.VOICE_ACTIVITY, name=None, accept="text/vtt, image/*")
    assert refused.value.status_code == 406


def test_names_take_the_place_of_speakers_and_keep_people_apart() -> None:
    labels = {"S0": "Ada", "S1": "Ada", "S2": "S3", "S3": None, "S4": "\u200b", "S5": "Bo"}
    turns = tuple(
        Turn(start=start, end=start + 1, speaker=speaker) for start, speaker in enumerate(labels)
    )
    diarization = Diarization(turns=turns, exclusive=turns, duration=9)
    speakers = [
        {
            "speaker": speaker,
            "match": label and {"label": label, "speaker_id": "5" if label == "Bo" else speaker},
        }
        for speaker, label in labels.items()
    ]
    speakers.append({"speaker": "silent", "match": {"label": "Cy", "speaker_id": "6"}})
    document = {"diarization": json.loads(diarization.to_json()), "speakers": speakers}
    csv = FORMATS_OF[JobKind.IDENTIFY]["csv"].write(json.dumps(document).encode(), False).decode()
    told = [line.split(",")[2] for line in csv.splitlines()[1:]]
    assert told == ["Ada (S0)", "Ada (S1)", "S3 (S2)", "S3", "S4", "Bo"]
    speakers[0]["match"] = speakers[1]["match"] = {"label": "Ada", "speaker_id": "7"}
    one = FORMATS_OF[JobKind.IDENTIFY]["rttm"].write(json.dumps(document).encode(), False).decode()
    assert Diarization.from_rttm(one).turns[0] == Turn(start=0, end=2, speaker="Ada")


@given(st.text(max_size=60))
def test_any_header_is_answered(accept: str) -> None:
    formats = FORMATS_OF[JobKind.DIARIZE].values()
    try:
        chosen = choose_format(JobKind.DIARIZE, name=None, accept=f"text/vtt;q=0.001, {accept}")
    except HTTPException:
        assert "q=0" in accept.replace(" ", "").lower()
    else:
        assert chosen in list(formats)
