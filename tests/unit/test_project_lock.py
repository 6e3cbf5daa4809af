"""The lists in requirements/ are pinned by hash, name no index, and satisfy pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LISTS = ("build", "runtime", "dev", "deepaffects", "phonexia")


def _entries(name: str) -> dict[str, tuple[str, str]]:
    """Package -> (pinned requirement, the lines with its hashes)."""
    text = (ROOT / f"requirements/{name}.txt").read_text(encoding="utf-8")
    entries: dict[str, tuple[str, str]] = {}
    for entry in re.split(r"\n(?=\S)", text.strip()):
        first, *hashes = str(entry).split(" \\\n")
        entries[canonicalize_name(Requirement(first).name)] = (first, "\n".join(hashes))
    return entries


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", LISTS)
def test_every_package_is_pinned_by_hash_and_nothing_else_is_said(name: str) -> None:
    for pin, hashes in _entries(name).values():
        assert re.fullmatch(r"[a-z0-9-]+==[\w.+!]+( ; [^/]+)?", pin), pin
        assert hashes, pin
        assert all(re.fullmatch(r" +--hash=sha256:[0-9a-f]{64}", h) for h in hashes.split("\n")), (
            pin
        )


def test_the_lists_agree() -> None:
    dev = _entries("dev")
    for name in ("build", "runtime"):
        for package, (pin, hashes) in _entries(name).items():
            assert Requirement(pin).specifier == Requirement(dev[package][0]).specifier
            assert hashes == dev[package][1]


def test_what_the_project_asks_for_is_pinned() -> None:
    project = _project()
    groups = project["dependency-groups"]
    asked = {
        "runtime": project["project"]["dependencies"],
        "build": [*groups["build"], *project["build-system"]["requires"]],
        "deepaffects": groups["deepaffects"],
        "phonexia": groups["phonexia"],
        "dev": [each for each in groups["dev"] if isinstance(each, str)],
    }
    for name, requirements in asked.items():
        pins = _entries(name)
        for requirement in map(Requirement, requirements):
            (pinned,) = Requirement(pins[canonicalize_name(requirement.name)][0]).specifier
            assert requirement.specifier.contains(pinned.version), (name, str(requirement))


def test_torch_is_nowhere() -> None:
    for name in LISTS:
        assert not [package for package in _entries(name) if package.startswith("torch")]
