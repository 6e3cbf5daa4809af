"""ONNX Runtime carries a reporter of its own, which must never wake up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def _loaded(module: str, folder: Path) -> set[str]:
    """What loading a module leaves in the temporary folder."""
    folder.mkdir()
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    subprocess.run(
        [sys.executable, "-c", f"import {module}"],
        env=environment | {"TMPDIR": str(folder)},
        check=True,
    )
    return {path.name for path in folder.iterdir()}


def test_it_does_not_note_a_session_to_report(tmp_path: Path) -> None:
    if ".ses" not in _loaded("onnxruntime", tmp_path / "alone"):
        pytest.skip("this ONNX Runtime has no reporter: its telemetry")
    assert ".ses" not in _loaded("earmark.models._sessions", tmp_path / "ours")
