"""Each export is read back by somebody else's parser, with names that would love to break it."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import sys
from pathlib import Path

import pytest
import webvtt
from hypothesis import given
from praatio import textgrid

from earmark.diarization import FORMATS, Diarization, Turn
from earmark.diarization._exports._text import clock, one_line
from earmark.errors import MissingExtra
from results import HOSTILE_NAMES, diarization, hostile, turn, turns

TALK = diarization(turn(0, 2.5, "A"), turn(2, 3661.007, "B"), duration=4000)


def _spans(result: Diarization) -> list[tuple[float, float, str]]:
    return [(row.start, row.end, one_line(row.speaker)) for row in result]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("a\nb", "a b"),
        (" a\t\r\n b ", "a b"),
        ("a\u2028b\x85c", "a b c"),
        ("👩\u200d👧", "👩\u200d👧"),
    ],
)
def test_one_line(name: str, written: str) -> None:
    assert one_line(name) == written


def test_srt() -> None:
    assert TALK.to_srt() == (
        "1\n00:00:00,000 --> 00:00:02,500\nA\n\n2\n00:00:02,000 --> 01:01:01,007\nB\n"
    )


def _parse_srt(text: str) -> list[tuple[float, float, str]]:
    """A strict reading of SubRip: number, times, one line of text, an empty line between."""

    def seconds(clock: str) -> float:
        hours, minutes, rest = clock.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(rest.replace(",", "."))

    cues = []
    for number, cue in enumerate(text.removesuffix("\n").split("\n\n") if text else [], start=1):
        count, times, name = cue.split("\n")
        assert count == str(number)
        match = re.fullmatch(r"(\d\d+:\d\d:\d\d,\d{3}) --> (\d\d+:\d\d:\d\d,\d{3})", times)
        assert match
        assert "-->" not in name
        assert not re.search(r"[<>]", name)
        cues.append((round(seconds(match[1]), 3), round(seconds(match[2]), 3), name))
    return cues


@given(turns())
def test_srt_has_a_cue_per_turn(rows: tuple[Turn, ...]) -> None:
    result = diarization(*rows)
    assert _parse_srt(result.to_srt()) == [
        (start, end, name.replace("<", "‹").replace(">", "›"))
        for start, end, name in _spans(result)
    ]


def test_vtt() -> None:
    assert TALK.to_vtt() == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:02.500\n<v A>A</v>\n\n"
        "00:00:02.000 --> 01:01:01.007\n<v B>B</v>\n"
    )


@given(turns())
def test_vtt_is_read_by_webvtt(rows: tuple[Turn, ...]) -> None:
    result = diarization(*rows)
    read = webvtt.from_string(result.to_vtt())
    assert len(read.captions) == len(result)
    for caption, row in zip(read.captions, result, strict=True):
        name = one_line(row.speaker)
        escaped = name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        assert (caption.start, caption.end) == (clock(row.start, "."), clock(row.end, "."))
        assert caption.raw_text == f"<v {escaped}>{escaped}</v>"


@given(turns())
def test_csv_is_read_by_csv(rows: tuple[Turn, ...]) -> None:
    result = diarization(*rows)
    read = list(csv.DictReader(io.StringIO(result.to_csv(), newline="")))
    assert [
        (
            float(row["start"]),
            float(row["end"]),
            row["speaker"],
            float(row["confidence"]) if row["confidence"] else None,
        )
        for row in read
    ] == [
        (
            row.start,
            row.end,
            f"'{name}" if (name := one_line(row.speaker))[0] in "=+-@" else name,
            row.confidence,
        )
        for row in result
    ]


def test_csv_writes_channels_and_leaves_the_unknown_empty() -> None:
    text = diarization(turn(0, 1, "A", 1)).to_csv()
    assert text == "start,end,speaker,channel,confidence\n0.000,1.000,A,1,\n"


def test_audacity_labels_have_three_columns_whatever_the_name() -> None:
    lines = hostile().to_audacity().splitlines()
    assert [line.split("\t") for line in lines] == [
        [f"{row.start:.6f}", f"{row.end:.6f}", one_line(row.speaker)] for row in hostile()
    ]


def _read_textgrid(text: str, path: Path) -> textgrid.textgrid.Textgrid:
    path.write_text(text, encoding="utf-8")
    return textgrid.openTextgrid(
        str(path), includeEmptyIntervals=True, duplicateNamesMode="error", reportingMode="error"
    )


def test_textgrid_is_read_by_praatio_and_covers_all_time(tmp_path: Path) -> None:
    result = diarization(
        turn(1, 3, 'say "hi"'),
        turn(2, 5, "<b>\nB"),
        turn(5, 6, 'say "hi"'),
        duration=8,
        start_s=1,
    )
    grid = _read_textgrid(result.to_textgrid(), tmp_path / "a.TextGrid")
    assert (grid.minTimestamp, grid.maxTimestamp) == (1, 9)
    assert grid.tierNames == ('say "hi"', "<b> B")
    assert [tuple(entry) for entry in grid.getTier("<b> B").entries] == [
        (1, 2, ""),
        (2, 5, "<b> B"),
        (5, 9, ""),
    ]


@given(rows=turns())
def test_every_tier_of_a_textgrid_is_without_gaps(
    rows: tuple[Turn, ...], tmp_path_factory: pytest.TempPathFactory
) -> None:
    result = diarization(*rows, duration=5000)
    path = tmp_path_factory.getbasetemp() / "any.TextGrid"
    if len({one_line(name) for name in result.speakers}) < len(result.speakers):
        return  # praatio wants tier names to differ; Praat does not
    grid = _read_textgrid(result.to_textgrid(), path)
    for tier, speaker in zip(grid.tiers, result.speakers or ("speakers",), strict=True):
        entries = [tuple(entry) for entry in tier.entries]
        assert entries[0][0] == 0
        assert entries[-1][1] == 5000
        assert all(a[1] == b[0] for a, b in itertools.pairwise(entries))
        assert [entry for entry in entries if entry[2]] == [
            (row.start, row.end, one_line(speaker)) for row in result if row.speaker == speaker
        ]


def test_a_textgrid_tier_unites_a_person_on_two_channels(tmp_path: Path) -> None:
    result = diarization(turn(0, 2, "A", 0), turn(1, 3, "A", 1), duration=4)
    grid = _read_textgrid(result.to_textgrid(), tmp_path / "a.TextGrid")
    assert [tuple(entry) for entry in grid.getTier("A").entries] == [(0, 3, "A"), (3, 4, "")]


def test_an_empty_result_is_valid_everywhere(tmp_path: Path) -> None:
    nothing = diarization(duration=5)
    assert nothing.to_rttm() == nothing.to_srt() == nothing.to_audacity() == ""
    assert nothing.to_vtt() == "WEBVTT\n"
    assert nothing.to_csv().count("\n") == 1
    grid = _read_textgrid(nothing.to_textgrid(), tmp_path / "a.TextGrid")
    assert [tuple(entry) for entry in grid.tiers[0].entries] == [(0, 5, "")]


@pytest.mark.parametrize("name", ["rttm", "csv", "srt", "vtt", "textgrid", "audacity"])
def test_exclusive_writes_one_speaker_at_a_time(name: str) -> None:
    export = getattr(TALK, f"to_{name}")
    assert export() != export(exclusive=True)
    only = Diarization(turns=TALK.exclusive, exclusive=(), duration=4000, uri="talk")
    assert export(exclusive=True) == getattr(only, f"to_{name}")()


def test_every_format_has_its_own_extension() -> None:
    assert len({each.extension for each in FORMATS.values()}) == len(FORMATS)
    for name, each in FORMATS.items():
        assert each.write(TALK, False) == getattr(TALK, f"to_{name}")()
        if name != "json":
            assert each.write(TALK, True) == getattr(TALK, f"to_{name}")(exclusive=True)


@given(turns())
def test_pyannote_has_a_track_per_turn(rows: tuple[Turn, ...]) -> None:
    result = diarization(*rows)
    annotation = result.to_pyannote()
    assert annotation.uri == "talk"
    assert [
        (segment.start, segment.end, label)
        for segment, _, label in sorted(annotation.itertracks(yield_label=True))
    ] == sorted((row.start, row.end, row.speaker) for row in result)


def test_pyannote_keeps_two_speakers_of_one_segment() -> None:
    annotation = diarization(turn(0, 1, "A"), turn(0, 1, "B")).to_pyannote()
    assert sorted(annotation.labels()) == ["A", "B"]


def test_without_pyannote_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyannote.core", None)
    with pytest.raises(MissingExtra, match=r"pip install 'earmark\[pyannote\]'"):
        TALK.to_pyannote()


def test_json_is_plain_and_says_its_schema() -> None:
    document = json.loads(TALK.to_json())
    assert document["schema"] == "earmark.diarization/1"
    assert document["turns"][0] == {
        "start": 0.0,
        "end": 2.5,
        "speaker": "A",
        "channel": None,
        "confidence": None,
    }
    assert [row["speaker"] for row in document["exclusive"]] == ["A", "B"]
    assert "confidence" not in document


def test_json_reads_as_one_turn_per_line_or_compact() -> None:
    assert '\n    {"start": 0.0, "end": 2.5, "speaker": "A"' in TALK.to_json()
    assert TALK.to_json(compact=True).count("\n") == 1
    assert json.loads(TALK.to_json(compact=True)) == json.loads(TALK.to_json())


def test_hostile_names_go_through_json_unchanged() -> None:
    assert Diarization.from_json(hostile().to_json()).speakers == HOSTILE_NAMES
