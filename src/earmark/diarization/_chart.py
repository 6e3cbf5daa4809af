"""Talk-time figures: how much each speaker talks, over whom, and who takes the floor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from earmark.diarization._turn import Turn, unite

__all__ = ["MIN_OVERLAP_S", "Chart", "SpeakerChart", "make_chart", "stretches"]

MIN_OVERLAP_S = 0.12
"""Shorter overlaps are not heard as overlaps: Heldner, "Detection thresholds for gaps, overlaps,
and no-gap-no-overlaps", JASA 130 (2011) 508-513, puts the threshold at about 120 ms."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeakerChart:
    """One speaker's figures, in seconds.

    ``share`` is this speaker's part of everybody's talk time, 0..1. ``overlap`` is how long the
    speaker talked while somebody else did. ``interruptions`` counts how often the speaker began
    while another was speaking and outlasted them (`make_chart`).
    """

    speaker: str
    talk: float
    share: float
    turns: int
    longest_turn: float
    overlap: float
    interruptions: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """The figures of one recording, in seconds.

    ``speech`` is how long anybody spoke, ``silence`` the rest of the recording, ``overlap`` how
    long two or more spoke at once. ``speakers`` are in order of first appearance.
    """

    duration: float
    speech: float
    silence: float
    overlap: float
    interruptions: int
    speakers: tuple[SpeakerChart, ...]


def make_chart(turns: Iterable[Turn], *, speakers: Sequence[str], duration: float) -> Chart:
    """Count the talk-time figures of ``turns`` in a recording of ``duration`` seconds.

    An interruption is an overlap after which the floor has changed hands: a speaker starts while
    exactly one other is speaking and is still speaking when that one stops, the two together for
    `MIN_OVERLAP_S` or more. That is the "between-speaker overlap" of Heldner and Edlund, "Pauses,
    gaps and overlaps in conversations", J. Phonetics 38 (2010) 555-568; a listener's "mhm" inside
    another's turn ("within-speaker overlap") is none. Channels share one time line.
    """
    rows = unite(turns)
    tally = {speaker: _Tally() for speaker in speakers}
    for turn in rows:
        own = tally[turn.speaker]
        own.turns += 1
        own.longest = max(own.longest, turn.duration)
    speech = overlap = 0.0
    for start, end, active in stretches(rows):
        names = {turn.speaker for turn in active}
        speech += end - start
        overlap += (end - start) * (len(names) > 1)
        for name in names:
            tally[name].talk += end - start
            tally[name].overlap += (end - start) * (len(names) > 1)
    for speaker in _interrupters(rows):
        tally[speaker].interruptions += 1
    everybody = sum(own.talk for own in tally.values())
    return Chart(
        duration=round(duration, 3),
        speech=round(speech, 3),
        silence=round(max(0.0, duration - speech), 3),
        overlap=round(overlap, 3),
        interruptions=sum(own.interruptions for own in tally.values()),
        speakers=tuple(
            SpeakerChart(
                speaker=speaker,
                talk=round(own.talk, 3),
                share=round(own.talk / everybody, 4) if everybody else 0.0,
                turns=own.turns,
                longest_turn=own.longest,
                overlap=round(own.overlap, 3),
                interruptions=own.interruptions,
            )
            for speaker, own in tally.items()
        ),
    )


@dataclass(slots=True)
class _Tally:
    talk: float = 0.0
    turns: int = 0
    longest: float = 0.0
    overlap: float = 0.0
    interruptions: int = 0


def stretches(turns: Sequence[Turn]) -> Iterable[tuple[float, float, list[Turn]]]:
    """Cut time wherever a turn starts or ends: (start, end, turns active in between)."""
    edges = sorted({edge for turn in turns for edge in (turn.start, turn.end)})
    active: list[Turn] = []
    upcoming = 0
    for start, end in pairwise(edges):
        active = [turn for turn in active if turn.end > start]
        while upcoming < len(turns) and turns[upcoming].start <= start:
            active.append(turns[upcoming])
            upcoming += 1
        if active:
            yield start, end, active


def _interrupters(turns: Sequence[Turn]) -> Iterable[str]:
    """The speaker of every turn that takes the floor from the one speaker who had it."""
    active: list[Turn] = []
    for turn in turns:  # sorted by start
        active = [other for other in active if other.end > turn.start]
        holders = [other for other in active if other.speaker != turn.speaker]
        if len({other.speaker for other in holders}) == 1:
            holder_stops = max(other.end for other in holders)
            began_first = all(other.start < turn.start for other in holders)
            together = round(holder_stops - turn.start, 3)
            if began_first and turn.end > holder_stops and together >= MIN_OVERLAP_S:
                yield turn.speaker
        active.append(turn)
