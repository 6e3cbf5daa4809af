"""NOTICE names every model with its licence, and the data that shipped parameters come from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from earmark.models import Model, catalogue

NOTICE = (Path(__file__).parents[2] / "NOTICE").read_text(encoding="utf-8")
# A heading line, or several, of comma-separated ids; then an indented paragraph about them.
SECTIONS = re.findall(r"^((?:[a-z][^\n]*\n)+)((?: {4}[^\n]*\n)+)", NOTICE, re.MULTILINE)


@pytest.mark.parametrize("model", catalogue().models.values(), ids=lambda model: model.id)
def test_a_model_has_its_licence_and_attribution(model: Model) -> None:
    about = [
        " ".join(text.split())
        for heading, text in SECTIONS
        if model.id in re.findall(r"[a-z0-9.-]+", heading)
    ]
    assert len(about) == 1
    licences = {"MIT": "MIT License", "Apache-2.0": "Apache License, Version 2.0"}
    assert licences.get(model.licence, model.licence) in about[0]
    for author in re.findall(
        r"Bredin|Plaquet|CNRS|WeSpeaker|VoxCeleb|3D-Speaker", model.attribution
    ):
        assert author in about[0]


@pytest.mark.parametrize("source", ["LibriSpeech", "speechocean762", "AMI Meeting Corpus"])
def test_a_source_of_data_has_its_licence(source: str) -> None:
    (line,) = [line for line in NOTICE.splitlines() if source in line]
    assert "CC-BY-4.0" in line
