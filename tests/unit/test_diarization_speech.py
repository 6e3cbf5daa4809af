"""Voice activity as a value, and as text."""

from __future__ import annotations

import json
import math

import pytest

import earmark
from earmark.diarization import ChannelSpeech, Diarization, SpeechActivity
from earmark.errors import InvalidInput


def activity() -> SpeechActivity:
    return SpeechActivity(
        channels=(
            ChannelSpeech(channel=0, segments=((1.0004, 2.5), (3.25, 4.0))),
            ChannelSpeech(channel=1, segments=()),
            ChannelSpeech(channel=4, segments=((0.5, 3.0),)),
        ),
        duration=10.0,
        start_s=0.5,
        warnings=("A pause.",),
        uri="call ü",
        models={"fbank": "ab"},
        settings={"speech_on": 0.5},
    )


def test_times_are_kept_to_the_millisecond() -> None:
    first, silent, _ = activity().channels
    assert first.segments == ((1.0, 2.5), (3.25, 4.0))
    assert first.speech_s == 2.25
    assert repr(silent.speech_s) == "0.0"
    assert activity().end_s == 10.5


@pytest.mark.parametrize("compact", [False, True])
def test_the_document_holds_everything(compact: bool) -> None:
    text = activity().to_json(compact=compact)
    assert text.endswith("}\n")
    assert (text.count("\n") == 1) is compact
    document = json.loads(text)
    assert document["schema"] == "earmark.voice-activity/1"
    assert document["channels"][1] == {"channel": 1, "speech": 0}
    assert document["segments"][2] == {"start": 0.5, "end": 3.0, "channel": 4}
    assert SpeechActivity.from_json(text) == activity()
    mix = SpeechActivity(channels=(ChannelSpeech(channel=None, segments=()),), duration=0)
    assert SpeechActivity.from_json(mix.to_json()) == mix


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "earmark.diarization/1"},
        {"channels": []},
        {"channels": None},
        {"channels": [{"speech": 1}]},
        {"segments": [{"start": 1, "end": 2, "channel": 9}]},
        {"segments": [{"start": "x", "end": 2, "channel": 0}]},
        {"segments": [{"start": 2, "end": 1, "channel": 0}]},
        {"segments": 7},
        {"duration": None},
        {"start": -1},
    ],
)
def test_another_document_is_refused(change: dict[str, object]) -> None:
    document = json.loads(activity().to_json()) | change
    with pytest.raises(InvalidInput):
        SpeechActivity.from_json(json.dumps(document))
    with pytest.raises(InvalidInput):
        SpeechActivity.from_json(b"\xff")


@pytest.mark.parametrize(
    "segments",
    [
        ((1.0, 1.0),),
        ((1.0, 1.0004),),
        ((-1.0, 1.0),),
        ((0.0, math.inf),),
        ((math.nan, 1.0),),
        ((0.0, 2.0), (1.0, 3.0)),
        ((5.0, 6.0), (1.0, 2.0)),
    ],
)
def test_segments_that_cannot_be(segments: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(InvalidInput):
        ChannelSpeech(channel=None, segments=segments)


def test_tables_have_a_row_per_segment() -> None:
    assert activity().to_audacity() == (
        "0.500000\t3.000000\tCH4_SPEECH\n"
        "1.000000\t2.500000\tCH0_SPEECH\n"
        "3.250000\t4.000000\tCH0_SPEECH\n"
    )
    assert activity().to_csv().splitlines()[1:] == [
        "0.500,3.000,CH4_SPEECH,4,",
        "1.000,2.500,CH0_SPEECH,0,",
        "3.250,4.000,CH0_SPEECH,0,",
    ]
    again = Diarization.from_rttm(activity().to_rttm())
    assert [(turn.start, turn.end) for turn in again] == [(0.5, 3.0), (1.0, 2.5), (3.25, 4.0)]
    mix = SpeechActivity(channels=(ChannelSpeech(channel=None, segments=((0, 1),)),), duration=1)
    assert mix.to_rttm() == "SPEAKER recording 1 0.000 1.000 <NA> <NA> SPEECH <NA> <NA>\n"


def test_it_is_offered_at_the_front_door() -> None:
    assert earmark.SpeechActivity is SpeechActivity
