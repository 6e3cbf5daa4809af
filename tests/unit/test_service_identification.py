"""Naming the speakers of a recording who were recognised."""

from __future__ import annotations

import json
from dataclasses import replace

from earmark.diarization import Turn
from earmark.service import Candidate, Identification, Named, NamedSpeaker
from results import diarization


def who(label: str, speaker_id: str | None) -> Candidate:
    return Candidate(speaker_id=speaker_id, label=label, cosine=0.8, llr=3.0, probability=0.95)


def identification(**people: Candidate | None) -> Identification:
    """Each speaker speaks for a second, one after another, and is taken for this person."""
    turns = [
        Turn(start=start, end=start + 1, speaker=speaker) for start, speaker in enumerate(people)
    ]
    return Identification(
        diarization=diarization(*turns, duration=len(turns)),
        speakers=tuple(
            NamedSpeaker(
                speaker=speaker,
                named=Named(
                    match=match,
                    alternatives=() if match is None else (match,),
                    margin=None,
                    threshold=1.0,
                ),
                net_speech_s=None,
                quality=None,
            )
            for speaker, match in people.items()
        ),
    )


def test_names_take_the_place_of_speakers_and_keep_people_apart() -> None:
    found = identification(
        S0=who("Ada", "1"),
        S1=who("Ada", "2"),
        S2=who("S3", "3"),
        S3=None,
        S4=who("\u200b", "4"),
        S5=who("Bo", "5"),
        S6=who("Cy", None),
    )
    told = [turn.speaker for turn in found.named()]
    assert told == ["Ada (S0)", "Ada (S1)", "S3 (S2)", "S3", "S4", "Bo", "Cy"]
    one = identification(S0=who("Ada", "1"), S1=who("Ada", "1"))
    assert [(turn.speaker, turn.end) for turn in one.named()] == [("Ada", 2.0)]
    silent = replace(found, diarization=diarization(duration=1.0))
    assert not list(silent.named())


def test_names_are_shown_and_not_stored() -> None:
    found = identification(S0=who("Ada", "1"), S1=who("Bo", "2"), S2=who("Cy", None), S3=None)
    stored = found.to_json()
    assert b"Ada" not in stored
    restored = Identification.from_json(stored)
    assert restored.speaker_ids == {"1", "2"}
    assert restored.with_names({"1": "Ada", "2": "Bo"}) == found
    shown = json.loads(restored.with_names({"1": "Ada"}).to_json(names=True))
    for part in ("match", "alternatives"):
        each = [row[part] for row in shown["speakers"][:3]]
        labels = [row["label"] if part == "match" else row[0]["label"] for row in each]
        assert labels == ["Ada", None, "Cy"]
    assert Identification.from_json(json.dumps(shown)).named().speakers == ("Ada", "S1", "Cy", "S3")
