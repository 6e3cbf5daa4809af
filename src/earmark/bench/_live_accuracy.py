"""How well a live session tells who speaks when: at once, when it confirms, and in the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from earmark.audio import Encoding, PcmFormat, open_audio
from earmark.bench._dataset import Dataset
from earmark.bench._diarization import OnStep, silence
from earmark.bench._score import Score, score
from earmark.diarization import Diarizer, Turn
from earmark.live import (
    Event,
    LiveConfig,
    LiveEngine,
    LiveSession,
    Relabel,
    RelabelReason,
    TurnState,
    TurnUpdate,
)
from earmark.settings import Settings

__all__ = ["LAYERS", "LiveAccuracy", "Told", "bench_live_accuracy", "told_by"]

LAYERS = ("provisional", "confirmed", "relabelled", "final", "offline")
"""What is scored: turns as they were told soon after they were spoken, as they were when they were
first confirmed, the same with the merges that came later, in the end, and by `Diarizer`."""

_SHORTEST_S = 0.002
_FLOAT = PcmFormat(encoding=Encoding.PCM_F32LE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """Turns as a session told them; ``first_told_s`` is how long after a turn's beginning."""

    provisional: tuple[Turn, ...]
    confirmed: tuple[Turn, ...]
    relabelled: tuple[Turn, ...]
    first_told_s: tuple[float, ...]
    confirmed_s: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveAccuracy:
    """Scores by layer (`LAYERS`), of all recordings and of each by name.

    ``first_told_s`` is from the beginning of each turn to when it was first told,
    ``confirmed_s`` from its end to when it was confirmed.
    """

    delay_s: float
    total: Mapping[str, Score]
    recordings: Mapping[str, Mapping[str, Score]]
    first_told_s: tuple[float, ...] = field(repr=False)
    confirmed_s: tuple[float, ...] = field(repr=False)


def bench_live_accuracy(
    dataset: Dataset,
    *,
    settings: Settings,
    delay_s: float = 1.0,
    on_step: OnStep | None = None,
) -> LiveAccuracy:
    """Send every recording of one channel through a live session, and diarize it as a whole.

    The provisional layer is what was told ``delay_s`` after it was spoken.
    """
    say = on_step or silence
    totals = {layer: Score() for layer in LAYERS}
    recordings: dict[str, dict[str, Score]] = {}
    first: list[float] = []
    confirmed: list[float] = []
    with LiveEngine(settings) as engine, Diarizer(settings=settings) as diarizer:
        for recording in dataset.recordings:
            if recording.split:
                continue
            say(recording.name)
            with open_audio(recording.path, settings=settings) as audio:
                sound = np.concatenate([block[0] for block in audio])
            events, final = _session(engine, sound)
            told = told_by(events, duration=recording.duration, delay_s=delay_s)
            first += told.first_told_s
            confirmed += told.confirmed_s
            turns: dict[str, Sequence[Turn]] = {
                "provisional": told.provisional,
                "confirmed": told.confirmed,
                "relabelled": told.relabelled,
                "final": final,
                "offline": diarizer.diarize(recording.path).turns,
            }
            regions = [(0.0, recording.duration)]
            scores = {
                layer: score(recording.reference, turns[layer], regions=regions) for layer in LAYERS
            }
            recordings[recording.name] = scores
            totals = {layer: totals[layer] + scores[layer] for layer in LAYERS}
    return LiveAccuracy(
        delay_s=delay_s,
        total=totals,
        recordings=recordings,
        first_told_s=tuple(first),
        confirmed_s=tuple(confirmed),
    )


def told_by(events: Iterable[Event], *, duration: float, delay_s: float = 1.0) -> Told:
    """What ``events`` told of a session of ``duration`` seconds.

    Provisional turns are put together from what was known of each moment ``delay_s`` after it.
    """
    known: dict[int, TurnUpdate] = {}
    confirmed: dict[int, TurnUpdate] = {}
    merged: dict[str, str] = {}
    provisional: list[Turn] = []
    first: dict[int, float] = {}
    seen = 0.0  # seconds up to which the provisional turns are complete
    for event in sorted(events, key=lambda event: event.number):
        if event.at - delay_s > seen:
            provisional += _between(known.values(), merged, seen, event.at - delay_s)
            seen = event.at - delay_s
        if isinstance(event, Relabel) and event.reason == RelabelReason.MERGED:
            merged[event.source] = event.target
        if not isinstance(event, TurnUpdate):
            continue
        if event.state == TurnState.WITHDRAWN:
            known.pop(event.turn, None)
            continue
        if event.state == TurnState.PROVISIONAL:
            first.setdefault(event.turn, event.at - event.start)
        else:
            confirmed.setdefault(event.turn, event)
        known[event.turn] = event
    provisional += _between(known.values(), merged, seen, duration)
    own = [turn for each in confirmed.values() for turn in _between([each], {}, 0.0, duration)]
    return Told(
        provisional=tuple(provisional),
        confirmed=tuple(own),
        relabelled=tuple(_between(confirmed.values(), merged, 0.0, duration)),
        first_told_s=tuple(first.values()),
        confirmed_s=tuple(each.at - each.end for each in confirmed.values()),
    )


def _between(
    updates: Iterable[TurnUpdate], merged: Mapping[str, str], start: float, end: float
) -> list[Turn]:
    """What of turns lies in start..end, under the labels that they have by now."""
    found = []
    for each in updates:
        first, last = max(each.start, start), min(each.end, end)
        speaker = each.speaker
        passed = {speaker}
        while merged.get(speaker, speaker) not in passed:
            speaker = merged[speaker]
            passed.add(speaker)
        if last - first >= _SHORTEST_S:
            found.append(Turn(start=first, end=last, speaker=speaker))
    return found


def _session(engine: LiveEngine, sound: NDArray[np.float32]) -> tuple[list[Event], Sequence[Turn]]:
    """All events of a session of ``sound`` [n], and its turns in the end."""
    events: list[Event] = []
    session = LiveSession(LiveConfig(format=_FLOAT), engine=engine, on_event=events.append)
    session.push(sound.astype("<f4").tobytes())
    session.finish()
    session.wait()
    return events, session.result.turns
