"""Diarizations made by hand or by hypothesis, for the tests of the result and the CLI."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from earmark.diarization import Diarization, Turn
from earmark.diarization._turn import one_at_a_time, unite
from earmark.voiceprints import Voiceprint

# What people and attackers call speakers: each would break one of the formats if written raw.
HOSTILE_NAMES = (
    "Ann Lee",
    "Ann_Lee",
    "two\nlines",
    "tab\tname",
    "a,b;c",
    'say "hi"',
    "x --> y",
    "00:00:01,000 --> 00:00:02,000",
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "=HYPERLINK(1)",
    "&amp;",
    "\u2028line",
    "\x85next",
    "Zoë Ω 李",
    "NOTE",
    "{brace} %s \\n",
    "'quote",
    "👩\u200d👩\u200d👧",
)


def turn(start: float, end: float, speaker: str, channel: int | None = None) -> Turn:
    return Turn(start=start, end=end, speaker=speaker, channel=channel)


def diarization(*turns: Turn, duration: float = 0.0, start_s: float = 0.0) -> Diarization:
    return Diarization(
        turns=turns,
        exclusive=one_at_a_time(turns),
        duration=duration,
        start_s=start_s,
        uri="talk",
    )


def hostile() -> Diarization:
    return diarization(
        *(turn(2.0 * i, 2.0 * i + 2.5, name) for i, name in enumerate(HOSTILE_NAMES)),
        duration=60.0,
    )


def voiceprint(*numbers: float, model: str = "m", net_speech_s: float = 1.0) -> Voiceprint:
    return Voiceprint(
        vector=np.array(numbers, dtype=np.float32), model=model, net_speech_s=net_speech_s
    )


_visible = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda text: any(char.isprintable() and not char.isspace() for char in text)
)
names = st.one_of(st.sampled_from(HOSTILE_NAMES), _visible)
plain_names = st.from_regex(r"[A-Za-z0-9_]{1,8}", fullmatch=True)


@st.composite
def turns(draw: st.DrawFn, speakers: st.SearchStrategy[str] = names) -> tuple[Turn, ...]:
    """A few turns of up to four speakers, overlapping freely, none touching its own speaker's."""
    cast = draw(st.lists(speakers, min_size=1, max_size=4, unique=True))
    rows = draw(
        st.lists(
            st.builds(
                lambda start, length, speaker, confidence: Turn(
                    start=start / 1000,
                    end=(start + length) / 1000,
                    speaker=speaker,
                    confidence=confidence,
                ),
                st.integers(0, 4_000_000),
                st.integers(1, 60_000),
                st.sampled_from(cast),
                st.none() | st.integers(0, 1000).map(lambda n: n / 1000),
            ),
            max_size=12,
        )
    )
    return unite(rows)
