"""What a recording's source is called, and reading it again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from earmark.audio import Source
from earmark.errors import InvalidOption

__all__ = ["rewinder", "stem"]


def rewinder(source: Source) -> Callable[[], object]:
    """What takes ``source`` back to where it stands now.

    Raises `InvalidOption` for a file object that cannot go back.
    """
    if isinstance(source, str | os.PathLike | bytes | bytearray | memoryview):
        return lambda: None
    file: Any = source
    if not (hasattr(file, "seekable") and file.seekable()):
        raise InvalidOption(
            "Voiceprints need a recording that can be read twice: give a path, its bytes, or a"
            " file object that can seek."
        )
    start = file.tell()
    return lambda: file.seek(start)


def stem(source: Source) -> str | None:
    """What the exports call the recording; file names need not be Unicode, exports must."""
    if not isinstance(source, str | os.PathLike):
        return None
    return Path(source).stem.encode("utf-8", "replace").decode("utf-8")
