"""Lists of comparisons whose answer is known, and the voiceprints of the files they name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from earmark.bench._verification_score import Trials
from earmark.diarization import Diarizer, one_voice
from earmark.errors import InvalidInput, InvalidOption, TooLittleSpeech
from earmark.voiceprints import Voiceprint

__all__ = ["Heard", "TrialList", "as_trials", "hear", "pairs_within", "read_trials"]

Int = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialList:
    """A trials file: ``files`` are the names in it, ``listed`` (same, enrol, test) by their index.

    ``people`` numbers the person of each file. When every trial agrees that a folder is a person,
    the folders are the people and ``foldered`` is true; otherwise they are who trials of the same
    person connect.
    """

    path: Path
    audio: Path
    files: tuple[str, ...]
    listed: tuple[tuple[bool, int, int], ...]
    people: tuple[int, ...]
    foldered: bool

    @property
    def corpora(self) -> tuple[str, ...]:
        """The corpus of each file: its folder's name up to ``_``, or ``all``."""
        return tuple(
            PurePosixPath(name).parent.name.partition("_")[0] or "all" for name in self.files
        )

    @property
    def speakers(self) -> int:
        """How many people there are."""
        return len(set(self.people))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Heard:
    """The voiceprint of each file, None without enough speech, and the files' SHA-256."""

    prints: tuple[Voiceprint | None, ...]
    sha256: str
    models: Mapping[str, str]


def read_trials(path: Path, audio: Path | None = None) -> TrialList:
    """Read lines ``label enrol test``: 1 or 0, and two files below ``audio``.

    ``audio`` is the list's own folder unless given. Raises `InvalidOption` when the list cannot be
    read, `InvalidInput` with the line for one that is not a trial or names a file that is not
    there.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidOption(f"Cannot read the trials {path}: {error}.") from error
    folder = audio or path.parent
    number: dict[str, int] = {}
    listed = []
    for place, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 3 or words[0] not in ("0", "1"):
            raise InvalidInput(
                f"{path}, line {place}: a trial is 'label enrol test', the label 1 (same person)"
                f" or 0, not {line!r}."
            )
        for name in words[1:]:
            if name not in number and not (folder / name).is_file():
                raise InvalidInput(f"{path}, line {place}: there is no file {folder / name}.")
            number.setdefault(name, len(number))
        listed.append((words[0] == "1", number[words[1]], number[words[2]]))
    if not listed:
        raise InvalidInput(f"{path} holds no trial.")
    files = tuple(number)
    folders = [str(PurePosixPath(name).parent) for name in files]
    foldered = all(same == (folders[a] == folders[b]) for same, a, b in listed)
    people = _numbered(folders) if foldered else _connected(len(files), listed)
    for same, a, b in listed:
        if same != (people[a] == people[b]):
            raise InvalidInput(
                f"{path} says of {files[a]} and {files[b]} that two people speak, but other trials"
                " make them one."
            )
    return TrialList(
        path=path,
        audio=folder,
        files=files,
        listed=tuple(listed),
        people=people,
        foldered=foldered,
    )


def hear(
    trials: TrialList, diarizer: Diarizer, on_step: Callable[[str], None] = lambda _: None
) -> Heard:
    """The voiceprint of the most talkative voice in each file, as an enrolment would make it.

    Raises what reading a recording raises.
    """
    prints: list[Voiceprint | None] = []
    models: dict[str, str] = {}
    digest = hashlib.sha256(trials.path.read_bytes())
    for place, name in enumerate(trials.files, start=1):
        on_step(f"{place}/{len(trials.files)} {name}")
        path = trials.audio / name
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
        diarization = diarizer.diarize(path, voiceprints=True)
        models.update(diarization.models)
        try:
            _, voiceprint = one_voice(diarization, needed_s=0.0, refuse_others=False)
        except TooLittleSpeech:
            prints.append(None)
        else:
            prints.append(voiceprint)
    return Heard(prints=tuple(prints), sha256=digest.hexdigest(), models=models)


def pairs_within(trials: TrialList, heard: Heard, corpus: str, *, listed: bool) -> tuple[Int, Int]:
    """The comparisons within a corpus, by file: every pair, or those of the list.

    Files without a voiceprint are left out.
    """
    usable = [
        each == corpus and voiceprint is not None
        for each, voiceprint in zip(trials.corpora, heard.prints, strict=True)
    ]
    if listed:
        pairs = [(a, b) for _, a, b in trials.listed if usable[a] and usable[b]]
        first, second = np.asarray(pairs, np.int64).reshape(-1, 2).T
        return first, second
    own = np.flatnonzero(usable)
    i, j = np.triu_indices(len(own), 1)
    return own[i], own[j]


def as_trials(trials: TrialList, first: Int, second: Int) -> Trials:
    """The answers of comparisons of files."""
    people = np.asarray(trials.people)
    return Trials(same=people[first] == people[second], first=people[first], second=people[second])


def _numbered(names: Sequence[str]) -> tuple[int, ...]:
    order = {name: i for i, name in enumerate(sorted(set(names)))}
    return tuple(order[name] for name in names)


def _connected(files: int, listed: Sequence[tuple[bool, int, int]]) -> tuple[int, ...]:
    """Who is one person, by the trials that say so."""
    leader = list(range(files))

    def lead(file: int) -> int:
        while leader[file] != file:
            leader[file] = leader[leader[file]]
            file = leader[file]
        return file

    for same, a, b in listed:
        if same:
            leader[lead(b)] = lead(a)
    leads = [lead(file) for file in range(files)]
    order = {each: i for i, each in enumerate(dict.fromkeys(leads))}
    return tuple(order[each] for each in leads)
