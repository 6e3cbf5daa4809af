"""The tags of voice activity: speech, music and noise."""

from __future__ import annotations

import pytest

from earmark.dialects.deepaffects._render import response
from earmark.diarization import ChannelSpeech, SpeechActivity

SOUNDS = (
    (0.0, 2.0, "music"),
    (2.0, 3.0, "speech"),
    (3.0, 3.2, "noise"),
    (3.2, 4.0, "speech"),
    (4.5, 5.0, "speech"),
    (5.0, 6.0, "noise"),
    (6.5, 8.0, "music"),
    (8.0, 9.0, "speech"),
)


@pytest.mark.parametrize(
    ("gap", "expected"),
    [
        (0.0, SOUNDS),
        (0.2, SOUNDS),
        (0.3, (SOUNDS[0], (2.0, 4.0, "speech"), *SOUNDS[4:])),
        (0.6, (SOUNDS[0], (2.0, 5.0, "speech"), *SOUNDS[5:])),
        (60.0, (SOUNDS[0], (2.0, 9.0, "speech"))),
    ],
)
def test_what_is_shorter_between_speech_counts_as_speech(
    gap: float, expected: tuple[tuple[float, float, str], ...]
) -> None:
    heard = SpeechActivity(
        channels=(ChannelSpeech(channel=None, segments=((2.0, 3.0), (3.2, 4.0)), sounds=SOUNDS),),
        duration=10.0,
    )
    segments = response({"call": "vad", "gap": gap}, heard)["segments"]
    assert [(each["start"], each["end"], each["tag"]) for each in segments] == list(expected)
