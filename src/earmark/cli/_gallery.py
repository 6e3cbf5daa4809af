"""``earmark gallery``: who is enrolled on this machine, and what is kept of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Who is enrolled in a gallery on this machine: list, export and erase them.\n\n"
    "The galleries are those of `earmark enroll` and of a server on this machine, which need not be"
    " stopped.",
)

_Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Who: the name or the id.", show_default=False)
]
_Gallery = Annotated[str, typer.Option("--gallery", "-g", metavar="G", help="The gallery.")]


@app.command("list")
def list_people(
    gallery: _Gallery = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Everything known, as JSON.")] = False,
) -> None:
    """List who is enrolled, the newest first."""
    from dataclasses import asdict

    from earmark.service import LocalGallery

    with LocalGallery(gallery, create=False) as opened:
        people = opened.speakers()
    if as_json:
        rows = [{**asdict(each), "details": dict(each.details)} for each in people]
        typer.echo(json.dumps({"schema": "earmark.enrolled/1", "items": rows}, indent=2))
        return
    for each in people:
        withdrawn = ", consent withdrawn" if each.withdrawn_at is not None else ""
        typer.echo(f"{each.name} (until {_day(each.expires_at)}{withdrawn})")


@app.command()
def export(
    name: _Name,
    gallery: _Gallery = "default",
    audio: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write the enrolment audio that is kept there.", show_default=False
        ),
    ] = None,
) -> None:
    """Write all that is held of somebody, as JSON; their voiceprints are in it."""
    from earmark.service import LocalGallery

    with LocalGallery(gallery, create=False) as opened:
        typer.echo(json.dumps(opened.export(name, audio=audio), indent=2, ensure_ascii=False))


@app.command()
def erase(name: _Name, gallery: _Gallery = "default") -> None:
    """Erase somebody for good, and write the signed receipt."""
    from earmark.service import LocalGallery

    with LocalGallery(gallery, create=False) as opened:
        receipt = opened.erase(name)
    # The document stays the very text that was signed.
    signed = {"document": receipt.document, "signature": receipt.signature}
    typer.echo(json.dumps({"id": receipt.id, **signed}, indent=2, ensure_ascii=False))


@app.command()
def reembed(gallery: _Gallery = "default") -> None:
    """Make voiceprints of an earlier model again, from enrolment audio that was kept.

    Exit code 1 when somebody has to be enrolled anew, for want of audio.
    """
    from earmark.service import LocalGallery

    with LocalGallery(gallery, create=False) as opened:
        done = opened.reembed()
        names = {each.id: each.name for each in opened.speakers()}
    typer.echo(f"{done.voiceprints} voiceprints of {done.speakers} people were made again.")
    left = [*done.without_audio, *done.failed]
    if left:
        who = ", ".join(sorted(names.get(each, each) for each in left))
        typer.echo(f"To be enrolled anew, because no audio of theirs is there: {who}.", err=True)
        raise typer.Exit(1)


def _day(moment: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(moment, UTC).date().isoformat()
