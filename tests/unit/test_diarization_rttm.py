from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from pyannote.database.util import load_rttm

from earmark.diarization import Diarization, Turn
from earmark.errors import InvalidInput
from results import HOSTILE_NAMES, diarization, hostile, plain_names, turn, turns

LINE = "SPEAKER talk 1 0.000 1.500 <NA> <NA> A <NA> <NA>\n"


def test_a_line_per_turn() -> None:
    result = diarization(turn(0, 1.5, "A"), Turn(start=1, end=2, speaker="B", confidence=0.25))
    assert result.to_rttm() == LINE + "SPEAKER talk 1 1.000 1.000 <NA> <NA> B 0.250 <NA>\n"


def test_channels_count_from_one() -> None:
    result = diarization(turn(0, 1, "A", 0), turn(0, 1, "B", 1))
    assert [line.split()[2] for line in result.to_rttm().splitlines()] == ["1", "2"]
    assert Diarization.from_rttm(result.to_rttm()) == result


def test_names_with_spaces_stay_distinct() -> None:
    result = diarization(turn(0, 1, "Ann Lee"), turn(2, 3, "Ann_Lee"), turn(4, 5, "Ann\tLee"))
    assert [line.split()[7] for line in result.to_rttm().splitlines()] == [
        "Ann_Lee_2",
        "Ann_Lee",
        "Ann_Lee_3",
    ]


def test_hostile_names_make_no_extra_lines_or_fields() -> None:
    lines = hostile().to_rttm().splitlines()
    assert len(lines) == len(HOSTILE_NAMES)
    assert all(len(line.split()) == 10 for line in lines)
    assert len({line.split()[7] for line in lines}) == len(HOSTILE_NAMES)


@pytest.mark.parametrize(
    ("uri", "field"), [(None, "recording"), ("my call.v2", "my_call.v2"), (" \n", "recording")]
)
def test_the_recording_is_one_field(uri: str | None, field: str) -> None:
    row = (turn(0, 1, "A"),)
    text = Diarization(turns=row, exclusive=row, duration=1, uri=uri).to_rttm()
    assert text.split()[1] == field


@given(turns(plain_names))
def test_it_comes_back(rows: tuple[Turn, ...]) -> None:
    result = diarization(*rows)
    again = Diarization.from_rttm(result.to_rttm())
    assert (again.turns, again.exclusive) == (result.turns, result.exclusive)
    assert again.uri == ("talk" if rows else None)


def test_pyannote_reads_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.rttm"
    path.write_text(hostile().to_rttm(), encoding="utf-8")
    annotation = load_rttm(path)["talk"]  # type: ignore[no-untyped-call]
    assert sorted((s.start, round(s.end, 3)) for s in annotation.itersegments()) == [
        (row.start, row.end) for row in hostile()
    ]


def test_from_a_path_or_text(tmp_path: Path) -> None:
    path = tmp_path / "a.rttm"
    path.write_text("\ufeff" + LINE, encoding="utf-8")
    expected = Diarization.from_rttm(LINE)
    assert expected.uri == "talk"
    assert Diarization.from_rttm(path) == expected
    assert Diarization.from_rttm(str(path)) == expected
    assert Diarization.from_rttm(LINE.rstrip()) == expected


def test_a_file_without_speech(tmp_path: Path) -> None:
    path = tmp_path / "empty.rttm"
    path.write_text("")
    for nothing in (Diarization.from_rttm(path), Diarization.from_rttm("")):
        assert (nothing.turns, nothing.uri, nothing.duration) == ((), None, 0)
    assert Diarization.from_rttm(path, uri="call", duration=9).duration == 9


def test_other_records_comments_and_blank_lines_are_passed_over() -> None:
    text = (
        ";; a comment\n\nSPKR-INFO talk 1 <NA> <NA> <NA> unknown A <NA>\n"
        + LINE
        + "NON-SPEECH talk 1 3.0 1.0 <NA> noise <NA> <NA>\n"
    )
    assert Diarization.from_rttm(text).turns == (turn(0, 1.5, "A"),)


def test_nine_fields_and_exponents_are_fine() -> None:
    text = "SPEAKER talk 1 1e0 0.5 <NA> <NA> A <NA>\n"
    assert Diarization.from_rttm(text).turns == (turn(1, 1.5, "A"),)


def test_a_turn_of_no_length_is_left_out_and_said() -> None:
    result = Diarization.from_rttm(LINE + "SPEAKER talk 1 3 0 <NA> <NA> B <NA> <NA>\n")
    assert result.speakers == ("A",)
    assert result.warnings == ("Line 2 holds a turn of no length; it was left out.",)


def test_one_recording_of_several_is_picked() -> None:
    text = LINE + LINE.replace("talk", "other").replace(" A ", " B ")
    assert Diarization.from_rttm(text, uri="other").speakers == ("B",)
    with pytest.raises(InvalidInput, match=r"2 recordings \(talk, other\)"):
        Diarization.from_rttm(text)
    with pytest.raises(InvalidInput, match="no recording 'third', only talk, other"):
        Diarization.from_rttm(text, uri="third")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("SPEAKER talk 1 0 1 A\n", "6 fields"),
        ("SPEAKER talk 1 x 1 <NA> <NA> A <NA> <NA>\n", "start that is no number, 'x'"),
        ("SPEAKER talk 1 0 -1 <NA> <NA> A <NA> <NA>\n", "impossible duration, -1"),
        ("SPEAKER talk 1 nan 1 <NA> <NA> A <NA> <NA>\n", "impossible start, nan"),
        ("SPEAKER talk 1 0 inf <NA> <NA> A <NA> <NA>\n", "impossible duration, inf"),
        ("SPEAKER talk one 0 1 <NA> <NA> A <NA> <NA>\n", "channel that is no whole number, 'one'"),
        ("SPEAKER talk 1 0 1 <NA> <NA> A 1.5 <NA>\n", "confidence above 1"),
        ("WEBVTT\n", "unknown record type 'WEBVTT'"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(line: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=f"Line 2 of the RTTM has .*{said}") as caught:
        Diarization.from_rttm(LINE + line)
    assert line.split()[-1] in str(caught.value)


def test_an_unreadable_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"Cannot read the RTTM file .*no\.rttm"):
        Diarization.from_rttm(tmp_path / "no.rttm")
    binary = tmp_path / "b.rttm"
    binary.write_bytes(b"SPEAKER \xff\n")
    with pytest.raises(InvalidInput, match="not UTF-8 text from byte 8"):
        Diarization.from_rttm(binary)


def test_real_files_come_back_as_they_were(eval_dir: Path) -> None:
    files = sorted((eval_dir / "diarization").glob("*/*.rttm"))
    assert files
    for path in files:
        lines = path.read_text(encoding="utf-8").splitlines()
        assert sorted(Diarization.from_rttm(path).to_rttm().splitlines()) == sorted(lines), path
