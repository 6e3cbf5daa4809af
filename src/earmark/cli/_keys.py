"""``earmark keys``: API keys made, listed and revoked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from earmark.settings import get_settings

if TYPE_CHECKING:
    from earmark.service import Key, Keys

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="API keys: make, list and revoke them.\n\n"
    "A key belongs to a tenant, whose jobs and recordings no other tenant sees, and has scopes:"
    " jobs, galleries, live, or admin, which is all of them. The server need not be stopped.",
)


class _Scope(StrEnum):
    JOBS = "jobs"
    GALLERIES = "galleries"
    LIVE = "live"
    ADMIN = "admin"


_Json = Annotated[bool, typer.Option("--json", help="Everything known, as JSON.")]


@app.command()
def generate() -> None:
    """Print a random key, for EARMARK_BOOTSTRAP_KEY; nothing is kept."""
    from earmark.service import generate_token

    typer.echo(generate_token())


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for; shown in the list.")],
    tenant: Annotated[
        str,
        typer.Option(metavar="NAME", help="Whose key it is; a tenant not there yet is made."),
    ] = "default",
    scope: Annotated[
        list[_Scope] | None,
        typer.Option(
            help="What it may do; give several times. By default jobs.", show_default=False
        ),
    ] = None,
    as_json: _Json = False,
) -> None:
    """Make a key and print it, this once."""
    from earmark.service import Scope

    with _keys() as keys:
        made = keys.create(tenant, [Scope(each) for each in scope or (_Scope.JOBS,)], name)
        _, secret = keys.signing(made.id)
    if as_json:
        typer.echo(_document(_as_json(made) | {"token": made.token, "secret": secret}))
        return
    typer.echo(made.token)
    typer.echo(
        f"Key {made.id} of tenant {made.tenant} ({_scopes(made)}), for servers on {_database()}."
        " It is kept nowhere: note it.\n"
        f"For boto3 (Amazon Chime SDK Voice): access key id {made.id}, secret access key {secret}"
        f" (again by `earmark keys secret {made.id}`).",
        err=True,
    )


@app.command("secret")
def show_secret(
    key_id: Annotated[
        str, typer.Argument(metavar="ID", help="The key's id, EK…, as `list` shows it.")
    ],
    as_json: _Json = False,
) -> None:
    """Print the pair that boto3 signs with, for the Amazon Chime SDK Voice dialect."""
    with _keys() as keys:
        _, secret = keys.signing(key_id)
    if as_json:
        typer.echo(_document({"id": key_id, "secret": secret}))
        return
    typer.echo(f"AWS_ACCESS_KEY_ID={key_id}\nAWS_SECRET_ACCESS_KEY={secret}")


@app.command("list")
def list_keys(
    tenant: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only this tenant's.", show_default=False),
    ] = None,
    as_json: _Json = False,
) -> None:
    """Show all keys, newest first, without the secrets in them."""
    with _keys() as keys:
        found = keys.list(tenant)
    if as_json:
        typer.echo(_document([_as_json(key) for key in found]))
        return
    if not found:
        typer.echo(f"There is no such key in {_database()}.", err=True)
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("key", no_wrap=True)
    for title in ("tenant", "name", "scopes", "made", "state"):
        table.add_column(title)
    for key in found:
        table.add_row(
            key.id,
            key.tenant,
            escape(key.name),
            _scopes(key),
            _time(key.created_at),
            "[red]revoked[/]" if key.revoked_at else "[green]good[/]",
        )
    Console().print(table)


@app.command()
def revoke(
    key_id: Annotated[
        str, typer.Argument(metavar="ID", help="The key's id, EK…, as `list` shows it.")
    ],
    as_json: _Json = False,
) -> None:
    """Make a key void, at once and for good."""
    with _keys() as keys:
        revoked = keys.revoke(key_id)
    if as_json:
        typer.echo(_document(_as_json(revoked)))
    else:
        typer.echo(f"Key {revoked.id} ({revoked.name}) of tenant {revoked.tenant} is revoked.")


@contextmanager
def _keys() -> Iterator[Keys]:
    from earmark.service import Keys, Store

    store = Store.open(get_settings())
    try:
        yield Keys(store)
    finally:
        store.close()


def _database() -> str:
    """Whose keys these are, for people: another environment may mean another installation."""
    settings = get_settings()
    if settings.database_url is not None:
        return "the database of EARMARK_DATABASE_URL"
    return f"the data in {settings.data_dir}"


def _as_json(key: Key) -> dict[str, Any]:
    times = {name: _time(getattr(key, name)) for name in ("created_at", "revoked_at")}
    known = {name: value for name, value in asdict(key).items() if name != "token"}
    return known | times | {"scopes": sorted(key.scopes)}


def _document(content: dict[str, Any] | list[dict[str, Any]]) -> str:
    name = "keys" if isinstance(content, list) else "key"
    return json.dumps({"schema": f"earmark.{name}/1", name: content}, indent=2, ensure_ascii=False)


def _scopes(key: Key) -> str:
    return " ".join(sorted(key.scopes))


def _time(moment: float | None) -> str | None:
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
