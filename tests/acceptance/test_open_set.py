"""Open-set identification: who is enrolled is found, who is not is nobody."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from earmark.audio import read_audio
from earmark.diarization import Diarizer
from earmark.settings import Settings
from earmark.voiceprints import Calibration, Index, Voiceprint, assign
from people import People, wav_of

CORPORA = ("ls", "so", "cc", "fsdd")
PER_CORPUS = 14  # people, half of whom are enrolled
FALSE_ACCEPT_RATE = 0.01


@pytest.fixture(scope="module")
def diarizer(models_dir: Path) -> Iterator[Diarizer]:
    with Diarizer(settings=Settings(models_dir=models_dir, offline=True)) as made:
        yield made


def _voice(diarizer: Diarizer, recording: bytes) -> Voiceprint | None:
    """The voice of a recording of one person; None where nothing was heard."""
    found = diarizer.diarize(BytesIO(recording), speakers=1, voiceprints=True).voiceprints
    return found.get("SPEAKER_00")


def _named(
    enrolled: Mapping[str, Voiceprint], probes: Mapping[str, Voiceprint]
) -> dict[str, str | None]:
    """Whom each probe is taken for."""
    calibration = Calibration.load()
    index = Index(calibration)
    index.load((person, [voice]) for person, voice in enrolled.items())
    found = assign(
        probes,
        index,
        exclusive=False,
        threshold_llr=calibration.threshold(FALSE_ACCEPT_RATE, candidates=len(index)),
        k=3,
    )
    return {
        probe: None if each.match is None else each.match.speaker for probe, each in found.items()
    }


def test_people_on_the_telephone(diarizer: Diarizer, people: People) -> None:
    enrolled: dict[str, Voiceprint] = {}
    probes: dict[str, Voiceprint] = {}
    for person in ("allison", "june", "carlo", "ira"):
        if person in ("allison", "june"):
            voice = _voice(diarizer, people.wav(person, 12.0))
            assert voice is not None
            enrolled[person] = voice
        for part in (1, 2, 3):
            voice = _voice(diarizer, people.wav(person, 8.0, part=part))
            assert voice is not None
            probes[f"{person} {part}"] = voice
    for probe, named in _named(enrolled, probes).items():
        said = probe.split()[0]
        assert named == (said if said in enrolled else None), probe


@pytest.mark.parametrize("corpus", CORPORA)
def test_people_of_the_evaluation_data(diarizer: Diarizer, eval_dir: Path, corpus: str) -> None:
    folders = sorted(
        folder
        for folder in (eval_dir / "verification").glob(f"{corpus}_*")
        if len(list(folder.glob("*.flac"))) >= 5
    )
    random.Random(0).shuffle(folders)
    enrolled: dict[str, Voiceprint] = {}
    probes: dict[str, Voiceprint] = {}
    for i, folder in enumerate(folders[:PER_CORPUS]):
        files = sorted(folder.glob("*.flac"))
        if i % 2 == 0:
            sound = np.concatenate([read_audio(file)[0] for file in files[:3]])
            voice = _voice(diarizer, wav_of((sound * 32767).astype(np.int16), rate=16000))
            assert voice is not None
            enrolled[folder.name] = voice
        for file in files[-2:]:
            voice = _voice(diarizer, file.read_bytes())
            if voice is not None:
                probes[f"{folder.name} {file.name}"] = voice
    named = _named(enrolled, probes)
    known = {probe: person for probe, person in named.items() if probe.split()[0] in enrolled}
    found = sum(person == probe.split()[0] for probe, person in known.items())
    mistaken = [
        (probe, person) for probe, person in named.items() if person not in (None, probe.split()[0])
    ]
    assert len(mistaken) <= 1, mistaken
    assert found >= 0.8 * len(known), f"{found} of {len(known)} found"
