"""What other people's errors say, in short."""

from __future__ import annotations

__all__ = ["first_line"]


def first_line(error: BaseException | None) -> str:
    """The first line of its message, to be put before a full stop: 200 characters at most."""
    lines = str(error).strip().splitlines()
    return lines[0][:200].rstrip(". ") if lines else "no reason given"
