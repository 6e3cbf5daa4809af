from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from earmark.cli._files import Record, State, file_sha256, require_writable, write_whole
from earmark.errors import DiskFull, InvalidInput, InvalidOption

ORIGIN = {"recording": "ab", "options": {"speakers": None}}


def test_a_file_is_written_with_its_folders_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.csv"
    write_whole(target, "Zoë\r\n")
    assert target.read_bytes() == "Zoë\r\n".encode()
    assert [each.name for each in target.parent.iterdir()] == ["a.csv"]


def test_its_permissions_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "a", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(target, "\ud800")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match="Cannot write"):
        write_whole(tmp_path / "file" / "a", "x")
    with pytest.raises(InvalidOption, match="Cannot make the folder"):
        require_writable(tmp_path / "file" / "folder")


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(DiskFull, match="no room on the disk to write"):
        write_whole(tmp_path / "a", "x")
    assert list(tmp_path.iterdir()) == []


def test_file_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert file_sha256(tmp_path / "a").startswith("ba7816bf8f01cfea")
    with pytest.raises(InvalidInput, match="Cannot read"):
        file_sha256(tmp_path / "b")


class TestRecord:
    def test_an_output_is_absent_then_done(self, tmp_path: Path) -> None:
        record = Record(target=tmp_path / "a.rttm")
        assert record.state(lambda: ORIGIN) is State.ABSENT
        record.write("x", ORIGIN)
        assert record.state(lambda: ORIGIN) is State.DONE

    def test_other_options_or_bytes_make_it_outdated(self, tmp_path: Path) -> None:
        record = Record(target=tmp_path / "a.rttm")
        record.write("x", ORIGIN)
        assert record.state(lambda: ORIGIN | {"recording": "cd"}) is State.OUTDATED

    def test_a_change_by_hand_is_kept_while_it_is_up_to_date(self, tmp_path: Path) -> None:
        record = Record(target=tmp_path / "a.rttm")
        record.write("x", ORIGIN)
        record.target.write_text("corrected")
        assert record.state(lambda: ORIGIN) is State.DONE
        assert record.state(lambda: ORIGIN | {"recording": "cd"}) is State.FOREIGN

    def test_a_file_of_somebody_else_is_foreign(self, tmp_path: Path) -> None:
        record = Record(target=tmp_path / "a.rttm")
        record.target.write_text("reference")

        def never() -> dict[str, str]:
            raise AssertionError("a file without a record needs no hashing")

        assert record.state(never) is State.FOREIGN

    @pytest.mark.parametrize("garbage", [b"", b"[]", b"\xff", b'{"schema": "other"}'])
    def test_a_record_that_makes_no_sense_is_none(self, tmp_path: Path, garbage: bytes) -> None:
        record = Record(target=tmp_path / "a.rttm")
        record.write("x", ORIGIN)
        (tmp_path / ".earmark" / "a.rttm.json").write_bytes(garbage)
        assert record.state(lambda: ORIGIN) is State.FOREIGN

    def test_killed_between_record_and_output_it_is_made_again(self, tmp_path: Path) -> None:
        record = Record(target=tmp_path / "a.rttm")
        record.write("x", ORIGIN)
        record.target.unlink()
        assert record.state(lambda: ORIGIN) is State.ABSENT
