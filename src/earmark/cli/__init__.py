"""The command line: ``earmark diarize``, ``earmark models``, ``earmark bench``."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command that ``sys.argv`` names, and exit with its code (docs/cli.md)."""
    from earmark.cli._main import app

    app(prog_name="earmark")
