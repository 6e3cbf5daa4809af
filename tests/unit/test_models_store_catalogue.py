"""The catalogue that ships: complete, consistent, and the same as what the documentation says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from earmark.models import Derived, Fetched, Model, ModelStore, catalogue
from earmark.models._derive import BUILDERS
from earmark.settings import Settings

MODELS = list(catalogue().models.values())
DOCS = Path(__file__).parents[2] / "docs" / "models.md"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_an_entry_says_all_that_is_needed(model: Model) -> None:
    assert model.licence
    assert model.attribution
    assert re.fullmatch(r"[a-z0-9.-]+", model.id)
    if isinstance(model, Derived):
        assert model.builder in BUILDERS
        assert model.format in {"onnx", "npz"}
        return
    assert re.fullmatch(r"[0-9a-f]{64}", model.sha256)
    assert model.size > 0
    assert model.package_source is not None
    assert re.fullmatch(r"[0-9a-f]{64}", model.package_source.package.sha256)
    assert model.package_source.member.endswith(Path(model.file).suffix)
    if model.hub_source is not None:
        assert model.hub_source.url.startswith("https://")


def test_file_names_are_distinct(tmp_path: Path) -> None:
    store = ModelStore(Settings(models_dir=tmp_path))
    assert len({store.file(model.id) for model in MODELS}) == len(MODELS)


def test_the_diarizer_is_served_by_default() -> None:
    assert {model.id for model in MODELS if model.default} == {
        "segmentation-3.0",
        "campplus-trunk",
        "campplus-trunk-int8",
        "campplus-head",
        "wespeaker-trunk",
        "wespeaker-trunk-int8",
        "wespeaker-head",
    }


def test_a_derived_model_has_the_licences_of_its_sources() -> None:
    assert catalogue()["campplus-trunk-int8"].licence == "Apache-2.0"
    assert catalogue()["wespeaker-head"].licence == "CC-BY-4.0"


def test_the_documentation_has_these_models_and_no_others() -> None:
    lines = DOCS.read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| `")]
    assert rows == [table_row(model) for model in MODELS]


def table_row(model: Model) -> str:
    """The model's line in the tables of docs/models.md."""
    if isinstance(model, Fetched):
        assert model.package_source is not None
        package = model.package_source.package
        cells = [f"{model.size:,}", f"`{model.sha256}`", f"{package.name} {package.version}"]
        cells += [model.licence, model.attribution]
    else:
        cells = [", ".join(f"`{name}`" for name in model.inputs), model.licence]
    return f"| `{model.id}` | {model.task} | {' | '.join(cells)} |"
