"""docs/server.md says what the program says."""

from __future__ import annotations

import re
from pathlib import Path

import typer
from prometheus_client.parser import text_string_to_metric_families

from earmark.cli._serve import app
from earmark.server._metrics import Metrics
from earmark.service import JobKind, JobState, Scope, Service
from earmark.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs/server.md").read_text(encoding="utf-8")


def _rows(heading: str) -> list[list[str]]:
    """The cells of the table whose first header cell is this, without marks around a whole one."""
    table = re.search(rf"(?m)^\| {heading} \|.*\n\|[ |-]+\n((?:^\|.*\n)+)", PAGE)
    assert table is not None, heading
    return [
        [re.sub(r"^`([^`]*)`$", r"\1", cell.strip()) for cell in line.strip("|").split("|")]
        for line in table[1].splitlines()
    ]


def test_the_metrics_are_all_there_in_their_own_words(tmp_path: Path) -> None:
    service = Service.open(Settings(data_dir=tmp_path))
    metrics = Metrics(service)
    metrics.job_finished(
        kind=JobKind.DIARIZE,
        state=JobState.SUCCEEDED,
        wait_s=1.0,
        timings={"analysing": 3.0},
        audio_s=60.0,
    )
    metrics.webhook_attempt(dialect="native", outcome="timeout", duration_s=15.0)
    metrics.http_request(method="GET", route="/docs", status=200, duration_s=0.1)
    metrics.grpc_call(method="/grpc.health.v1.Health/Check", code="OK", duration_s=0.1)
    told = {
        (
            family.name,
            family.type,
            frozenset(label for sample in family.samples for label in sample.labels) - {"le"},
            family.documentation,
        )
        for family in text_string_to_metric_families(metrics.text().decode())
        if family.name.startswith("earmark_")
    }
    service.close()
    said = {
        (name, type_, frozenset(re.findall(r"\w+", labels)), text)
        for name, type_, labels, text in _rows("metric")
    }
    assert said == told


def test_the_options_are_those_of_the_program_in_its_words() -> None:
    options = [
        [option, getattr(param, "help", None)]
        for param in typer.main.get_command(app).params
        if param.param_type_name == "option" and param.name != "help"
        for option in param.opts
    ]
    assert _rows("option") == options


def test_the_scopes_are_all_there() -> None:
    assert [row[0] for row in _rows("scope")] == [scope.value for scope in Scope]
