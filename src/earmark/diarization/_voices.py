"""The stretches of a diarization that voiceprints are made from: one person, and clearly."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from earmark.diarization._chart import stretches
from earmark.diarization._result import Diarization
from earmark.diarization._turn import Turn, clip, unite
from earmark.voiceprints import SpeechSpan

__all__ = ["clean_spans", "overlap_shares"]

_MOST_S = 30.0  # of speech per speaker: more brings next to nothing
_PIECE_S = 10.0  # longer stretches are chosen from in pieces
_SHORTEST_S = 0.3  # shorter stretches are taken only of who has no longer ones
_LEAST_S = 0.2  # of speech that a voiceprint is made from


def clean_spans(diarization: Diarization) -> dict[str, list[SpeechSpan]]:
    """Where each speaker alone is heard: the longest and surest stretches, at most 30 s.

    Speakers with less than 0.2 s of that are left out.
    """
    pieces: dict[str, list[Turn]] = {speaker: [] for speaker in diarization.speakers}
    for turn in _alone(diarization):
        pieces[turn.speaker] += _pieces(turn)
    chosen = {speaker: _best(own) for speaker, own in pieces.items()}
    return {
        speaker: [SpeechSpan(start=t.start, end=t.end, channel=t.channel) for t in turns]
        for speaker, turns in chosen.items()
        if sum(turn.duration for turn in turns) >= _LEAST_S
    }


def overlap_shares(diarization: Diarization) -> dict[str, float]:
    """The share of each speaker's talk, 0..1, that others on the same channel talk over."""
    talk = dict.fromkeys(diarization.speakers, 0.0)
    clean = dict(talk)
    for turn in unite(diarization.turns):
        talk[turn.speaker] += turn.duration
    for turn in _alone(diarization):
        clean[turn.speaker] += turn.duration
    return {speaker: min(1.0, max(0.0, 1 - clean[speaker] / talk[speaker])) for speaker in talk}


def _alone(diarization: Diarization) -> Iterator[Turn]:
    """The parts of turns that nobody else on the channel talks over, by channel and start."""
    lanes: dict[int | None, list[Turn]] = {}
    for turn in unite(diarization.turns):
        lanes.setdefault(turn.channel, []).append(turn)
    for turns in lanes.values():
        for start, end, active in stretches(turns):
            if len(active) == 1:
                yield replace(active[0], start=start, end=end)


def _pieces(turn: Turn) -> Iterator[Turn]:
    """A turn in equal pieces of 10 s or less."""
    count = math.ceil(turn.duration / _PIECE_S)
    edges = [turn.start + turn.duration * i / count for i in range(count + 1)]
    for start, end in pairwise(edges):
        yield replace(turn, start=start, end=end)


def _best(turns: list[Turn]) -> list[Turn]:
    """Of one speaker's clean turns, those to listen to, in order."""
    usable = [turn for turn in turns if turn.duration >= _SHORTEST_S] or turns

    def worth(turn: Turn) -> float:
        sure = 1.0 if turn.confidence is None else turn.confidence
        return sure * turn.duration / (turn.duration + 1.0)

    chosen: list[Turn] = []
    left = _MOST_S
    for turn in sorted(usable, key=lambda turn: (-worth(turn), turn)):
        if left < _SHORTEST_S:
            break
        chosen += clip([turn], turn.start, turn.start + left)
        left -= turn.duration
    return sorted(chosen)
