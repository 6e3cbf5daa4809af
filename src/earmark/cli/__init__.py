"""The command line: ``earmark diarize``, ``earmark models``, ``earmark bench``."""

from __future__ import annotations

import os
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command that ``sys.argv`` names, and exit with its code (docs/cli.md)."""
    from earmark.cli._main import ExitCode, app

    try:
        app(prog_name="earmark")
    except SystemExit as end:
        if end.code == ExitCode.INTERRUPTED:
            # Work that has not stopped yet is not waited for: every file is whole or absent.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(ExitCode.INTERRUPTED)
        raise
