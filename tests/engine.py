"""The diarization engine for its tests: loaded once, fed with the sample or with made-up talk."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from audio_samples import wav
from earmark.audio import read_audio
from earmark.diarization import Diarizer
from earmark.diarization._analysis import Analysis
from earmark.diarization._evidence import CELL_S, Evidence, EvidenceBuilder
from earmark.diarization._grid import (
    FRAME_S,
    FRAME_SAMPLES,
    FRAME_START_S,
    WINDOW_FRAMES,
    WINDOW_SAMPLES,
)
from earmark.diarization._models import Models
from earmark.diarization._parameters import ACCURATE, FAST, Parameters
from earmark.diarization._segmentation import CLASS_SPEAKERS, LOCAL_SPEAKERS
from earmark.diarization._units import cut_units
from earmark.models import ModelStore
from earmark.settings import Settings

Float = NDArray[np.float32]


@cache
def settings(models_dir: Path, threads: int = 2) -> Settings:
    return Settings(models_dir=models_dir, offline=True, threads=threads)


@cache
def diarizer(models_dir: Path, *, fast: bool = False, threads: int = 2) -> Diarizer:
    return Diarizer(settings=settings(models_dir, threads), fast=fast)


@cache
def models(models_dir: Path, *, fast: bool = False) -> Models:
    networks = (FAST if fast else ACCURATE).networks
    with ThreadPoolExecutor(2) as executor:
        store = ModelStore(settings(models_dir))
        return Models.load(store, networks, provider="cpu", executor=executor)


@cache
def samples(path: Path) -> Float:
    """The first channel [n] of a recording; not to be written to."""
    sound: Float = read_audio(path)[0]
    sound.flags.writeable = False
    return sound


def wav_file(*channels: NDArray[np.floating]) -> bytes:
    """A 16 kHz WAV of 16-bit samples."""
    scaled = np.rint(np.clip(np.stack(channels), -1, 32767 / 32768) * 32768)
    return wav(scaled.astype(np.int16), 16000)


def analyse(
    loaded: Models,
    sound: Float,
    parameters: Parameters,
    *,
    block: int = 16000,
    threads: int = 2,
) -> Evidence:
    """Evidence of ``sound`` [n], pushed ``block`` samples at a time."""
    with ThreadPoolExecutor(threads) as executor:
        analysis = Analysis(loaded, parameters, executor)
        for start in range(0, len(sound), block):
            analysis.push(sound[start : start + block])
        return analysis.finish()


def differences(one: Evidence, other: Evidence) -> list[str]:
    """Names of the parts that are not the same to the last bit."""
    return [
        name
        for name in Evidence.__slots__
        if np.asarray(getattr(one, name)).tobytes() != np.asarray(getattr(other, name)).tobytes()
    ]


class Said(NamedTuple):
    """Person number ``who`` talks from ``start`` to ``end`` seconds."""

    start: float
    end: float
    who: int


@cache
def voices(count: int, dimensions: int = 64) -> Float:
    """Unit-norm vectors [count, dimensions] of people who sound nothing like each other."""
    axes = np.linalg.qr(np.random.default_rng(1).normal(size=(dimensions, dimensions)))[0]
    return np.array(axes[:count], np.float32)


def heard(voice: Float, spread: float, rng: np.random.Generator) -> Float:
    """``voice`` [n, D] as embeddings catch it: cosine 1 / sqrt(1 + spread ** 2) to the truth."""
    noise = rng.normal(size=voice.shape)
    noise *= spread / np.linalg.norm(noise, axis=-1, keepdims=True)
    vectors = voice + noise
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def conversation(
    talk: Sequence[Said],
    people: Float,
    *,
    duration: float,
    parameters: Parameters = ACCURATE,
    spread: float = 0.5,
    mistaken_for_one: frozenset[int] = frozenset(),
) -> Evidence:
    """What an analysis would find in talk of ``people`` [K, D], at most two of them at a time.

    Each window numbers its speakers by lot; those in ``mistaken_for_one`` are one to it.
    """
    rng = np.random.default_rng(7)
    step = parameters.window_step
    last = max(0, -(-(round(duration * 16000) - WINDOW_SAMPLES) // FRAME_SAMPLES))
    starts = sorted({*range(0, last, step), last})
    truth = np.zeros((last + WINDOW_FRAMES, len(people)), np.bool_)
    centres = (np.arange(len(truth)) + 0.5) * FRAME_S + FRAME_START_S
    for said in talk:
        truth[(centres >= said.start) & (centres < said.end), said.who] = True
    builder = EvidenceBuilder()
    for start in starts:
        here = truth[start : start + WINDOW_FRAMES]
        slot = _slots(here, mistaken_for_one, rng)
        active = np.zeros((WINDOW_FRAMES, LOCAL_SPEAKERS), np.bool_)
        for who, local in slot.items():
            active[:, local] |= here[:, who]
        classes = (active[:, None] == (CLASS_SPEAKERS > 0)).all(axis=2).argmax(axis=1)
        probabilities = np.full((WINDOW_FRAMES, len(CLASS_SPEAKERS)), 0.01, np.float32)
        probabilities[np.arange(WINDOW_FRAMES), classes] = 0.94
        units = cut_units(probabilities, parameters)
        first = builder.add_window(start, probabilities, units)
        for key, one in enumerate(units, first):
            share = here[one.first : one.last].sum(axis=0)
            candidates = [who for who in slot if slot[who] == one.local]
            whose = max(candidates, key=lambda who: share[who])
            if one.clean_s >= parameters.unit_least_s:
                builder.set_unit(key, heard(people[whose], spread, rng))
    for cell in range(int(duration / CELL_S) + 1):
        near = truth[np.abs(centres - (cell + 0.5) * CELL_S) < 0.6].sum(axis=0)
        if near.any():
            builder.add_cell(cell)
            builder.set_cell(cell, heard(near @ people / np.linalg.norm(near), spread, rng))
    return builder.build(duration=duration)


def _slots(
    here: NDArray[np.bool_], mistaken_for_one: frozenset[int], rng: np.random.Generator
) -> dict[int, int]:
    """Which of a window's speakers each person in it is."""
    present = np.flatnonzero(here.any(axis=0)).tolist()
    lots = rng.permutation(LOCAL_SPEAKERS).tolist()
    merged = lots.pop() if mistaken_for_one.intersection(present) else None
    return {
        who: merged if merged is not None and who in mistaken_for_one else lots.pop()
        for who in present
    }
