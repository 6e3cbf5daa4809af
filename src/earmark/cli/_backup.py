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
    keyring: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Copy the keyring too, into this new file outside of FOLDER.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Copy a server's data, also while it runs.

    FOLDER is made, or empty. The copy is a data folder itself: to restore it, copy it to where it
    shall live and start `earmark serve` with EARMARK_DATA_DIR set to that place. Jobs that had not
    ended are then run.

    The copy holds no data keys: its voiceprints open beside the keyring of today only, and those of
    people who were erased since do not open at all. A copy of the keyring would bring them back;
    keep one apart, and only the newest.
    """
    from earmark.storage import back_up

    settings = get_settings()
    back_up(settings, folder, keyring=keyring)
    typer.echo(
        f"Copied {settings.data_dir} to {folder}. It holds no data keys: voiceprints in it can be"
        " read beside the keyring only."
    )
    if keyring is not None:
        typer.echo(
            f"Copied the keyring to {keyring}. Keep it apart from the data, and remove older"
            " copies: they can still read whoever is erased from now on."
        )
