"""Recorded speech of several people, from Debian's telephone prompts, to enrol and to find."""

from __future__ import annotations

import io
import wave
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from earmark.diarization import Diarization

__all__ = ["PEOPLE", "RATE", "People", "alone", "people", "wav_of"]

RATE = 8000
"""Hz, of all prompts."""

PEOPLE = {
    "allison": "en_US_f_Allison",
    "june": "fr_CA_f_June",
    "carlo": "it_IT_m_Carlo",
    "ira": "ru_RU_f_IvrvoiceRU",
}
"""Four different people and the folders with their prompts."""

_FOLDER = Path("/usr/share/asterisk/sounds")
_PARTS = 4
_LEAST_BYTES = 32_000  # two seconds: shorter prompts are letters, digits and beeps
_GAP_S = 0.25

Samples = NDArray[np.int16]


class People:
    """What people say; two ``part``s (0 to 3) of one person's prompts share no recording."""

    def samples(self, name: str, seconds: float, *, part: int = 0) -> Samples:
        """About this much of one person's speech: int16 [n] at `RATE`, n = seconds * RATE."""
        prompts = _prompts(PEOPLE[name])[part::_PARTS]
        sound = np.concatenate([_read(prompt) for prompt in prompts])
        wanted = round(seconds * RATE)
        assert len(sound) >= wanted, f"{name} has {len(sound) / RATE:.0f} s in part {part}."
        return sound[:wanted]

    def wav(self, name: str, seconds: float, *, part: int = 0) -> bytes:
        """The same as a WAV file."""
        return wav_of(self.samples(name, seconds, part=part))


def wav_of(samples: Samples, *, rate: int = RATE) -> bytes:
    """A WAV file of int16 samples: [n], or [n, channels]."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(samples.tobytes())
    return file.getvalue()


def alone(recording: Path, reference: Path, *, until_s: float) -> bytes:
    """What the most talkative person of a recording says before that time, as a WAV file."""
    turns = [turn for turn in Diarization.from_rttm(reference).turns if turn.end <= until_s]
    said = Counter[str]()
    for turn in turns:
        said[turn.speaker] += round(1000 * turn.duration)
    ((name, _),) = said.most_common(1)
    with wave.open(str(recording), "rb") as file:
        rate, sound = file.getframerate(), np.frombuffer(file.readframes(-1), np.int16)
    own = [turn for turn in turns if turn.speaker == name]
    parts = [sound[round(turn.start * rate) : round(turn.end * rate)] for turn in own]
    return wav_of(np.concatenate(parts), rate=rate)


@pytest.fixture(scope="session")
def people() -> People:
    """Four people's recorded speech; without Debian's packages the test is skipped."""
    if not all((_FOLDER / folder).is_dir() for folder in PEOPLE.values()):
        pytest.skip("Debian's asterisk-core-sounds-{en,fr,it,ru}-wav are not installed: people")
    return People()


@cache
def _prompts(folder: str) -> tuple[Path, ...]:
    files = sorted((_FOLDER / folder).glob("*.wav"))
    return tuple(file for file in files if file.stat().st_size > _LEAST_BYTES)


def _read(prompt: Path) -> Samples:
    with wave.open(str(prompt), "rb") as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        sound = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return np.concatenate([sound, np.zeros(round(_GAP_S * RATE), np.int16)])
