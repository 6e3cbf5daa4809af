"""The command line: ``earmark diarize``, ``earmark models``, ``earmark bench``."""

from __future__ import annotations

import errno
import os
import sys
from io import TextIOWrapper

__all__ = ["main"]


def main() -> None:
    """Run the command that ``sys.argv`` names, and exit with its code (docs/cli.md)."""
    from earmark.cli._main import ExitCode, app

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # not when it is closed
            stream.reconfigure(errors="backslashreplace")  # names and lines it cannot encode
    try:
        app(prog_name="earmark")
    except SystemExit as end:
        if end.code == ExitCode.INTERRUPTED:
            # Work that has not stopped yet is not waited for: every file is whole or absent.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(ExitCode.INTERRUPTED)
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        # Outputs that are files have an error of their own; this is standard output, or the
        # copy of standard input. What is still buffered goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        where = f"to write {error.filename or 'standard output or a temporary file'}"
        sys.stderr.write(f"Error: There is no room on the disk {where}: free some space.\n")
        sys.exit(ExitCode.FAILED)
