"""Phonexia's command-line clients, in the environment apart that `make setup` makes for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Clients"]

_FOLDER = Path(sys.prefix) / "phonexia/bin"


class Clients:
    """The clients, pointed at a server; without their environment the test is skipped.

    ``authority`` is a file with the certificate of who has signed the server's; None: plaintext.
    """

    def __init__(self, address: str, *, authority: Path | None = None) -> None:
        if not _FOLDER.is_dir():
            pytest.skip("Phonexia's clients are not installed (`make setup` does it): their use")
        self._options = ["-H", address, *(() if authority else ("--plaintext",))]
        self._settings = {"NO_COLOR": "1", "COLUMNS": "200"}
        if authority is not None:
            self._settings["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"] = str(authority)

    def run(self, technology: str, *arguments: str | Path) -> bytes:
        """What the client of a technology prints."""
        done = self._done(technology, *arguments)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def told(self, technology: str, *arguments: str | Path) -> dict[str, Any]:
        """The same, where it prints JSON."""
        told: dict[str, Any] = json.loads(self.run(technology, *arguments))
        return told

    def refused(self, technology: str, *arguments: str | Path) -> str:
        """What the client complains of."""
        done = self._done(technology, *arguments)
        assert done.returncode != 0, done.stdout
        return done.stderr.decode()

    def _done(self, technology: str, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [_FOLDER / f"{technology}_client", *self._options, *arguments],
            env=os.environ | self._settings,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=300,
            check=False,
        )
