from __future__ import annotations

import base64
import hashlib
import io
import re
import wave
from html.parser import HTMLParser
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from earmark.cli._report import _page, _sound, report_page
from earmark.cli._report._page import render_page
from earmark.cli._report._sound import Sound, listen
from earmark.diarization import Diarization
from results import HOSTILE_NAMES, diarization, hostile, turn

FLAT = Sound(peaks=np.full(100, 128, dtype=np.uint8), webm=b"sound")


def _wav(path: Path, samples: NDArray[np.float64], *, rate: int = 16000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def _tone(seconds: float, *, loud_from: float = 0.0) -> NDArray[np.float64]:
    time = np.arange(round(seconds * 16000)) / 16000
    return np.sin(2 * np.pi * 300 * time) * np.where(time >= loud_from, 0.5, 0.05)


def _decoded(webm: bytes) -> NDArray[np.float32]:
    with av.open(io.BytesIO(webm), mode="r") as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    heard: NDArray[np.float32] = np.concatenate(frames, axis=1)[0]
    return heard


def _level(heard: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(heard.astype(np.float64) ** 2)))


class TestListen:
    def test_the_sound_is_all_there_in_little_room(self, tmp_path: Path) -> None:
        path = _wav(tmp_path / "a.wav", _tone(20, loud_from=10))
        sound = listen(path, channels="mix", start=0, duration=20, damaged="error")
        assert sound.webm is not None
        assert len(sound.webm) < 20 * 24_000 / 8 * 1.25
        heard = _decoded(sound.webm)
        assert heard.size == pytest.approx(20 * 48000, abs=1000)
        quiet, loud = _level(heard[: 9 * 48000]), _level(heard[11 * 48000 :])
        assert quiet == pytest.approx(0.035, rel=0.2)
        assert loud == pytest.approx(0.354, rel=0.1)

    def test_the_outline_shows_where_it_is_loud(self, tmp_path: Path) -> None:
        path = _wav(tmp_path / "a.wav", _tone(4, loud_from=3))
        peaks = listen(path, channels="mix", start=0, duration=4, damaged="error").peaks
        assert peaks.shape == (200,)
        assert set(peaks[:149]) <= {25, 26}  # a tenth as loud
        assert peaks[151:].min() >= 254

    def test_only_the_analysed_part_is_carried(self, tmp_path: Path) -> None:
        path = _wav(tmp_path / "a.wav", _tone(10, loud_from=5))
        sound = listen(path, channels="mix", start=6, duration=2, damaged="error")
        assert sound.webm is not None
        assert _decoded(sound.webm).size == pytest.approx(2 * 48000, abs=1000)
        assert sound.peaks.min() > 200

    @pytest.mark.parametrize("channels", ["mix", "split", (0, 1)])
    def test_channels_are_mixed(self, tmp_path: Path, channels: str | tuple[int, ...]) -> None:
        stereo = np.stack([_tone(2), np.zeros(32000)], axis=1)
        path = _wav(tmp_path / "a.wav", stereo)
        sound = listen(path, channels=channels, start=0, duration=2, damaged="error")
        assert sound.webm is not None
        assert _level(_decoded(sound.webm)) == pytest.approx(0.177, rel=0.1)

    def test_silence_has_a_flat_outline(self, tmp_path: Path) -> None:
        path = _wav(tmp_path / "a.wav", np.zeros(16000))
        assert not listen(path, channels="mix", start=0, duration=1, damaged="error").peaks.any()

    def test_what_is_too_long_is_not_carried(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_sound, "MAX_SOUND_S", 1.0)
        path = _wav(tmp_path / "a.wav", _tone(2))
        page = report_page(diarization(turn(0, 1, "A"), duration=2), path)
        assert "<audio" not in page
        assert "carries no sound" in page


class _Reader(HTMLParser):
    """What a browser would make of the page: the tags, their attributes, the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


class TestPage:
    def test_the_policy_allows_this_script_and_style_and_nothing_else(self) -> None:
        page = render_page(hostile(), FLAT)
        meta = _Reader(page).named("meta")
        policy = next(m["content"] for m in meta if "http-equiv" in m)
        assert policy is not None
        for tag in ("script", "style"):
            (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"{tag}-src 'sha256-{digest}'" in policy
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy

    def test_nothing_is_fetched_and_nothing_is_inline(self) -> None:
        reader = _Reader(render_page(hostile(), FLAT))
        for tag, attributes in reader.tags:
            for name, value in attributes.items():
                assert name not in ("href", "style", "srcset", "action"), (tag, name)
                assert not name.startswith("on"), (tag, name)
                if name == "src":
                    assert (value or "").startswith("data:audio/webm;base64,")
        assert not re.search(r"url\(|@import|https?:|//[a-z]", _page._asset("page.css"))
        assert not re.search(r"fetch|XMLHttp|https?:|import\(", _page._asset("page.js"))

    def test_hostile_names_are_text(self) -> None:
        nasty = Diarization(
            turns=hostile().turns,
            exclusive=(),
            duration=60,
            uri='"><script>alert(1)</script>',
            warnings=("<img src=x onerror=alert(1)>",),
            models={"</style>": "<b>"},
        )
        reader = _Reader(render_page(nasty, FLAT))
        assert len(reader.named("script")) == 1
        assert reader.named("img") == []
        text = "".join(reader.text)
        for name in HOSTILE_NAMES:
            assert " ".join(name.split()) in text

    def test_names_that_look_the_same_stay_apart(self) -> None:
        page = render_page(diarization(turn(0, 1, "A\tB"), turn(2, 3, "A B")), FLAT)
        assert "<b>A B</b>" in page
        assert "<b>A B (2)</b>" in page

    def test_every_turn_is_in_its_lane_and_in_the_list(self) -> None:
        result = diarization(turn(10, 15, "A"), turn(14, 20, "B"), duration=20, start_s=10)
        reader = _Reader(render_page(result, FLAT))
        rects = [each for each in reader.named("rect") if each.get("class") == "t"]
        assert [(r["x"], r["width"]) for r in rects] == [
            ("0.0000%", "25.0000%"),
            ("20.0000%", "30.0000%"),
        ]
        buttons = [each for each in reader.named("button") if "data-s" in each]
        assert [(b["data-s"], b["data-e"], b["data-n"]) for b in buttons] == [
            ("10.000", "15.000", "A"),
            ("14.000", "20.000", "B"),
        ]
        tint = reader.named("rect")[0]  # the overlap, behind all lanes
        assert (tint.get("class"), tint["x"], tint["width"]) == (None, "20.0000%", "5.0000%")

    def test_nobody_speaks(self) -> None:
        page = render_page(diarization(duration=5), FLAT)
        assert "0 speakers in 0 turns" in page
        assert "Nobody speaks in this recording." in page

    def test_a_day_of_talk_makes_a_page_of_megabytes_not_more(self) -> None:
        rows = (turn(4 * i, 4 * i + 4.5, f"SPEAKER_{i % 8:02d}") for i in range(21_600))
        sound = Sound(peaks=np.arange(20_000, dtype=np.uint8), webm=None)
        assert len(render_page(diarization(*rows, duration=86_401), sound)) < 10e6
