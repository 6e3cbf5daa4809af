"""One self-contained page: waveform, a lane per speaker, figures, turns, sound.

Everything a recording or a person is called is hostile text: it only ever enters through
`html.escape`, and the page's policy lets nothing run or load but its own script, style and sound.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from html import escape
from importlib.resources import files
from string import Template

import numpy as np
from numpy.typing import NDArray

from earmark import __version__
from earmark.cli._options import clock_text, length_text
from earmark.cli._report._sound import MAX_SOUND_S, Sound
from earmark.diarization import Chart, Diarization, Turn, one_line

__all__ = ["render_page"]

_COLOURS = 12


def render_page(result: Diarization, sound: Sound) -> str:
    """The page as HTML text."""
    result = _readable(result)
    style, script = _asset("page.css"), _asset("page.js")
    chart = result.chart()
    colours = {name: f"k s{i % _COLOURS}" for i, name in enumerate(result.speakers)}
    return Template(_asset("page.html")).substitute(
        policy=(
            f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
            "media-src data:; base-uri 'none'; form-action 'none'"
        ),
        style=style,
        script=script,
        version=escape(__version__),
        title=escape(result.uri or "Recording"),
        lead=_lead(result),
        warnings="".join(f'<p class="warning">{escape(text)}</p>' for text in result.warnings),
        audio=_audio(sound.webm),
        names=_names(colours),
        start=f"{result.start_s:.3f}",
        end=f"{max(result.end_s, result.start_s + 0.001):.3f}",
        lanes=_lanes(result, sound.peaks, colours),
        hint=_hint(sound.webm),
        cards=_cards(result, chart),
        table=_table(chart, colours),
        turns=_turns(result.turns, colours),
        carries="" if sound.webm is None else ", the recording included,",
        provenance=_provenance(result),
    )


def _readable(result: Diarization) -> Diarization:
    """Names on one line; those that differ only in what cannot be seen stay apart."""
    names = {name: one_line(name) for name in result.speakers}
    shown: dict[str, str] = {}
    for name, text in names.items():
        number = 1
        while text in shown.values():
            number += 1
            text = f"{names[name]} ({number})"
        shown[name] = text
    return result.rename({old: new for old, new in shown.items() if old != new})


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _lead(result: Diarization) -> str:
    people, turns = len(result.speakers), len(result)
    part = ""
    if result.start_s:
        part = f" from {clock_text(result.start_s)} on"
    return (
        f"{people} speaker{'' if people == 1 else 's'} in {turns} "
        f"turn{'' if turns == 1 else 's'}, {clock_text(result.duration)}{part}"
    )


def _audio(webm: bytes | None) -> str:
    if webm is None:
        return ""
    data = base64.b64encode(webm).decode()
    return f'<audio id="sound" controls preload="auto" src="data:audio/webm;base64,{data}"></audio>'


def _hint(webm: bytes | None) -> str:
    if webm is None:
        return (
            f"The recording is longer than {MAX_SOUND_S / 3600:g} hours, so this page carries no "
            "sound. The tinted stretches are overlap. Keys: + and − zoom, n and p step."
        )
    return (
        "Click a turn to hear it, or anywhere else to go there. The tinted stretches are overlap. "
        "Keys: space plays, n and p step from turn to turn, + and − zoom, arrows move."
    )


def _names(colours: dict[str, str]) -> str:
    rows = (f'<span class="{colours[n]}" title="{escape(n)}">{escape(n)}</span>' for n in colours)
    return "<span>recording</span>" + "".join(rows)


def _lanes(result: Diarization, peaks: NDArray[np.uint8], colours: dict[str, str]) -> str:
    """The waveform and a lane per speaker as SVG, x in per cent so that any width fits."""
    span = max(result.duration, 0.001)

    def box(start: float, end: float) -> str:
        return (
            f'x="{(start - result.start_s) / span * 100:.4f}%" '
            f'width="{(end - start) / span * 100:.4f}%"'
        )

    tint = "".join(
        f'<rect {box(start, end)} y="0" height="100%"/>' for start, end in _overlaps(result.turns)
    )
    lanes: dict[str, list[str]] = {name: [] for name in colours}
    for number, turn in enumerate(result.turns):
        lanes[turn.speaker].append(
            f'<rect class="t" data-t="{number}" {box(turn.start, turn.end)} y="20%" height="60%" '
            f'rx="2"><title>{escape(turn.speaker)} {clock_text(turn.start)}</title></rect>'
        )
    wave = (
        f'<svg class="wave" aria-hidden="true" preserveAspectRatio="none" '
        f'viewBox="0 -256 {peaks.size} 512"><path d="{_outline(peaks)}"/></svg>'
    )
    rows = "".join(
        f'<svg class="lane {colours[name]}" aria-hidden="true">{"".join(boxes)}</svg>'
        for name, boxes in lanes.items()
    )
    return f'{wave}<div class="lanes"><svg class="tint" aria-hidden="true">{tint}</svg>{rows}</div>'


def _outline(peaks: NDArray[np.uint8]) -> str:
    """The closed path around the waveform, mirrored; soft sounds are lifted a little."""
    heights = np.maximum(1, np.round(255 * (peaks / 255.0) ** 0.7)).astype(int).tolist()
    above = "".join(f"L{x} {-height}" for x, height in enumerate(heights))
    below = "".join(f"L{x} {heights[x]}" for x in reversed(range(len(heights))))
    return f"M0 0{above}{below}Z"


def _overlaps(turns: Iterable[Turn]) -> Iterable[tuple[float, float]]:
    """The stretches where two or more turns run."""
    edges = sorted(
        edge for turn in turns for edge in ((turn.start, 1), (turn.end, -1))
    )  # at one moment ends (-1) come before starts
    running, began = 0, 0.0
    for moment, change in edges:
        if running == 1 and change == 1:
            began = moment
        elif running == 2 and change == -1 and moment > began:
            yield began, moment
        running += change


def _cards(result: Diarization, chart: Chart) -> str:
    def of_all(seconds: float) -> str:
        share = seconds / result.duration if result.duration else 0.0
        return f"{length_text(seconds)} <small>({share:.0%})</small>"

    figures = {
        "Length": clock_text(chart.duration),
        "Speakers": str(len(chart.speakers)),
        "Speech": of_all(chart.speech),
        "Silence": of_all(chart.silence),
        "Overlap": of_all(chart.overlap),
        "Interruptions": str(chart.interruptions),
    }
    return "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures.items())


def _table(chart: Chart, colours: dict[str, str]) -> str:
    return "".join(
        f'<tr class="{colours[row.speaker]}">'
        f'<th scope="row" title="{escape(row.speaker)}"><span class="dot"></span>'
        f"{escape(row.speaker)}</th>"
        f'<td class="share"><svg aria-hidden="true"><rect width="{row.share * 100:.2f}%" '
        f'height="100%" rx="3"/></svg><span>{row.share:.0%}</span></td>'
        f"<td>{length_text(row.talk)}</td><td>{row.turns}</td>"
        f"<td>{length_text(row.longest_turn)}</td><td>{length_text(row.overlap)}</td>"
        f"<td>{row.interruptions}</td></tr>"
        for row in chart.speakers
    )


def _turns(turns: Iterable[Turn], colours: dict[str, str]) -> str:
    rows = []
    for turn in turns:
        sure = "" if turn.confidence is None else f"<small>{turn.confidence:.0%} sure</small>"
        rows.append(
            f'<li><button type="button" class="{colours[turn.speaker]}" data-s="{turn.start:.3f}" '
            f'data-e="{turn.end:.3f}" data-n="{escape(turn.speaker)}"><span class="dot"></span>'
            f"<time>{_tenths(turn.start)} – {_tenths(turn.end)}</time><b>{escape(turn.speaker)}</b>"
            f"<small>{turn.duration:.1f} s</small>{sure}</button></li>"
        )
    return "".join(rows) or '<li class="none">Nobody speaks in this recording.</li>'


def _tenths(seconds: float) -> str:
    minutes, tenths = divmod(round(seconds * 10), 600)
    hours, minutes = divmod(minutes, 60)
    rest = f"{minutes:02d}:{tenths / 10:04.1f}"
    return f"{hours}:{rest}" if hours else rest.removeprefix("0")


def _provenance(result: Diarization) -> str:
    if not result.models and not result.settings:
        return ""
    rows = [f"{name} (sha256 {digest[:12]}…)" for name, digest in result.models.items()]
    rows += [f"{name} = {value}" for name, value in result.settings.items()]
    return f"<p>{escape('; '.join(rows))}</p>"
