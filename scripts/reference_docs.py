"""Write the tables of docs/settings.md, docs/errors.md and docs/models.md from the code.

Everything between the two marker lines of a page is replaced; the prose around it stays. A test
compares the pages with what this script would write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from types import UnionType
from typing import Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from earmark import errors
from earmark.models import Fetched, catalogue
from earmark.settings import Settings

DOCS = Path(__file__).parent.parent / "docs"
BEGIN = "<!-- from the code: `make docs` -->\n"
END = "<!-- end -->\n"

_USER_FOLDERS = {
    "models_dir": "`earmark/models` in the user's cache folder",
    "data_dir": "`earmark` in the user's data folder",
}


def settings_table() -> str:
    """A row for each setting: the variable, what it takes, its default, what it does."""
    rows = (
        (
            f"`EARMARK_{name.upper()}`",
            _kind(name, field),
            _default(name, field),
            field.description or "",
        )
        for name, field in Settings.model_fields.items()
    )
    return _table(("variable", "takes", "default", "what it does"), rows)


def errors_table() -> str:
    """A row for each error, parents before children: name, kind, code, when it is raised."""
    rows = (
        (f"{'&emsp;' * depth}`{error.__name__}`", error.kind, f"`{error.code}`", _meaning(error))
        for error, depth in _tree(errors.EarmarkError)
    )
    return _table(("error", "kind", "code", "when"), rows)


def models_tables() -> str:
    """A table of the files that are fetched, and one of those built from them."""
    models = catalogue().models.values()
    fetched = (
        (
            f"`{model.id}`",
            model.task,
            f"{model.size:,}",
            f"`{model.sha256}`",
            f"{source.package.name} {source.package.version}" if source else "–",
            model.licence,
            model.attribution,
        )
        for model in models
        if isinstance(model, Fetched)
        for source in [model.package_source]
    )
    built = (
        (
            f"`{model.id}`",
            model.task,
            ", ".join(f"`{i}`" for i in model.inputs) or "–",
            model.licence,
        )
        for model in models
        if not isinstance(model, Fetched)
    )
    head = ("fetched", "task", "bytes", "SHA-256", "package", "licence", "attribution")
    return f"{_table(head, fetched)}\n{_table(('built', 'task', 'from', 'licence'), built)}"


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_table,
    "errors.md": errors_table,
    "models.md": models_tables,
}


def render(page: str, text: str) -> str:
    """``text`` of ``page`` with the part between its markers made anew."""
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}\n{PAGES[page]()}\n{END}{tail}"


def _kind(name: str, field: FieldInfo) -> str:
    kind = field.annotation
    if isinstance(kind, UnionType):
        kind = next(option for option in get_args(kind) if option is not type(None))
    if get_origin(kind) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(kind))
    if kind is Path:
        return "a folder" if name.endswith("_dir") else "a file"
    words = {bool: "`true` or `false`", int: "a whole number", float: "a number"}
    return words.get(kind, "text") if isinstance(kind, type) else "text"


def _default(name: str, field: FieldInfo) -> str:
    if field.default_factory is not None:
        return _USER_FOLDERS[name]
    if field.default in (None, "", ()):
        return "not set"
    value = ",".join(field.default) if isinstance(field.default, tuple) else field.default
    return f"`{value:g}`" if isinstance(value, float) else f"`{str(value).lower()}`"


def _meaning(error: type[errors.EarmarkError]) -> str:
    first = (error.__doc__ or "").split("\n\n")[0]
    return " ".join(first.split())


def _tree(
    error: type[errors.EarmarkError], depth: int = 0
) -> Iterable[tuple[type[errors.EarmarkError], int]]:
    yield error, depth
    for child in error.__subclasses__():
        if child.__module__.startswith(errors.__name__):
            yield from _tree(child, depth + 1)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def main() -> None:
    """Rewrite every page that changed."""
    for page in PAGES:
        path = DOCS / page
        path.write_text(render(page, path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
