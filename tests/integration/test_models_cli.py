"""`earmark models`, as typed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from earmark.cli._models import app, pull_models
from earmark.errors import ModelCorrupt, ModelMissing, UnknownModel
from earmark.models import catalogue
from earmark.settings import get_settings
from model_wheels import index_of, set_up_pip, toy_shop


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty models folder that the settings name."""
    monkeypatch.setenv("EARMARK_MODELS_DIR", str(tmp_path / "models"))
    get_settings.cache_clear()
    yield tmp_path / "models"
    get_settings.cache_clear()


@pytest.fixture
def complete(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The models folder with everything in it."""
    monkeypatch.setenv("EARMARK_MODELS_DIR", str(models_dir))
    get_settings.cache_clear()
    yield models_dir
    get_settings.cache_clear()


def run(*args: str) -> Result:
    return CliRunner().invoke(app, args, env={"COLUMNS": "100"})


def test_list_shows_every_model(folder: Path) -> None:
    result = run("list")
    assert result.exit_code == 0
    for model in catalogue().models.values():
        assert model.id in result.stdout
        assert model.licence in result.stdout
    assert str(folder) in result.stdout
    assert not folder.exists()


def test_list_as_json(folder: Path) -> None:
    folder.mkdir()
    (folder / "sample.rttm").write_bytes(b"wrong")
    document = json.loads(run("list", "--json").stdout)
    assert document["schema"] == "earmark.models/1"
    assert document["folder"] == str(folder)
    models = {model["id"]: model for model in document["models"]}
    assert set(models) == set(catalogue().models)
    assert models["sample-reference"]["state"] == "corrupt"
    assert models["segmentation-3.0"]["state"] == "missing"
    assert models["segmentation-3.0"]["package"] == "solstone 0.6.24"
    assert models["wespeaker-head"]["built_from"] == ["wespeaker-resnet34"]


def test_verify_names_what_is_wrong_and_what_to_do(folder: Path) -> None:
    folder.mkdir()
    (folder / "sample.rttm").write_bytes(b"wrong")
    result = run("verify")
    assert result.exit_code == 1
    assert "damaged  sample-reference" in result.stdout
    assert "missing  segmentation-3.0" in result.stdout
    assert "sample-recording" not in result.stdout  # nobody asked for it
    assert "earmark models pull segmentation-3.0 " in result.stderr
    only = run("verify", "sample-reference")
    assert only.exit_code == 1
    assert "1 of 1 model missing or damaged" in only.stderr


def test_errors_are_those_of_the_store(folder: Path) -> None:
    folder.mkdir()
    (folder / "sample.rttm").write_bytes(b"wrong")
    assert isinstance(run("path", "no-such").exception, UnknownModel)
    assert isinstance(run("pull", "no-such").exception, UnknownModel)
    assert isinstance(run("verify", "no-such").exception, UnknownModel)
    assert isinstance(run("path", "sample-reference").exception, ModelCorrupt)
    assert isinstance(run("path", "--offline", "sample-recording").exception, ModelMissing)
    assert isinstance(run("pull", "--offline").exception, ModelMissing)


def test_path_alone_is_the_folder(folder: Path) -> None:
    assert run("path").stdout == f"{folder}\n"


def test_help_says_what_each_command_does() -> None:
    text = run("--help").stdout
    for command in ("list", "pull", "verify", "path"):
        assert command in text
    assert "EARMARK_MODELS_DIR" in text


def test_with_everything_there(complete: Path) -> None:
    verified = run("verify")
    assert (verified.exit_code, verified.stderr) == (0, "")
    assert {line.split()[0] for line in verified.stdout.splitlines()} == {"present"}
    needed = sum(model.default for model in catalogue().models.values())
    pulled = run("pull", "--offline")
    assert (pulled.stdout, pulled.stderr) == (f"{needed} models ready in {complete}\n", "")
    assert run("path", "segmentation-3.0").stdout == f"{complete / 'segmentation-3.0.onnx'}\n"


def test_a_pull_shows_its_progress_on_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    shop = toy_shop(tmp_path / "shop")
    with index_of(shop) as site:
        set_up_pip(monkeypatch, index_url=f"{site.url}/simple")
        pull_models(shop.store(tmp_path / "plain"))
        plain = capfd.readouterr()
        monkeypatch.setenv("FORCE_COLOR", "1")  # which Rich takes for a terminal
        monkeypatch.setenv("COLUMNS", "100")
        pull_models(shop.store(tmp_path / "terminal"))
        bar = capfd.readouterr()
        pull_models(shop.store(tmp_path / "terminal"))
        nothing_to_do = capfd.readouterr()
    assert (plain.out, plain.err) == ("", "Fetching toy-small, toy-large\n")
    assert bar.out == ""
    assert "Fetching toy-small, toy-large" in bar.err
    assert "2.0/2.0 MB" in bar.err
    assert "Fetching" not in nothing_to_do.err
