"""``earmark worker``: jobs without an API."""

from __future__ import annotations

from typing import Annotated

import typer

from earmark.settings import get_settings

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def worker(
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="Answer /metrics, /healthz and /readyz on this port; 0 picks one.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run jobs and deliver webhooks, without an API.

    Any number of workers, here and on other machines, share the work of one database
    (EARMARK_DATABASE_URL) and blob store (EARMARK_BLOB_URL), and take over from one that dies.
    All need the same EARMARK_SECRET_KEY as the server. SIGTERM and Ctrl+C let running jobs end;
    a second one does not.
    """
    from earmark.server import work

    work(get_settings(), metrics_port=metrics_port, say=typer.echo)
