"""``earmark serve``: the server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.settings import get_settings

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def serve(
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to listen on; 0.0.0.0 is all of this machine's.", show_default=False
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Port of HTTP and WebSocket; 0 picks one.", show_default=False
        ),
    ] = None,
    grpc_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port of gRPC; 0 picks one.", show_default=False),
    ] = None,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Leave the jobs to `earmark worker`.")
    ] = False,
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Certificate chain (PEM): serve by TLS.", show_default=False
        ),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Key of the certificate (PEM).", show_default=False),
    ] = None,
) -> None:
    """Run the server: the APIs by HTTP and gRPC, and the worker that does their jobs.

    Without options it listens on 127.0.0.1, HTTP on port 8000 and gRPC on 50051, and keeps what
    it needs in the data folder (EARMARK_DATA_DIR). The first start makes a key and prints it.
    Options go before settings. SIGTERM and Ctrl+C let running jobs end; a second one does not.
    """
    from earmark.server import serve as run

    given = {
        "host": host,
        "port": port,
        "grpc_port": grpc_port,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    run(get_settings().model_copy(update=changes), with_worker=not no_worker, say=typer.echo)
