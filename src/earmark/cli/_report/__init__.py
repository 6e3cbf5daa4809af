"""``earmark diarize --report``: a page that anybody can open, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from earmark.cli._report._page import render_page
from earmark.cli._report._sound import listen
from earmark.diarization import Diarization

__all__ = ["report_page"]


def report_page(
    result: Diarization,
    source: Path,
    *,
    channels: str | tuple[int, ...] = "mix",
    damaged: Literal["error", "warn"] = "error",
) -> str:
    """The page of ``result`` with the sound of ``source``, as HTML text.

    Raises `AudioError` when the recording cannot be read (again).
    """
    sound = listen(
        source,
        channels=channels,
        start=result.start_s,
        duration=result.duration,
        damaged=damaged,
    )
    return render_page(result, sound)
