"""The life of a process: what starts in which order, and how it ends."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from importlib.metadata import version
from typing import Any

import structlog

from earmark.errors import StorageUnavailable
from earmark.server._app import create_app
from earmark.server._background import Background
from earmark.server._dialects import DIALECTS
from earmark.server._grpc import GrpcServer
from earmark.server._http import HttpServer, bind
from earmark.server._logging import configure_logging
from earmark.server._metrics import Metrics
from earmark.server._signals import Signals
from earmark.server._tls import Tls, read_tls
from earmark.service import Service
from earmark.settings import Settings

__all__ = ["serve", "work"]

Say = Callable[[str], None]

_LAST_CALLS_S = 2.0  # calls that are under way in the end; a watch of the health never ends
_LAST_WORDS_S = 5.0  # in which live streams are told why they end
_TIDY_S = 2.0

_FIRST_KEY = """\
This is the first start here, so a key was made. It is shown only this once; keep it safe:

    {token}

Send it as "Authorization: Bearer ..."; it may do everything. `earmark keys` makes others.
"""

_log = structlog.stdlib.get_logger(__name__)


def serve(settings: Settings, *, with_worker: bool = True, say: Say = print) -> None:
    """Serve until SIGTERM or SIGINT; then drain, and return.

    ``say`` gets what a person should read: the first key, and where the server listens.
    Raises `EarmarkError` when the server cannot start: an address in use (`Unavailable`), a
    database or folder that cannot be used (`StorageUnavailable`), wrong settings
    (`InvalidOption`), no models (`ModelError`).
    """
    configure_logging(settings)
    tls = read_tls(settings)
    with bind(settings.host, settings.port) as listener, _opened(settings) as service:
        service.limits.check()
        token = service.keys.bootstrap()
        if token is not None:
            say(_FIRST_KEY.format(token=token))
        _run(_serve(service, listener, tls, with_worker=with_worker, say=say))


def work(settings: Settings, *, metrics_port: int | None = None, say: Say = print) -> None:
    """Run jobs, deliver webhooks and sweep, without an API, until SIGTERM or SIGINT.

    ``metrics_port`` is where to answer ``/metrics``, ``/healthz`` and ``/readyz``. Raises as
    `serve`.
    """
    configure_logging(settings)
    with _opened(settings) as service:
        if metrics_port is None:
            _run(_work(service, None, say=say))
        else:
            with bind(settings.host, metrics_port) as listener:
                _run(_work(service, listener, say=say))


async def _serve(
    service: Service, listener: socket.socket, tls: Tls | None, *, with_worker: bool, say: Say
) -> None:
    signals = Signals()
    settings = service.settings
    metrics = Metrics(service)
    background = Background(service, metrics, with_worker=with_worker)
    app = create_app(service, worker=background.worker, metrics=metrics)
    http = HttpServer(app, listener, root_path=settings.root_path, tls=tls)
    grpc = GrpcServer(service, DIALECTS, metrics)
    try:
        address = await grpc.start(settings.host, settings.grpc_port, tls)
        await http.start()
        say(
            f"Earmark {version('earmark')} listens on {http.url} (its API: {http.url}/docs) and, "
            f"for gRPC, on {address}."
        )
        await _live(service, signals, background, http, grpc)
    finally:
        await grpc.stop(_LAST_CALLS_S)


async def _work(service: Service, listener: socket.socket | None, *, say: Say) -> None:
    signals = Signals()
    metrics = Metrics(service)
    background = Background(service, metrics, with_worker=True)
    http, where = None, "its metrics are not served"
    if listener is not None:
        app = create_app(service, worker=background.worker, metrics=metrics, dialects=())
        http = HttpServer(app, listener, root_path="", tls=None)
        await http.start()
        where = f"its metrics are at {http.url}/metrics"
    say(f"Earmark {version('earmark')} works on jobs; {where}.")
    await _live(service, signals, background, http, None)


async def _live(
    service: Service,
    signals: Signals,
    background: Background,
    http: HttpServer | None,
    grpc: GrpcServer | None,
) -> None:
    """Until a signal; then drain. What ends before that with an error is raised."""
    asked = asyncio.create_task(signals.wait())
    starting = asyncio.create_task(asyncio.to_thread(background.start))
    needed = [starting, *([http.serving] if http else [])]
    try:
        await _first(asked, *needed)
        await _first(asked, *needed[1:])
    finally:
        grace_s = service.settings.shutdown_grace_s
        deadline = time.monotonic() + grace_s
        _log.info("draining", grace_s=grace_s)
        service.drain()
        if grpc is not None:
            await grpc.drain()
        background.cancel()
        await asyncio.to_thread(service.live.settle, min(grace_s, _LAST_WORDS_S))
        await asyncio.gather(starting, return_exceptions=True)
        draining = asyncio.create_task(asyncio.to_thread(background.drain, grace_s))
        await asyncio.wait((draining,), timeout=grace_s + _TIDY_S)
        if http is not None:
            await http.stop(deadline - time.monotonic())
        if not draining.done():
            # Such as a webhook whose receiver hangs: the next start takes up what is left.
            _log.warning("ended before all was done", grace_s=grace_s)
            os._exit(0)
        draining.result()
        _log.info("stopped")


async def _first(*tasks: asyncio.Task[None]) -> None:
    """Until one of them ends; its error, if it has one, is raised."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


def _run(main: Coroutine[Any, Any, None]) -> None:
    try:
        from uvloop import new_event_loop
    except ImportError:  # not made for Windows
        asyncio.run(main)
        return
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main)


@contextmanager
def _opened(settings: Settings) -> Iterator[Service]:
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StorageUnavailable(
            f"The data folder {settings.data_dir} cannot be made ({error.strerror}): let this "
            "user write there, or name another with EARMARK_DATA_DIR."
        ) from error
    with closing(Service.open(settings)) as service:
        yield service
