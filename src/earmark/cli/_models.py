"""``earmark models``: list, pull, verify and find the model files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from earmark.models import Fetched, ModelState, ModelStore, PullProgress, State
from earmark.settings import get_settings

__all__ = ["app", "pull_models"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The model files: what there is, fetching, checking.\n\n"
    "Models are fetched once, by name and SHA-256, into one folder (EARMARK_MODELS_DIR), and used"
    " offline from then on. A machine without a network: run `earmark models pull` elsewhere and"
    " copy the folder.",
)

_Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID", help="Names from `earmark models list`.", show_default=False),
]
_Offline = Annotated[
    bool,
    typer.Option("--offline", help="Open no socket; what would have to be fetched is an error."),
]
_WORDS = {State.PRESENT: "present", State.MISSING: "missing", State.CORRUPT: "damaged"}
_COLOURS = {State.PRESENT: "green", State.MISSING: "dim", State.CORRUPT: "red"}


@app.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="Everything known, as JSON.")] = False,
) -> None:
    """Show every model: task, size, licence, and whether it is in the models folder."""
    store = _store(offline=True)
    states = store.states()
    if as_json:
        document = {
            "schema": "earmark.models/1",
            "folder": str(store.folder),
            "models": [_as_json(found) for found in states],
        }
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("model", no_wrap=True)
    table.add_column("task")
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("licence")
    table.add_column("state")
    for found in states:
        table.add_row(
            found.model.id,
            found.model.task,
            _amount(found.size),
            found.model.licence,
            f"[{_COLOURS[found.state]}]{_word(found)}[/]",
        )
    console = Console()
    console.print(table)
    console.print(f"in {store.folder}", style="dim", soft_wrap=True, highlight=False)


@app.command()
def pull(ids: _Ids = None, offline: _Offline = False) -> None:
    """Fetch models and build those made from them; by default all that the diarizer uses.

    What is there and whole stays as it is; a damaged file is replaced.
    """
    store = _store(offline=offline)
    pulled = pull_models(store, ids or None)
    typer.echo(f"{_count(len(pulled))} ready in {store.folder}")


@app.command()
def verify(ids: _Ids = None) -> None:
    """Hash every file again; exit code 1 when one is missing or damaged.

    Without names: what the diarizer uses, and whatever else is there.
    """
    states = _store(offline=True).verify(ids or None)
    for found in states:
        typer.echo(f"{_WORDS[found.state]:8} {found.model.id:22} {found.path}")
    wrong = [found.model.id for found in states if found.state != State.PRESENT]
    if wrong:
        names = " ".join(wrong)
        typer.echo(
            f"{len(wrong)} of {_count(len(states))} missing or damaged:"
            f" fetch or build them again with `earmark models pull {names}`.",
            err=True,
        )
        raise typer.Exit(1)


@app.command()
def path(
    model_id: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="A name from `earmark models list`.", show_default=False),
    ] = None,
    offline: _Offline = False,
) -> None:
    """Print the models folder, or the path of one model's file (fetched if it is missing)."""
    store = _store(offline=offline)
    if model_id is None:
        typer.echo(store.folder)
        return
    if store.states([model_id])[0].state == State.MISSING:
        pull_models(store, [model_id])
    typer.echo(store.path(model_id))


def pull_models(store: ModelStore, ids: Iterable[str] | None = None) -> dict[str, Path]:
    """``store.pull(ids)`` with a progress bar on stderr; nothing is shown when all is there."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        announced: set[tuple[str, ...]] = set()

        def announce(progress: PullProgress) -> None:
            if (step := (progress.step, *progress.models)) not in announced:
                announced.add(step)
                typer.echo(_title(progress), err=True)

        return store.pull(ids, announce)

    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column

    columns = (
        TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=16),
        DownloadColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
    )
    with Progress(*columns, console=console) as bars:
        tasks: dict[tuple[str, ...], TaskID] = {}

        def show(progress: PullProgress) -> None:
            step = (progress.step, *progress.models)
            if step not in tasks:
                tasks[step] = bars.add_task(_title(progress), total=None)
            bars.update(tasks[step], completed=progress.done, total=progress.total)

        pulled = store.pull(ids, show)
        for step, task in tasks.items():
            if step[0] == "wait":  # over, and there was nothing to measure
                bars.remove_task(task)
        return pulled


def _store(*, offline: bool) -> ModelStore:
    settings = get_settings()
    return ModelStore(settings.model_copy(update={"offline": True}) if offline else settings)


def _title(progress: PullProgress) -> str:
    names = ", ".join(progress.models)
    match progress.step:
        case "wait":
            return f"Waiting for another process to bring {names}"
        case "fetch":
            return f"Fetching {names}"
        case "build":
            return f"Building {names}"


def _word(found: ModelState) -> str:
    """The state in a word: what is built here is not "missing" before it was needed."""
    if isinstance(found.model, Fetched):
        return _WORDS[found.state]
    return {State.PRESENT: "built", State.MISSING: "not built", State.CORRUPT: "damaged"}[
        found.state
    ]


def _count(number: int) -> str:
    return f"{number} model" if number == 1 else f"{number} models"


def _amount(size: int | None) -> str:
    if size is None:
        return "–"
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def _as_json(found: ModelState) -> dict[str, Any]:
    model = found.model
    known: dict[str, Any] = {
        "id": model.id,
        "task": model.task,
        "state": str(found.state),
        "path": str(found.path),
        "size": found.size,
        "default": model.default,
        "licence": model.licence,
        "attribution": model.attribution,
    }
    if not isinstance(model, Fetched):
        return known | {"built_from": list(model.inputs)}
    package, hub = model.package_source, model.hub_source
    return known | {
        "sha256": model.sha256,
        "package": package and f"{package.package.name} {package.package.version}",
        "url": hub and hub.url,
    }
