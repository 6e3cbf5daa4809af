"""``earmark enroll``: add a person's voice to a gallery on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli._options import naming

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def enroll(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who it is.", show_default=False)],
    recordings: Annotated[
        list[Path],
        typer.Argument(
            metavar="AUDIO", help="Recordings in which only they speak.", show_default=False
        ),
    ],
    gallery: Annotated[
        str,
        typer.Option(
            "--gallery", "-g", metavar="G", help="The gallery; made when it is not there yet."
        ),
    ] = "default",
    consent: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="What they agreed to. Needed once per person, unless EARMARK_CONSENT=record.",
            show_default=False,
        ),
    ] = None,
    purpose: Annotated[
        str, typer.Option(metavar="TEXT", help="What their voiceprint is for.")
    ] = "speaker recognition",
) -> None:
    """Add a person's voice to a gallery on this machine.

    It is kept in the data folder (EARMARK_DATA_DIR), where `earmark serve` on this
    machine keeps its own; voiceprints are encrypted. Longer is better: 20 seconds of speech are
    good, several recordings on different days and devices are best. Recordings in which somebody
    else speaks too, or hardly anybody, are refused.
    """
    from earmark.service import LocalGallery, NewConsent

    told = None if consent is None else NewConsent(subject=name, text=consent, purpose=purpose)
    with LocalGallery(gallery) as opened:
        for number, recording in enumerate(recordings):
            with naming(recording):
                (enrolled,) = opened.enroll(name, recording, consent=None if number else told)
            voiceprint = enrolled.voiceprint
            typer.echo(
                f"{recording.name}: {voiceprint.net_speech_s:.1f} s of speech,"
                f" quality {voiceprint.quality}"
            )
    typer.echo(f"{name} can be found in the gallery {gallery!r} from now on.")
