"""A real ``earmark serve``: started in a process of its own, waited for, stopped or killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from earmark.service import Keys, Scope, Store, generate_token
from earmark.settings import Settings
from waiting import until

__all__ = ["Server", "running", "started"]

_START_S = 120.0


class Server:
    """A server that was started.

    ``url`` is its base URL (HTTP), ``grpc`` its address for gRPC, ``key`` an admin key of the
    tenant ``default``.
    """

    def __init__(
        self,
        data_dir: Path,
        *arguments: str,
        command: str = "serve",
        settings: Mapping[str, str | None] | None = None,
        key: str | None = None,
    ) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        self.data_dir = data_dir
        self.key = key or generate_token()
        known = {
            "EARMARK_DATA_DIR": str(data_dir),
            "EARMARK_BOOTSTRAP_KEY": self.key,
            "EARMARK_PORT": "0",
            "EARMARK_GRPC_PORT": "0",
            "EARMARK_OFFLINE": "1",
            "EARMARK_RESERVE_BYTES": "0",
            "EARMARK_LOG_FORMAT": "json",
            "EARMARK_WORKER_SLOTS": "1",
        }
        chosen = known | dict(settings or {})
        self._settings = {name: value for name, value in chosen.items() if value is not None}
        number = len(list(data_dir.glob("*.out")))
        self._out = data_dir / f"{number}.out"
        self._err = data_dir / f"{number}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "earmark", command, *arguments],
                env=_environment() | self._settings,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    @property
    def said(self) -> str:
        """What was printed on standard output."""
        return self._out.read_text(encoding="utf-8")

    @property
    def log(self) -> str:
        """What was printed on standard error."""
        return self._err.read_text(encoding="utf-8")

    @property
    def url(self) -> str:
        return self._bound(r"https?://[\w.\[\]:-]+:\d+")

    @property
    def grpc(self) -> str:
        return self._bound(r"(?<=for gRPC, on )\S+(?=\.\n)")

    @property
    def headers(self) -> dict[str, str]:
        """What authenticates a request as the tenant ``default``."""
        return {"Authorization": f"Bearer {self.key}"}

    def new_key(self, tenant: str = "default", scopes: Iterable[Scope] = (Scope.JOBS,)) -> str:
        """Another key; the tenant is made when there is none of this name."""
        written = {name.removeprefix("EARMARK_").lower(): v for name, v in self._settings.items()}
        store = Store.open(Settings.model_validate(written))
        try:
            return Keys(store).create(tenant, scopes, "a test's").token
        finally:
            store.close()

    def client(self, key: str | None = None) -> httpx.Client:
        """An HTTP client with the base URL and a key, by default the admin's."""
        headers = {"Authorization": f"Bearer {key or self.key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60.0, trust_env=False)

    def wait_ready(self) -> None:
        """Wait until ``/readyz`` says so; fails when the process ends before."""
        until(lambda: self._exited() or "listens on" in self.said, within_s=_START_S, what="a port")
        until(lambda: self._exited() or self._is_ready(), within_s=_START_S, what="/readyz")
        assert not self._exited(), f"the server ended at once:\n{self.said}\n{self.log}"

    def stop(self, *, within_s: float = 60.0) -> int:
        """Send SIGTERM; the exit code."""
        if not self._exited():
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within_s)

    def kill(self) -> None:
        """Kill with -9, without a chance to tidy up."""
        self.process.kill()
        self.process.wait(10)

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", trust_env=False, verify=False).status_code == 200
        except httpx.TransportError:
            return False

    def _exited(self) -> bool:
        return self.process.poll() is not None

    def _bound(self, pattern: str) -> str:
        found = re.search(pattern, self.said)
        assert found is not None, f"the server has not said where it listens:\n{self.log}"
        return found[0]


@contextmanager
def started(
    data_dir: Path,
    *arguments: str,
    command: str = "serve",
    settings: Mapping[str, str | None] | None = None,
    key: str | None = None,
) -> Iterator[Server]:
    """A process that was started and not waited for; killed in the end if it still runs.

    ``arguments`` are options such as "--no-worker", ``settings`` environment variables that go
    before the helper's own (None: not set). The same ``data_dir`` and ``key`` start the same
    installation again.
    """
    server = Server(data_dir, *arguments, command=command, settings=settings, key=key)
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def running(
    data_dir: Path,
    *arguments: str,
    settings: Mapping[str, str | None] | None = None,
    key: str | None = None,
) -> Iterator[Server]:
    """As `started`, a server that is ready; stopped in the end if it still runs."""
    with started(data_dir, *arguments, settings=settings, key=key) as server:
        server.wait_ready()
        yield server
        server.stop()


def _environment() -> dict[str, str]:
    """This process' environment, with the models and without other settings of Earmark."""
    kept = ("EARMARK_MODELS_DIR",)
    return {k: v for k, v in os.environ.items() if not k.startswith("EARMARK_") or k in kept}
