from __future__ import annotations

import io

from rich.console import Console

from earmark.cli._live_timeline import live_timeline
from earmark.live import Identity, KnownTurn, LiveView, TurnState


def _turn(start: float, end: float, speaker: str, *, sure: bool = True) -> KnownTurn:
    return KnownTurn(
        turn=1,
        revision=1,
        state=TurnState.CONFIRMED if sure else TurnState.PROVISIONAL,
        start=start,
        end=end,
        speaker=speaker,
        name=None,
        going=not sure,
        confidence=None,
    )


def _view(*turns: KnownTurn, at: float, names: dict[str, str] | None = None) -> LiveView:
    identities = {
        label: Identity(speaker_id=label, name=name, cosine=0.8, llr=9.0, probability=0.99)
        for label, name in (names or {}).items()
    }
    speakers = tuple(dict.fromkeys(turn.speaker for turn in turns))
    return LiveView(number=1, at=at, turns=turns, speakers=speakers, identities=identities)


def _drawn(view: LiveView, *, colour: bool = False) -> list[str]:
    file = io.StringIO()
    console = Console(
        file=file, width=72, force_terminal=colour, color_system="standard" if colour else None
    )
    console.print(live_timeline(view, console))
    return file.getvalue().splitlines()


def test_lanes_show_the_last_minute() -> None:
    view = _view(_turn(10, 20, "SPEAKER_00"), _turn(80, 100, "SPEAKER_01"), at=100)
    title, first, second, axis = _drawn(view)
    assert title.strip() == "1:40  nobody speaks"
    assert first.split() == ["SPEAKER_00"]  # it was more than a minute ago
    assert second.split() == ["SPEAKER_01", "█" * 20]
    assert axis.split() == ["0:40", "0:50", "1:00", "1:10", "1:20", "1:30"]


def test_who_is_known_has_a_name_and_no_terminal_codes() -> None:
    view = _view(_turn(1, 5, "SPEAKER_00"), at=6, names={"SPEAKER_00": "Ju\x1b[31mne"})
    lane = _drawn(view)[1]
    assert lane.startswith("Ju")
    assert "\x1b" not in lane
    assert "SPEAKER_00" not in lane


def test_what_may_still_change_is_dim() -> None:
    sure = _turn(1, 5, "SPEAKER_00")
    view = _view(sure, _turn(20, 25, "SPEAKER_00", sure=False), at=25)
    title, lane, _ = _drawn(view, colour=True)
    assert "SPEAKER_00 speaks" in title
    before, dim = lane.split("\x1b[2;36m")
    assert before.count("█") == 4
    assert dim.count("█") == 5


def test_nobody_has_spoken_yet() -> None:
    assert _drawn(_view(at=0.0))[0].strip() == "0:00  nobody speaks"
