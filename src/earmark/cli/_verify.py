"""``earmark verify``: whether two recordings are of one voice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from earmark.cli._options import naming

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def verify(
    first: Annotated[
        Path, typer.Argument(metavar="A", help="A recording of one voice.", show_default=False)
    ],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another one.", show_default=False)],
    false_accepts: Annotated[
        float,
        typer.Option(
            "--false-accepts",
            min=1e-6,
            max=0.5,
            metavar="RATE",
            help="How often, at most, two people may be taken for one.",
        ),
    ] = 0.01,
    as_json: Annotated[bool, typer.Option("--json", help="All figures, as JSON.")] = False,
) -> None:
    """Say whether the same person speaks in two recordings.

    Nothing is kept. Exit codes: 0 the same person, 1 not (or a recording cannot be used), 2 wrong
    usage, 3 a model cannot be had.
    """
    from earmark.diarization import Diarizer, one_voice
    from earmark.settings import get_settings
    from earmark.voiceprints import Calibration

    calibration = Calibration.of(get_settings())
    with Diarizer() as diarizer:
        voices = []
        for recording in (first, second):
            with naming(recording):
                voices.append(one_voice(diarizer.diarize(recording, voiceprints=True))[1])
    cosine = voices[0].cosine(voices[1])
    llr = float(calibration.compare(voices[:1], voices[1:])[0, 0])
    probability = float(calibration.probability(llr))
    same = llr >= calibration.threshold(false_accepts)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "schema": "earmark.verification/1",
                    "same": bool(same),
                    "probability": round(probability, 6),
                    "llr": round(llr, 4),
                    "cosine": round(cosine, 4),
                    "false_accept_rate": false_accepts,
                    "net_speech": [each.net_speech_s for each in voices],
                    "quality": [each.quality for each in voices],
                }
            )
        )
    else:
        typer.echo(
            f"{'The same person' if same else 'Not the same person'}: probability"
            f" {probability:.1%} (log-likelihood ratio {llr:+.1f}, cosine {cosine:.2f})"
        )
        for name, voice in zip((first.name, second.name), voices, strict=True):
            typer.echo(f"{name}: {voice.net_speech_s:.1f} s of speech, quality {voice.quality}")
    if not same:
        raise typer.Exit(1)
