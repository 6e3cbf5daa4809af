"""The blocks of docs/api.md, docs/galleries.md and docs/client.md run against a real server."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from inspect import signature
from pathlib import Path

import httpx
import pytest

import earmark
from earmark.client import (
    AsyncGallery,
    AsyncJob,
    AsyncSpeaker,
    Gallery,
    IdentifyOptions,
    Job,
    Options,
    Speaker,
)
from earmark.dialects.native import webhook_format
from earmark.dialects.native._formats import FORMATS_OF
from earmark.dialects.native._identifications import IdentificationForm
from earmark.dialects.native._requests import DiarizationForm, VoiceActivityForm
from earmark.service import JobKind
from earmark.settings import Settings
from people import alone
from server import Server, running

DOCS = Path(__file__).parents[2] / "docs"
API = (DOCS / "api.md").read_text(encoding="utf-8")
CLIENT = (DOCS / "client.md").read_text(encoding="utf-8")
GALLERIES = (DOCS / "galleries.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8000"


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def _rows(text: str, heading: str) -> dict[str, str]:
    """First cell -> second cell of the first table after a heading."""
    table = re.search(r"(?:^\|.*\n)+", text.split(f"# {heading}\n", 1)[1], re.MULTILINE)
    assert table is not None
    cells = [line.strip("| ").split(" | ", 1) for line in table[0].splitlines()[2:]]
    return {cell[0]: cell[1] for cell in cells}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Server]:
    settings = {"EARMARK_MODELS_DIR": str(models_dir)}
    with running(tmp_path_factory.mktemp("docs"), settings=settings) as server:
        yield server


@pytest.fixture
def desk(
    tmp_path: Path,
    sample_wav: Path,
    sample_rttm: Path,
    monkeypatch: pytest.MonkeyPatch,
    server: Server,
) -> Path:
    """The current folder; the key is in the environment.

    There are a meeting.wav, and an ada.wav: what one of its people says in the first half.
    """
    shutil.copy(sample_wav, tmp_path / "meeting.wav")
    (tmp_path / "ada.wav").write_bytes(alone(sample_wav, sample_rttm, until_s=15.0))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EARMARK_KEY", server.key)
    return tmp_path


def _said(page: str, server: Server) -> list[str]:
    """What each of the page's blocks of commands prints, run one after the other."""
    script = "set -euo pipefail\n" + "echo; echo ---\n".join(_blocks(page, "sh"))
    script = re.sub(r"(?m)^export EARMARK_KEY=.*$", "", script).replace(ADDRESS, server.url)
    run = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=120, env=os.environ
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout.split("---\n")


def test_the_commands_run_one_after_the_other(desk: Path, server: Server) -> None:
    said = _said(API, server)
    assert "event: closing" in said[2]
    assert "earmark.diarization/1" in said[3]
    assert "00:00:0" in said[3]
    assert "start,end,speaker" in said[3]
    first, second = re.findall(r'"id":\s*"([\w-]+)"', said[8])
    assert first == second


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed: docs/galleries.md")
def test_the_commands_with_galleries_run_one_after_the_other(desk: Path, server: Server) -> None:
    said = _said(GALLERIES, server)
    enrolled, searched, identified, found, kept, over = said[2:8]
    assert json.loads(enrolled)["schema"] == "earmark.enrolment/1"
    assert json.loads(searched)["match"]["label"] == "Ada Ito"
    assert '"name": "Ada Ito"' in identified
    assert re.search(r"^[\d.]+,[\d.]+,Ada Ito,", identified, re.MULTILINE)
    assert len(json.loads(found)["items"]) == 1
    assert '"Ada Ito"' in kept
    assert '"genuine":true' in over
    shown = set(json.loads(_blocks(GALLERIES, "json")[0]))
    assert shown == set(json.loads(searched))


@pytest.mark.parametrize("block", _blocks(CLIENT, "python") + _blocks(GALLERIES, "python"))
def test_the_programs_run(
    block: str, desk: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ADDRESS in block
    exec(compile(block.replace(ADDRESS, server.url), "client.md", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out


def test_the_routes_are_all_there_in_the_servers_words(server: Server) -> None:
    document = httpx.get(f"{server.url}/api/v1/openapi.json").json()
    assert _rows(API, "All routes") == {
        f"`{method.upper()} {path}`": route["summary"]
        for path, methods in document["paths"].items()
        for method, route in methods.items()
    }


def test_the_fields_are_all_there() -> None:
    named = re.findall(r"`(\w+)`", " ".join(_rows(API, "Fields")))
    assert set(named) == set(DiarizationForm.model_fields) == set(Options.__annotations__)
    more = re.findall(r"`(\w+)`", " ".join(_rows(GALLERIES, "Identify")))
    assert {*named, *more} == set(IdentificationForm.model_fields)
    assert {*named, *more} == set(IdentifyOptions.__annotations__)
    speech = API.split("It takes ", 1)[1].split(". A field", 1)[0]
    assert set(re.findall(r"`(\w+)`", speech)) == set(VoiceActivityForm.model_fields)


def test_the_formats_are_all_there() -> None:
    text = API.split("Result formats are ", 1)[1]
    whole, speech = text.split("of voice activity,", 1)
    assert re.findall(r"`(\w+)`", whole) == list(FORMATS_OF[JobKind.DIARIZE])
    assert re.findall(r"`(\w+)`", speech)[:4] == list(FORMATS_OF[JobKind.VOICE_ACTIVITY])


def test_the_schedule_of_webhooks_is_the_real_one() -> None:
    text = API.split("about 75 hours: at once, then after", 1)[1].split(", each", 1)[0]
    units = {"s": 1, "min": 60, "h": 3600}
    said = [int(number) * units[unit] for number, unit in re.findall(r"(\d+) (s|min|h)\b", text)]
    assert [0, *said] == [*webhook_format(Settings()).schedule_s]


def test_the_members_of_the_client_are_all_there() -> None:
    methods = " ".join(_rows(CLIENT, "Client"))
    members = " ".join(_rows(CLIENT, "Jobs"))
    galleries, speakers = (" ".join(_rows(CLIENT, name)) for name in ("Galleries", "Speakers"))
    for kind, text in (
        (earmark.Client, methods),
        (Job, members),
        (AsyncJob, members),
        (Gallery, galleries),
        (AsyncGallery, galleries),
        (Speaker, speakers),
        (AsyncSpeaker, speakers),
    ):
        public = [name for name in dir(kind) if not name.startswith("_")]
        assert [name for name in public if not re.search(rf"`{name}[`(]", text)] == []
    parameters = signature(earmark.Client).parameters.values()
    said = ", ".join(
        each.name if each.default is each.empty else f"{each.name}={each.default}"
        for each in parameters
    )
    assert f"`Client({said})`" in CLIENT.replace(", *, ", ", ")
