"""A person opens the report of a telephone call in a browser and uses it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from browser import Page, chromium
from earmark.cli._report import report_page
from earmark.diarization import Diarization

_NASTY = "<img src=x onerror=document.title='broken'>"
_WAIT_FOR_SOUND = (
    "new Promise(done => sound.readyState > 2 ? done() : (sound.oncanplay = () => done()))"
)


@pytest.fixture(scope="module")
def truth(sample_rttm: Path) -> Diarization:
    call = Diarization.from_rttm(sample_rttm, duration=30.0)
    return call.rename({call.speakers[0]: _NASTY})


@pytest.fixture(scope="module")
def report(truth: Diarization, sample_wav: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "out.html"
    path.write_text(report_page(truth, sample_wav), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(browser: Page, report: Path) -> Iterator[Page]:
    browser.open(report)
    yield browser
    assert browser.complaints() == []
    assert browser.requests() == [report.as_uri()]


def _wait(page: Page, condition: str) -> None:
    """Until a JavaScript condition holds (at most 20 s)."""
    assert page.run(
        "new Promise(done => { const until = performance.now() + 20000; const look = () =>"
        f" ({condition}) ? done(true) : performance.now() > until ? done(false)"
        " : setTimeout(look, 20); look(); })"
    ), condition


def test_it_shows_the_call_and_asks_nobody_for_anything(page: Page, truth: Diarization) -> None:
    assert page.run("document.title").endswith(": who spoke when")
    assert page.run("document.querySelectorAll('#turns button').length") == len(truth)
    assert page.run("document.querySelectorAll('rect.t').length") == len(truth)
    assert page.run("document.querySelector('#turns b').textContent") == truth.turns[0].speaker
    assert page.run("document.images.length") == 0


def test_the_sound_is_inside(page: Page) -> None:
    page.run(_WAIT_FOR_SOUND)
    assert page.run("sound.duration") == pytest.approx(30, abs=0.1)
    assert page.run("sound.seekable.end(0)") == pytest.approx(30, abs=0.1)


def test_clicking_a_turn_plays_that_turn_and_stops(page: Page, truth: Diarization) -> None:
    page.run(_WAIT_FOR_SOUND)
    page.click("#turns li:nth-child(2) button")
    _wait(page, "play.textContent === 'Pause'")
    _wait(page, "play.textContent === 'Play'")
    assert page.run("sound.currentTime") == pytest.approx(truth.turns[1].end, abs=0.3)


def test_clicking_a_lane_plays_its_turn(page: Page, truth: Diarization) -> None:
    page.run(_WAIT_FOR_SOUND)
    page.click("rect.t[data-t='4']")
    _wait(page, "!sound.paused")
    start, end = truth.turns[4].start, truth.turns[4].end
    assert start - 0.1 <= page.run("sound.currentTime") <= end
    page.click("#play")
    _wait(page, "sound.paused")


def test_clicking_the_waveform_goes_there(page: Page) -> None:
    page.run(_WAIT_FOR_SOUND)
    page.click(".wave")
    assert page.run("sound.currentTime") == pytest.approx(15, abs=0.5)
    assert page.run("sound.paused")


def test_the_keyboard_is_enough(page: Page, truth: Diarization) -> None:
    page.run(_WAIT_FOR_SOUND)
    page.run("line.focus()")
    page.key("ArrowRight")
    page.key("ArrowRight")
    assert page.run("line.getAttribute('aria-valuenow')") == "10.0"
    talking = [turn.speaker for turn in truth if turn.start <= 10 < turn.end]
    assert page.run("line.getAttribute('aria-valuetext')") == "0:10, " + " and ".join(talking)
    page.key(" ", " ")
    _wait(page, "!sound.paused")
    page.key(" ", " ")
    _wait(page, "sound.paused")
    page.key("Home")
    page.key("n", "n")
    _wait(page, "!sound.paused")
    assert page.run("sound.currentTime") == pytest.approx(truth.turns[0].start, abs=0.5)


def test_the_list_is_one_stop_and_arrows_move_in_it(page: Page) -> None:
    stops = "[...document.querySelectorAll('#turns button')].filter(b => b.tabIndex === 0).length"
    assert page.run(stops) == 1
    page.run("document.querySelector('#turns button').focus()")
    page.key("ArrowDown")
    page.key("ArrowDown")
    where = "[...document.querySelectorAll('#turns button')].indexOf(document.activeElement)"
    assert page.run(where) == 2
    assert page.run(stops) == 1


def test_zoom_widens_the_lanes_and_refines_the_axis(page: Page) -> None:
    widths = "[line.offsetWidth, line.parentElement.clientWidth, axis.childElementCount]"
    narrow, view, ticks = page.run(widths)
    assert narrow == view
    page.click("#in")
    page.click("#in")
    wide, view, more = page.run(widths)
    assert wide == pytest.approx(4 * view, abs=4)
    assert more > ticks
    page.click("#fit")
    assert page.run(widths)[0] == view


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [375, 1280])
def test_it_fits_and_can_be_read(
    browser: Page, report: Path, width: int, dark: bool, tmp_path: Path
) -> None:
    browser.open(report, width=width, dark=dark)
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run("document.querySelector('.timeline').getBoundingClientRect().right") <= width
    colours = browser.run(
        "[['body', 'h1'], ['body', '.lead'], ['.names', '.names'], ['.cards div', 'dt'], "
        "['body', '.turns time'], ['body', 'footer']].map(([back, text]) => "
        "[getComputedStyle(document.querySelector(back)).backgroundColor, "
        "getComputedStyle(document.querySelector(text)).color])"
    )
    for back, text in colours:
        assert _contrast(back, text) >= 4.5, (back, text)  # WCAG 2.2, 1.4.3
    assert (_luminance(colours[0][0]) < 0.2) is dark
    browser.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 10_000


def test_without_scripts_it_still_says_who_spoke_when(
    browser: Page, report: Path, truth: Diarization
) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(report)
        root = browser.call("DOM.getDocument", depth=1)["root"]["nodeId"]
        html = browser.call("DOM.getOuterHTML", nodeId=root)["outerHTML"]
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
    assert html.count("data-s=") == len(truth)
    assert '<audio id="sound" controls' in html
    assert "hidden" in html.split('id="bar"')[1].split(">")[0]


def _luminance(colour: str) -> float:
    parts = [float(part) / 255 for part in colour[4:-1].split(",")[:3]]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)
