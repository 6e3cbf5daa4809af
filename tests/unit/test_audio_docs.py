"""The page on audio says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from earmark.audio._limits import DEMUXERS, MIN_RATE
from earmark.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "audio.md").read_text(encoding="utf-8")


def test_every_container_is_on_the_page_and_none_besides() -> None:
    table = PAGE[PAGE.index("| containers") : PAGE.index("Of several")]
    assert set(re.findall(r"`([^`]+)`", table)) == DEMUXERS


def test_the_rates_on_the_page_are_those_of_the_code() -> None:
    assert f"from {MIN_RATE} to\n{Settings().max_sample_rate} Hz" in PAGE
