"""The catalogue that ships: complete, consistent, and the same as what the documentation says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from earmark.models import Derived, Model, ModelStore, catalogue
from earmark.models._derive import BUILDERS
from earmark.settings import Settings

MODELS = list(catalogue().models.values())


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


def test_a_derived_model_has_the_licences_of_its_sources() -> None:
    assert catalogue()["campplus-trunk-int8"].licence == "Apache-2.0"
    assert catalogue()["wespeaker-head"].licence == "CC-BY-4.0"
