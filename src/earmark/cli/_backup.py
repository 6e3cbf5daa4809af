"""``earmark backup``: a copy of an installation that can be started."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.settings import get_settings

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="New or empty folder for the copy.")],
) -> None:
    """Copy a server's data, also while it runs.

    FOLDER is made, or empty. The copy is a data folder itself: to restore it, copy it to where it
    shall live and start `earmark serve` with EARMARK_DATA_DIR set to that place. Jobs that had not
    ended are then run.
    """
    from earmark.storage import back_up

    settings = get_settings()
    back_up(settings, folder)
    typer.echo(f"Copied {settings.data_dir} to {folder}.")
