"""What every text format needs: names that cannot break it, and clock times."""

from __future__ import annotations

import unicodedata

__all__ = ["clock", "one_line"]

_BREAKING = {"Cc", "Zl", "Zp"}  # controls (tab and newlines among them), line and paragraph ends


def one_line(name: str) -> str:
    """The name on one line: controls and line breaks become spaces, runs of spaces one."""
    return " ".join(
        "".join(" " if unicodedata.category(char) in _BREAKING else char for char in name).split()
    )


def clock(seconds: float, separator: str) -> str:
    """``hh:mm:ss`` and milliseconds after ``separator``; hours grow as needed."""
    total = round(seconds * 1000)
    minutes, milliseconds = divmod(total, 60_000)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours:02d}:{minutes:02d}:{milliseconds // 1000:02d}{separator}{milliseconds % 1000:03d}"
    )
