"""Standard streams and environments that do not serve: one sentence, no traceback."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def _earmark(arguments: str, **environment: str) -> tuple[int, str]:
    """Exit code and standard error of ``earmark``, run by a shell for its redirections."""
    done = subprocess.run(
        ["sh", "-c", f'"$0" -m earmark {arguments}', sys.executable],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")  # noqa: PTH110
@pytest.mark.parametrize("arguments", ["models list", "--help"])
def test_no_room_for_standard_output(arguments: str) -> None:
    code, said = _earmark(f"{arguments} >/dev/full")
    assert code == 1
    assert said.startswith("Error: There is no room on the disk")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("diarize - <&-", "standard input, which is closed here."),
        ("diarize a.wav >&-", "Standard output is closed; name a folder"),
    ],
)
def test_a_closed_stream_is_wrong_usage(arguments: str, message: str) -> None:
    code, said = _earmark(arguments)
    assert code == 2
    assert message in said
    assert said.count("\n") == 1


def test_a_setting_that_is_no_value_is_wrong_usage() -> None:
    code, said = _earmark("models list", EARMARK_THREADS="many")
    assert code == 2
    assert said.startswith("Error: The environment has EARMARK_THREADS='many' (")
    assert said.count("\n") == 1
