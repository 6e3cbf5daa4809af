"""``earmark calibrate``: scores that fit a site's own recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli._files import write_whole
from earmark.cli._status import status
from earmark.settings import get_settings

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def calibrate(
    trials: Annotated[
        Path,
        typer.Argument(
            help="Lines 'label enrol test': 1 (same person) or 0, and two audio files.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="The calibration to write, as JSON."),
    ],
    audio: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where the audio files are, by default beside the trials.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Fit the scores of voiceprints to your recordings.

    That is, the probabilities and the false-accept rates. Takes recordings of ten people or more,
    several of each, like those that will be compared. Where a folder for each person holds their
    files, all pairs are compared, otherwise the listed ones. Set EARMARK_CALIBRATION to the file
    that is written. Nothing else is kept.
    """
    from earmark.bench import calibrate as fit

    with status() as say:
        made = fit(trials, audio, settings=get_settings(), on_step=say)
    write_whole(output, made.calibration.to_json())
    typer.echo(
        f"{made.people} people, {made.same} comparisons of the same person and {made.other} of"
        f" two.\nCllr {made.bundled_cllr:.4f} with the calibration that comes with Earmark,"
        f" {made.own_cllr:.4f} with this one (of people left out of the fit);"
        f" the least possible is {made.min_cllr:.4f}."
    )
    if made.own_cllr >= made.bundled_cllr:
        typer.echo("It is no better than the one that comes with Earmark: keep that.", err=True)
    for name in made.unheard:
        typer.echo(f"Left out, without enough speech: {name}", err=True)
    typer.echo(f"Wrote {output}; set EARMARK_CALIBRATION={output} to use it.")
