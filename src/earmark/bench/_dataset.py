"""Recordings with a reference beside them."""

from __future__ import annotations

import hashlib
import wave
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark.audio import SAMPLE_RATE, open_audio
from earmark.diarization import Diarization, Turn
from earmark.errors import InvalidOption

__all__ = ["Dataset", "Recording", "load_dataset", "pcm16", "write_wav"]

Samples = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """An audio file and who really spoke when.

    ``name`` is its path below the dataset's folder, without the suffix. ``duration`` is in seconds
    of decoded audio. ``split`` says that the reference speaks of more than one channel, so the
    channels are diarized and scored each by itself.
    """

    name: str
    path: Path
    reference: tuple[Turn, ...]
    duration: float
    split: bool

    @property
    def group(self) -> str:
        """The folder it lies in, below the dataset's."""
        return self.name.rpartition("/")[0]

    @property
    def people(self) -> int:
        """How many people the reference names."""
        return len({(turn.channel, turn.speaker) for turn in self.reference})


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """The recordings of a folder; ``sha256`` (hex) covers their names, audio and references."""

    folder: Path
    recordings: tuple[Recording, ...]
    left_out: tuple[str, ...]
    sha256: str

    @property
    def hours(self) -> float:
        """Length of all recordings together."""
        return sum(recording.duration for recording in self.recordings) / 3600


def load_dataset(folder: Path, *, only: Sequence[str] = (), skip: Sequence[str] = ()) -> Dataset:
    """Find every ``.rttm`` below the folder that has an audio file of the same name beside it.

    ``only`` and ``skip`` are globs for the name or its last part (``sim/*``, ``*stereo``); what
    they leave out is in ``left_out``. Raises `InvalidOption` when nothing is left.
    """
    pairs = {}
    for rttm in sorted(folder.rglob("*.rttm")):
        audio = [p for p in rttm.parent.glob(f"{_escaped(rttm.stem)}.*") if p.suffix != ".rttm"]
        if audio:
            pairs[rttm.relative_to(folder).with_suffix("").as_posix()] = (min(audio), rttm)
    if not pairs:
        raise InvalidOption(
            f"{folder} holds no audio file with an .rttm of the same name beside it;"
            " name a folder that does, or set EARMARK_EVAL_DIR."
        )

    def wanted(name: str) -> bool:
        return (not only or _matches(name, only)) and not _matches(name, skip)

    chosen = [name for name in pairs if wanted(name)]
    if not chosen:
        raise InvalidOption(f"None of the {len(pairs)} recordings in {folder} fits the globs.")
    digest = hashlib.sha256()
    for name in chosen:
        digest.update(name.encode())
        for path in pairs[name]:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return Dataset(
        folder=folder,
        recordings=tuple(_read(name, *pairs[name]) for name in chosen),
        left_out=tuple(name for name in pairs if not wanted(name)),
        sha256=digest.hexdigest(),
    )


def write_wav(source: Path, target: Path) -> float:
    """Write a recording's mix as 16 kHz mono 16-bit WAV; its length in seconds."""
    with wave.open(str(target), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(SAMPLE_RATE)
        return _decode(source, lambda block: wav.writeframesraw(pcm16(block)))


def pcm16(samples: Samples) -> bytes:
    """Float32 samples in [-1, 1] as little-endian 16-bit PCM."""
    scaled: NDArray[np.int16] = np.rint(np.clip(samples, -1, 32767 / 32768) * 32768).astype("<i2")
    return scaled.tobytes()


def _read(name: str, audio: Path, rttm: Path) -> Recording:
    reference = Diarization.from_rttm(rttm).turns
    return Recording(
        name=name,
        path=audio,
        reference=reference,
        duration=_decode(audio),
        split=any(turn.channel is not None for turn in reference),
    )


def _decode(path: Path, take: Callable[[Samples], None] | None = None) -> float:
    """Seconds of audio in the file; ``take`` gets the mix, block by block."""
    samples = 0
    with open_audio(path) as stream:
        for block in stream:
            if take is not None:
                take(block[0])
            samples += block.shape[1]
    return samples / SAMPLE_RATE


def _matches(name: str, globs: Iterable[str]) -> bool:
    last = name.rpartition("/")[2]
    return any(fnmatch(name, glob) or fnmatch(last, glob) for glob in globs)


def _escaped(stem: str) -> str:
    """The stem as a glob that fits nothing else."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in stem)
