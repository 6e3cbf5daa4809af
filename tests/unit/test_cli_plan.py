from __future__ import annotations

import os
from pathlib import Path

import pytest

from earmark.cli._plan import STDIN, plan
from earmark.errors import InvalidOption


def test_outputs_are_named_after_the_recordings(tmp_path: Path) -> None:
    (job, stdin) = plan(
        [tmp_path / "a.b.wav", STDIN], output=tmp_path / "out", extension=".rttm", report=None
    )
    assert (job.uri, job.output, job.report) == ("a.b", tmp_path / "out" / "a.b.rttm", None)
    assert (stdin.uri, stdin.output) == ("stdin", tmp_path / "out" / "stdin.rttm")
    assert stdin.name == "standard input"


def test_one_report_is_a_page_that_is_always_made(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    (job,) = plan([tmp_path / "a.wav"], output=tmp_path, extension=".csv", report=page)
    assert job.targets == (tmp_path / "a.csv", page)
    assert job.resumable == (tmp_path / "a.csv",)


def test_reports_of_several_go_into_a_folder_and_resume(tmp_path: Path) -> None:
    files = [tmp_path / "a.wav", tmp_path / "b.wav"]
    jobs = plan(files, output=None, extension=".rttm", report=tmp_path / "pages")
    assert [job.report for job in jobs] == [
        tmp_path / "pages" / "a.html",
        tmp_path / "pages" / "b.html",
    ]
    assert [job.resumable for job in jobs] == [job.targets for job in jobs]


def test_a_folder_called_html_is_a_folder(tmp_path: Path) -> None:
    pages = tmp_path / "my.html"
    pages.mkdir()
    (job,) = plan([tmp_path / "a.wav"], output=None, extension="", report=pages)
    assert job.report == pages / "a.html"


def test_several_recordings_do_not_fit_one_page(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="2 recordings; name a folder"):
        plan([Path("a.wav"), Path("b.wav")], output=None, extension="", report=Path("x.html"))


def test_two_recordings_of_one_name_are_refused_before_work(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match=r"x/a\.wav and y/a\.mp3 would both be called 'a'"):
        plan([Path("x/a.wav"), Path("y/a.mp3")], output=tmp_path, extension="", report=None)


def test_a_folder_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match=r"is a folder; name the files in it"):
        plan([tmp_path], output=None, extension="", report=None)


def test_outputs_need_a_folder(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.touch()
    with pytest.raises(InvalidOption, match="--output names a folder"):
        plan([Path("a.wav")], output=file, extension="", report=None)
    with pytest.raises(InvalidOption, match="--report names a page"):
        plan([Path("a.wav")], output=None, extension="", report=file)


def test_a_recording_is_never_overwritten(tmp_path: Path) -> None:
    recording = tmp_path / "a.txt"  # whatever it is called
    recording.touch()
    with pytest.raises(InvalidOption, match="is one of the recordings"):
        plan([recording], output=tmp_path, extension=".txt", report=None)
    page = tmp_path / "b.html"
    page.touch()
    with pytest.raises(InvalidOption, match="is one of the recordings"):
        plan([page], output=None, extension="", report=page)


def test_an_address_is_no_recording() -> None:
    with pytest.raises(InvalidOption, match="is an address"):
        plan([Path("https://example.org/a.wav")], output=None, extension="", report=None)


def test_a_name_that_is_no_utf8_is_kept_for_files_and_shown_in_results(tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"caf\xe9.wav")
    (job,) = plan([file], output=tmp_path, extension=".rttm", report=None)
    assert job.uri == "caf\ufffd"
    assert job.output == file.with_suffix(".rttm")
