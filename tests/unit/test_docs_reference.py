"""The reference pages say what the code says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from earmark import errors
from earmark.settings import Settings

ROOT = Path(__file__).parents[2]


def _script() -> ModuleType:
    path = ROOT / "scripts/reference_docs.py"
    spec = importlib.util.spec_from_file_location("reference_docs", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["settings.md", "errors.md", "models.md"])
def test_the_page_is_what_the_script_writes(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert text == _script().render(page, text), "run `make docs`"


def test_every_setting_is_described() -> None:
    page = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    for name, field in Settings.model_fields.items():
        assert f"`EARMARK_{name.upper()}`" in page
        assert field.description
        assert field.description in page


def test_a_setting_is_shown_with_its_kind_and_default() -> None:
    page = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    assert "`EARMARK_DATA_DIR` | a folder | `earmark` in the user's data folder |" in page
    assert "`EARMARK_MODELS_DIR` | a folder | `earmark/models` in the user's cache folder |" in page
    assert "`EARMARK_TLS_CERT` | a file | not set |" in page
    assert "`EARMARK_TRUSTED_PROXIES` | text | `127.0.0.1` |" in page
    assert "`EARMARK_ROOT_PATH` | text | not set |" in page


def test_every_error_has_a_row_and_a_code_of_its_own() -> None:
    page = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    classes = [each for each in vars(errors).values() if isinstance(each, type)]
    tree = [each for each in classes if issubclass(each, errors.EarmarkError)]
    assert len({each.code for each in tree}) == len(tree)
    for each in tree:
        assert f"`{each.__name__}` | {each.kind} | `{each.code}` |" in page
