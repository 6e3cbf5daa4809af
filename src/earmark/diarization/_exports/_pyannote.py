"""The result as pyannote.core's Annotation, for the tools of that family."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from earmark.diarization._turn import Turn
from earmark.errors import MissingExtra

if TYPE_CHECKING:
    from pyannote.core import Annotation

__all__ = ["pyannote"]


def pyannote(turns: Iterable[Turn], *, uri: str | None) -> Annotation:
    """One track per turn (numbered, so that equal segments stay apart), labelled with the speaker.

    Raises `MissingExtra` when ``pyannote.core`` is not installed.
    """
    try:
        from pyannote.core import Annotation, Segment
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "to_pyannote() needs the package pyannote.core; "
            "install it with: pip install 'earmark[pyannote]'."
        ) from error
    annotation = Annotation(uri=uri)
    for track, turn in enumerate(turns):
        annotation[Segment(turn.start, turn.end), track] = turn.speaker
    return annotation
