"""What a package offers is what its ``__all__`` says: sorted, complete, and there."""

from __future__ import annotations

import ast
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import earmark

# Programs for other environments, run by path; what they import is not here.
PROGRAMS = "earmark.bench.peers"


def _public_modules() -> dict[str, bool]:
    """The name of each module without a leading underscore -> whether it is a package."""
    found = pkgutil.walk_packages(earmark.__path__, "earmark.")
    return {"earmark": True} | {
        module.name: module.ispkg
        for module in found
        if "._" not in module.name and not module.name.startswith(PROGRAMS)
    }


def _order(name: str) -> tuple[int, str]:
    """CONSTANTS, Classes, functions; each by name: the order that ruff keeps."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def _offered(source: str) -> set[str]:
    """The public names that a module imports from our own rooms, or defines itself."""
    names: set[str] = set()
    for node in _statements(ast.parse(source)):
        match node:
            case ast.ImportFrom(module=str(module), names=aliases) if module.startswith("earmark"):
                names.update(alias.asname or alias.name for alias in aliases)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    return {name for name in names if not name.startswith("_")}


def _statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """Those of the module itself, also under ``if TYPE_CHECKING``."""
    for node in tree.body:
        yield from node.body if isinstance(node, ast.If) else [node]


@pytest.mark.parametrize("name", _public_modules())
def test_all_is_sorted_complete_and_there(name: str) -> None:
    module = import_module(name)
    public = module.__all__
    assert public == sorted(public, key=_order)
    for each in public:
        assert getattr(module, each, None) is not None, each
    assert module.__file__ is not None
    offered = _offered(Path(module.__file__).read_text(encoding="utf-8"))
    assert offered <= set(public), f"not in __all__: {sorted(offered - set(public))}"


def test_only_rooms_errors_and_settings_are_public() -> None:
    single = {name for name, is_package in _public_modules().items() if not is_package}
    assert single - {"earmark.__main__"} == {"earmark.settings"}


def _imports(source: str) -> Iterator[str]:
    """The full name of whatever a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_rooms_meet_at_their_front_doors() -> None:
    home = Path(earmark.__path__[0])
    prying = [
        f"{path.relative_to(home)} imports {name}"
        for path in sorted(home.rglob("*.py"))
        if home / "bench/peers" not in path.parents  # programs; one of them clocks what is inside
        for name in _imports(path.read_text(encoding="utf-8"))
        if (private := re.match(r"earmark\.(\w+)\.(\w+\.)*_", name))
        and private[1] != path.relative_to(home).parts[0]
    ]
    assert prying == []
