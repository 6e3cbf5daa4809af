"""``earmark keyring``: the data keys of voiceprints, and the master key that they are under."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.settings import get_settings

if TYPE_CHECKING:
    from earmark.storage import Vault

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The keyring: data keys of voiceprints, and their master key.\n\n"
    "Voiceprints and what else tells who somebody is are encrypted, with a data key per person. The"
    " data keys are in the keyring, apart from the database, encrypted with the master key. The"
    " server need not be stopped.",
)


@app.command()
def generate() -> None:
    """Print a random master key, for EARMARK_MASTER_KEY; nothing is kept."""
    from earmark.storage import generate_master_key

    typer.echo(generate_master_key())


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Everything known, as JSON.")] = False,
) -> None:
    """Show where the keyring is, and whether it fits the database.

    Exit code 1 when it does not, or lacks data keys.
    """
    with _vault() as vault:
        known = vault.status()
    if as_json:
        shown = {"schema": "earmark.keyring/1", **asdict(known)}
        typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        typer.echo(f"keyring: {known.place}")
        typer.echo(f"data keys: {known.data_keys}")
        for number, (master, count) in enumerate(known.masters.items()):
            which = "the master key in use" if number == 0 else "an earlier one"
            typer.echo(f"  under {master}, {which}: {count}")
        typer.echo(f"of nobody any more, to be swept: {known.unowned}")
        typer.echo(f"speakers whose voiceprints lack theirs: {known.lacking}")
        if known.foreign is not None:
            typer.echo(known.foreign, err=True)
    if known.foreign is not None or known.lacking:
        raise typer.Exit(1)


@app.command()
def rotate() -> None:
    """Encrypt all data keys with the first master key, so that no other is needed.

    With EARMARK_MASTER_KEY, put the new key before the old one, restart every server and worker,
    rotate, and take the old one out. With a key file, a new key is made and put in its place; the
    servers read it by themselves. Voiceprints are not touched.
    """
    with _vault() as vault:
        rotated = vault.rotate()
        current = next(iter(vault.status().masters))
    typer.echo(f"{rotated} data keys were under another master key; all are under {current} now.")


@app.command()
def adopt(
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it, although the right keyring is lost.")
    ] = False,
) -> None:
    """Go on with this keyring although the database knows another one, which is lost.

    Whatever was encrypted with the keys of the lost one stays unreadable: those people have to be
    enrolled again.
    """
    with _vault() as vault:
        known = vault.status()
        if known.foreign is None:
            typer.echo(f"The keyring in {known.place} is this database's already.")
            return
        if not yes:
            typer.echo(known.foreign, err=True)
            typer.echo("Say --yes when it is lost.", err=True)
            raise typer.Exit(1)
        vault.adopt()
    typer.echo(f"The keyring in {known.place} is this database's from now on: restart the servers.")


@contextmanager
def _vault() -> Iterator[Vault]:
    from earmark.service import Store

    store = Store.open(get_settings())
    try:
        yield store.vault
    finally:
        store.close()
