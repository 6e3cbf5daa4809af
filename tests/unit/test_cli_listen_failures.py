"""What `earmark listen` does when what it listens to, or with, breaks."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest
from typer.testing import CliRunner

from earmark.cli._hearing import microphone
from earmark.cli._listen import app
from earmark.errors import Conflict, Unavailable
from earmark.live._tracker import Tracker


def test_a_defect_is_an_error_of_the_command(
    models_dir: Path, sample_wav: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Any:
        raise ZeroDivisionError

    monkeypatch.setenv("EARMARK_MODELS_DIR", str(models_dir))
    monkeypatch.setattr(Tracker, "step", broken)
    done = CliRunner().invoke(app, [str(sample_wav), "--speed", "0"])
    assert isinstance(done.exception, Conflict)
    assert "met a defect" in str(done.exception)


class Lost(Exception):
    """What sounddevice raises."""


class Unplugged:
    """A microphone that is pulled out after two tenths of a second."""

    def __init__(self, *_: object, **__: object) -> None:
        self._left = 2

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, count: int) -> tuple[bytes, bool]:
        self._left -= 1
        if self._left < 0:
            raise Lost("Device unavailable")
        return bytes(4 * count), False


def test_a_microphone_that_is_pulled_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    device = SimpleNamespace(RawInputStream=Unplugged, PortAudioError=Lost)
    monkeypatch.setitem(sys.modules, "sounddevice", device)
    with microphone(None) as chunks:
        assert [len(next(chunks)) for _ in range(2)] == [6400, 6400]
        with pytest.raises(Unavailable, match="Device unavailable"):
            next(chunks)
