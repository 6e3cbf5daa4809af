"""Formats with a row per turn: CSV and Audacity labels."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from earmark.diarization._exports._text import one_line
from earmark.diarization._turn import Turn

__all__ = ["audacity", "csv_table"]


def csv_table(turns: Iterable[Turn]) -> str:
    """RFC 4180 with a header; unknown channels and confidences are empty.

    A name that a spreadsheet would run as a formula (it begins with ``=``, ``+``, ``-`` or ``@``)
    gets a ``'`` in front, as OWASP's "CSV Injection" page advises.
    """
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(("start", "end", "speaker", "channel", "confidence"))
    for turn in turns:
        name = one_line(turn.speaker)
        rows.writerow(
            (
                f"{turn.start:.3f}",
                f"{turn.end:.3f}",
                f"'{name}" if name.startswith(("=", "+", "-", "@")) else name,
                "" if turn.channel is None else turn.channel,
                "" if turn.confidence is None else f"{turn.confidence:.3f}",
            )
        )
    return out.getvalue()


def audacity(turns: Iterable[Turn]) -> str:
    """A label per line: start, tab, end, tab, speaker.

    https://manual.audacityteam.org/man/importing_and_exporting_labels.html
    """
    return "".join(
        f"{turn.start:.6f}\t{turn.end:.6f}\t{one_line(turn.speaker)}\n" for turn in turns
    )
