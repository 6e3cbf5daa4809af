"""What all tests share: the models, the sample recording, and a network that stays shut."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from earmark.models import ModelStore, catalogue
from earmark.settings import Settings
from object_store import object_server, object_store  # noqa: F401 (fixtures)
from people import people  # noqa: F401 (fixture)
from postgres import (  # noqa: F401 (fixtures)
    database,
    database_url,
    postgres,
    postgres_url,
)

_LOOPBACK = ("127.", "::1", "localhost")
_network = {"open": False}


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hook: no test reaches a host other than this one."""
    if _network["open"]:
        return
    if event in ("socket.connect", "socket.sendto"):
        host = arguments[1][0] if isinstance(arguments[1], tuple) else ""  # "": a Unix socket
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    name = host.decode() if isinstance(host, bytes) else host
    if name and not str(name).startswith(_LOOPBACK):
        raise AssertionError(f"A test reached for the network: {event} {name}.")


@contextmanager
def _open_network() -> Iterator[None]:
    _network["open"] = True
    no_index = os.environ.pop("PIP_NO_INDEX", None)
    try:
        yield
    finally:
        _network["open"] = False
        if no_index is not None:
            os.environ["PIP_NO_INDEX"] = no_index


def pytest_configure(config: pytest.Config) -> None:
    """Shut the network: for this process, and for any pip that it starts."""
    hypothesis.settings.register_profile(
        "earmark",
        deadline=None,  # a busy machine is no defect
        derandomize="CI" in os.environ,
    )
    hypothesis.settings.load_profile("earmark")
    sys.addaudithook(_refuse_network)
    os.environ["PIP_NO_INDEX"] = "1"


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """The folder with every model and the sample; what is missing is fetched, the one download."""
    store = ModelStore(Settings())
    with _open_network():
        store.pull(catalogue().models)
    return store.folder


@pytest.fixture(scope="session")
def sample_wav(models_dir: Path) -> Path:
    """30 s of a telephone call between two people, 16 kHz mono."""
    return ModelStore(Settings(models_dir=models_dir, offline=True)).path("sample-recording")


@pytest.fixture(scope="session")
def sample_rttm(models_dir: Path) -> Path:
    """Who speaks when in ``sample_wav``, written by people."""
    return ModelStore(Settings(models_dir=models_dir, offline=True)).path("sample-reference")


@pytest.fixture(scope="session")
def eval_dir() -> Path:
    """The evaluation recordings that EARMARK_EVAL_DIR names; without them the test is skipped."""
    folder = Settings().eval_dir
    if folder is None:
        pytest.skip("EARMARK_EVAL_DIR is not set: accuracy on evaluation recordings")
    assert folder.is_dir(), f"EARMARK_EVAL_DIR names {folder}, which is not a folder."
    return folder


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say loudly what this run did not check, and why."""
    skipped = Counter(
        str(report.longrepr[2]).removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    )
    if not skipped:
        return
    terminalreporter.section("NOT CHECKED in this run", yellow=True, bold=True)
    for reason, count in sorted(skipped.items()):
        terminalreporter.line(f"{count:4} × {reason}", yellow=True)
