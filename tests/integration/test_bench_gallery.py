"""``earmark bench gallery``: a small one, from the database to the last erasure."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from earmark.cli._main import app


def test_a_small_gallery_is_measured(tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    done = CliRunner().invoke(app, ["bench", "gallery", "--prints", "20", "--json", str(found)])
    assert done.exit_code == 0, done.output
    document = json.loads(found.read_text())
    assert document["schema"] == "earmark.bench.gallery/1"
    assert document["people"] == 20
    for what in ("load", "asked", "search", "voices", "seal", "put", "forget", "remove"):
        assert all(seconds > 0 for seconds in document[what]["wall_s"])
    assert "20 made-up people" in done.output
