"""Following a recorded call as it goes on, against its diarization as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from earmark.diarization import Diarization
from earmark.live import LiveConfig, TurnState
from earmark.live._changes import (
    HOP_S,
    HOP_SAMPLES,
    Change,
    CleanSpeech,
    Merge,
    SpeechEdge,
    TurnChange,
)
from earmark.live._tracker import Tracker
from earmark.models import answer_alone
from engine import Float, diarizer, models, samples
from people import People, wav_of


class Followed(NamedTuple):
    changes: list[tuple[float, Change]]  # with the time at which each came
    last: list[Change]
    result: Diarization

    def turns(self) -> dict[int, TurnChange]:
        """What is known in the end, by number; merges are in it."""
        known: dict[int, TurnChange] = {}
        for change in [*(change for _, change in self.changes), *self.last]:
            if isinstance(change, TurnChange):
                known[change.turn] = change
            elif isinstance(change, Merge):
                for number, turn in known.items():
                    if turn.speaker == change.source:
                        known[number] = TurnChange(
                            **{name: getattr(turn, name) for name in TurnChange.__slots__}
                            | {"speaker": change.target}
                        )
        return {n: turn for n, turn in known.items() if turn.state != TurnState.WITHDRAWN}


def follow(models_dir: Path, sound: Float, config: LiveConfig) -> Followed:
    loaded = models(models_dir)
    tracker = Tracker(config, loaded)
    changes: list[tuple[float, Change]] = []
    whole = len(sound) // HOP_SAMPLES * HOP_SAMPLES
    for i, hop in enumerate(np.split(sound[:whole], whole // HOP_SAMPLES), start=1):
        now = answer_alone(tracker.step(hop), loaded.answers)
        now += answer_alone(tracker.settle(), loaded.answers)
        changes += [(i * HOP_S, change) for change in now]
    last, result = answer_alone(tracker.finish(sound[whole:]), loaded.answers)
    return Followed(changes, last, result)


@pytest.fixture(scope="module")
def followed(models_dir: Path, sample_wav: Path) -> Followed:
    return follow(models_dir, samples(sample_wav), LiveConfig())


def test_in_the_end_the_turns_are_those_of_the_whole_recording(
    followed: Followed, models_dir: Path, sample_wav: Path
) -> None:
    whole = diarizer(models_dir).diarize(sample_wav)
    names = dict(zip(followed.result.speakers, whole.speakers, strict=True))
    found = followed.result.turns
    assert [names[turn.speaker] for turn in found] == [turn.speaker for turn in whole.turns]
    times = [(turn.start, turn.end) for turn in whole.turns]
    assert np.allclose([(turn.start, turn.end) for turn in found], times, atol=0.02)
    assert followed.result.confidence is not None
    assert followed.result.voiceprints.keys() == set(followed.result.speakers)


def test_what_was_told_is_what_is_answered(followed: Followed) -> None:
    told = followed.turns().values()
    assert all(turn.state == TurnState.CONFIRMED for turn in told)
    assert not any(turn.going for turn in told)
    assert {turn.speaker for turn in told} == set(followed.result.speakers)
    seconds = sum(turn.duration for turn in followed.result.turns)
    assert sum(turn.end - turn.start for turn in told) == pytest.approx(seconds, rel=0.1)


def test_speech_is_told_soon_and_its_end_too(followed: Followed) -> None:
    edges = [(at, edge) for at, edge in followed.changes if isinstance(edge, SpeechEdge)]
    assert all(at - edge.time < 1.6 for at, edge in edges)
    assert [edge.active for _, edge in edges][:2] == [True, False]
    first: dict[int, float] = {}
    for at, change in followed.changes:
        if isinstance(change, TurnChange) and change.going:
            first.setdefault(change.turn, at - change.start)
    assert float(np.median(list(first.values()))) < 1.5


def test_clean_speech_is_given_soon_and_confirmed(followed: Followed) -> None:
    clean = [(at, one) for at, one in followed.changes if isinstance(one, CleanSpeech)]
    assert {one.confirmed for _, one in clean} == {True, False}
    assert all(one.start < one.end <= at and at - one.end < 20 for at, one in clean)


def test_there_are_as_many_speakers_as_there_should_be(models_dir: Path, sample_wav: Path) -> None:
    alone = follow(models_dir, samples(sample_wav), LiveConfig(speakers=1))
    assert len(alone.result.speakers) == 1
    assert {turn.speaker for turn in alone.turns().values()} == {"SPEAKER_00"}


def test_a_stranger_is_soon_told_apart_though_nobody_paused(
    models_dir: Path, people: People, tmp_path: Path
) -> None:
    talk = tmp_path / "talk.wav"
    first, second = people.samples("ira", 12.0, part=1), people.samples("june", 5.0, part=1)
    talk.write_bytes(wav_of(np.concatenate([first, second])))
    known: dict[int, TurnChange] = {}
    for at, change in follow(models_dir, samples(talk), LiveConfig()).changes:
        if isinstance(change, TurnChange) and at < 15.0:
            known[change.turn] = change
    speaking = [turn for turn in known.values() if turn.state != TurnState.WITHDRAWN]
    before = {turn.speaker for turn in speaking if turn.start < 10.0}
    assert {turn.speaker for turn in speaking if turn.end > 14.0}.isdisjoint(before)
