"""The second act of ``earmark demo``: a voice enrolled from one half and found in the other."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from earmark.client import Client
from earmark.diarization import Diarization, Turn

__all__ = ["recognise"]

Spans = Iterable[tuple[float, float]]
"""Parts of a recording, start and end in seconds."""


def recognise(
    client: Client, recording: Path, found: Diarization, names: Mapping[str, str]
) -> list[str]:
    """Enrol who speaks most in the first half, look for them in the second, and say who was found.

    ``found`` is the recording's diarization, ``names`` what its speakers are called.
    """
    half = found.start_s + found.duration / 2
    turns = [turn for turn in found.exclusive if turn.end <= half]
    speaker = max(found.speakers, key=lambda each: _seconds(turns, each))
    name = names.get(speaker, speaker)
    gallery = client.create_gallery("demo")
    enrolled = gallery.enroll(
        name,
        _cut(recording, [(turn.start, turn.end) for turn in turns if turn.speaker == speaker]),
        consent=f"{name} agrees to be recognised in this demonstration.",
    )
    (sample,) = enrolled.samples()
    job = client.identify(_cut(recording, [(half, found.end_s)]), gallery_ids=[gallery.id])
    heard = job.wait().result()["speakers"]
    first = f"Enrolled {name} from the first half ({sample['net_speech']:.1f} s), with consent."
    second = "Heard in the second half: " + " and ".join(map(_told, heard)) + "."
    receipt = enrolled.erase()
    return [first, second, f"Erased {name} again: signed receipt {receipt['id']}."]


def _told(heard: Mapping[str, Any]) -> str:
    match = heard["match"]
    return "somebody unknown" if match is None else f"{match['label']} ({match['probability']:.0%})"


def _seconds(turns: Iterable[Turn], speaker: str) -> float:
    return sum(turn.duration for turn in turns if turn.speaker == speaker)


def _cut(recording: Path, spans: Spans) -> bytes:
    """A WAV file of these parts, one after the other."""
    cut = io.BytesIO()
    with wave.open(str(recording), "rb") as source, wave.open(cut, "wb") as out:
        out.setparams(source.getparams())
        for start, end in spans:
            source.setpos(round(start * source.getframerate()))
            out.writeframes(source.readframes(round((end - start) * source.getframerate())))
    return cut.getvalue()
