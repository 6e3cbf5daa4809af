"""Which recordings, and what is written for each: everything that can be refused early."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from earmark.errors import InvalidOption

__all__ = ["STDIN", "Job", "plan"]

STDIN = Path("-")

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/")  # of the two slashes a path keeps one


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One recording: where from, and which files are made of it.

    ``name`` is what messages call it, ``uri`` what the results do: the file's stem, with U+FFFD for
    bytes that are no UTF-8.
    ``resumable`` are those of the files that are not made again when they are up to date: all but
    a report that was named itself.
    """

    source: Path
    name: str
    uri: str
    output: Path | None
    report: Path | None
    resumable: tuple[Path, ...]

    @property
    def targets(self) -> tuple[Path, ...]:
        """The files that are made of it."""
        return tuple(target for target in (self.output, self.report) if target is not None)


def plan(
    files: Sequence[Path], *, output: Path | None, extension: str, report: Path | None
) -> tuple[Job, ...]:
    """One job per file. ``report`` is a page, or a folder of pages when there are several files.

    Raises `InvalidOption` when two files would be called the same, a folder or an address is given
    as a recording, or an output would land on a recording or on a file where a folder should be.
    """
    if output is not None and output.exists() and not output.is_dir():
        raise InvalidOption(f"--output names a folder, but {output} is a file.")
    pages = _page_folder(report, len(files))
    jobs = []
    for file in files:
        if file.is_dir():
            raise InvalidOption(f"{file} is a folder; name the files in it, such as {file}/*.wav.")
        if _ADDRESS.match(str(file)) and not file.exists():
            raise InvalidOption(
                f"{file} is an address, and only files are read: download it first."
            )
        stem = "stdin" if file == STDIN else file.stem
        text = None if output is None else output / f"{stem}{extension}"
        page = report if pages is None else pages / f"{stem}.html"
        jobs.append(
            Job(
                source=file,
                name="standard input" if file == STDIN else str(file),
                uri=os.fsencode(stem).decode(errors="replace"),
                output=text,
                report=page,
                resumable=tuple(t for t in (text, pages and page) if t is not None),
            )
        )
    _require_distinct(jobs)
    recordings = {file.resolve() for file in files if file != STDIN}
    for job in jobs:
        for target in job.targets:
            if target.resolve() in recordings:
                raise InvalidOption(f"{target} is one of the recordings and is not overwritten.")
    return tuple(jobs)


def _page_folder(report: Path | None, files: int) -> Path | None:
    """The folder for the reports, or None when ``report`` is the one page itself."""
    if report is None:
        return None
    is_page = report.suffix.lower() in (".html", ".htm") and not report.is_dir()
    if is_page and files > 1:
        raise InvalidOption(
            f"--report {report} is one page, but there are {files} recordings; name a folder."
        )
    if not is_page and report.exists() and not report.is_dir():
        raise InvalidOption(f"--report names a page (.html) or a folder, but {report} is a file.")
    return None if is_page else report


def _require_distinct(jobs: Sequence[Job]) -> None:
    first: dict[str, Job] = {}
    for job in jobs:
        other = first.setdefault(job.uri, job)
        if other is not job:
            raise InvalidOption(
                f"{other.name} and {job.name} would both be called {job.uri!r}; "
                "give one of them another name, or run them apart."
            )
