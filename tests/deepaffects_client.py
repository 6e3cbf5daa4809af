"""DeepAffects' own client, in the environment apart that `make setup` makes for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Sdk"]

_PYTHON = Path(sys.prefix) / "deepaffects/bin/python"

# Its generated code runs with the slow implementation of protobuf only.
_SETTINGS = {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python", "NO_PROXY": "127.0.0.1"}

_BEGIN = """\
import json, sys
import deepaffects
from deepaffects.rest import ApiException
given = json.load(sys.stdin)
deepaffects.configuration.host = given["host"]
deepaffects.configuration.api_key["apikey"] = given["key"]
told = {}
"""
_END = """
json.dump(told, sys.stdout)
"""


class Sdk:
    """The client, pointed at a server; without its environment the test is skipped."""

    def __init__(self, url: str, key: str) -> None:
        if not _PYTHON.exists():
            pytest.skip("DeepAffects' client is not installed (`make setup` does it): its own use")
        self._target = {"host": url, "key": key}

    def run(self, program: str, **given: Any) -> dict[str, Any]:
        """What a program leaves in ``told``; it finds what it is to use in ``given``."""
        answer = self.run_as_it_is(_BEGIN + program + _END, json.dumps(self._target | given))
        told: dict[str, Any] = json.loads(answer)
        return told

    def run_as_it_is(self, program: str, text: str = "", *, folder: Path | None = None) -> str:
        """What a program prints."""
        done = subprocess.run(
            [_PYTHON, "-c", program],
            input=text,
            env=os.environ | _SETTINGS,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout
