"""The root command: finds the subcommand, loads only that one, turns errors into exit codes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from earmark.errors import Canceled, EarmarkError, InvalidOption, ModelError

__all__ = ["COMMANDS", "ExitCode", "Subcommand", "app", "exit_code"]


class ExitCode(IntEnum):
    """What the exit code of ``earmark`` says."""

    OK = 0
    FAILED = 1
    USAGE = 2
    MODELS = 3
    INTERRUPTED = 130


@dataclass(frozen=True, kw_only=True, slots=True)
class Subcommand:
    """A subcommand that is loaded when used: its module holds the typer app ``app``."""

    module: str
    help: str


COMMANDS = {
    "diarize": Subcommand(
        module="earmark.cli._diarize", help="Find out who spoke when in recordings."
    ),
    "listen": Subcommand(
        module="earmark.cli._listen",
        help="Follow who speaks now, in the microphone or a recording that is played.",
    ),
    "enroll": Subcommand(
        module="earmark.cli._enroll", help="Add a person's voice to a gallery on this machine."
    ),
    "identify": Subcommand(
        module="earmark.cli._identify",
        help="Find out who of a gallery speaks in a recording, and who is unknown.",
    ),
    "gallery": Subcommand(
        module="earmark.cli._gallery",
        help="Who is enrolled in a gallery on this machine: list, export and erase them.",
    ),
    "verify": Subcommand(
        module="earmark.cli._verify", help="Say whether the same person speaks in two recordings."
    ),
    "calibrate": Subcommand(
        module="earmark.cli._calibrate", help="Fit the scores of voiceprints to your recordings."
    ),
    "serve": Subcommand(
        module="earmark.cli._serve",
        help="Run the server: the APIs by HTTP and gRPC, and the worker that does their jobs.",
    ),
    "worker": Subcommand(
        module="earmark.cli._worker", help="Run jobs and deliver webhooks, without an API."
    ),
    "keys": Subcommand(module="earmark.cli._keys", help="API keys: make, list and revoke them."),
    "keyring": Subcommand(
        module="earmark.cli._keyring",
        help="The keyring: data keys of voiceprints, and their master key.",
    ),
    "backup": Subcommand(
        module="earmark.cli._backup", help="Copy a server's data, also while it runs."
    ),
    "models": Subcommand(
        module="earmark.cli._models", help="The model files: what there is, fetching, checking."
    ),
    "demo": Subcommand(
        module="earmark.cli._demo",
        help="Diarize a telephone call of 30 seconds and show the result beside what people "
        "wrote down.",
    ),
    "bench": Subcommand(
        module="earmark.cli._bench",
        help="Measure accuracy, speed and memory on recordings of your own.",
    ),
}


def exit_code(error: EarmarkError) -> ExitCode:
    """The exit code that tells a script what sort of error it was."""
    if isinstance(error, InvalidOption):
        return ExitCode.USAGE
    if isinstance(error, ModelError):
        return ExitCode.MODELS
    if isinstance(error, Canceled):
        return ExitCode.INTERRUPTED
    return ExitCode.FAILED


class _Commands(TyperGroup):
    """Subcommands from the table above; ``--help`` loads none of them."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        subcommand: typer.Typer = import_module(COMMANDS[cmd_name].module).app
        subcommand.rich_markup_mode = None  # plain help everywhere, without loading rich
        return typer.main.get_command(subcommand)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.help) for name, command in COMMANDS.items()])

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except EarmarkError as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(exit_code(error)) from error
        except KeyboardInterrupt:
            typer.echo("Interrupted.", err=True)
            raise typer.Exit(ExitCode.INTERRUPTED) from None


app = typer.Typer(
    cls=_Commands,
    help="Who spoke when, on an ordinary CPU.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        from earmark import __version__

        typer.echo(f"earmark {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Options of ``earmark`` itself; the commands are in `COMMANDS`."""
