"""``earmark identify``: who speaks when, with the names of those whom a gallery knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli._options import FalseAccepts, Format, length_text, parse_channels

if TYPE_CHECKING:
    from earmark.service import Identification, NamedSpeaker

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def identify(
    recording: Annotated[
        Path, typer.Argument(metavar="AUDIO", help="A recording.", show_default=False)
    ],
    gallery: Annotated[
        str, typer.Option("--gallery", "-g", metavar="G", help="Whom to look for.")
    ] = "default",
    false_accepts: FalseAccepts = 0.01,
    speakers: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Exactly so many people speak.", show_default=False),
    ] = None,
    channels: Annotated[
        str,
        typer.Option(metavar="mix|split|0,2|mix:0,2", help="As in `earmark diarize`."),
    ] = "mix",
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format",
            "-f",
            help="Write the turns, with the names in them; by default only who it is.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Find out who of a gallery speaks in a recording, and who is unknown.

    The gallery is one of `earmark enroll`, or of a server on this machine. The percentage is the
    probability that it is this person, if that was as likely as not before anybody listened.
    """
    from earmark.diarization import FORMATS
    from earmark.service import JobOptions, LocalGallery

    options = JobOptions(speakers=speakers, channels=parse_channels(channels))
    with LocalGallery(gallery, create=False) as opened:
        found = opened.identify(recording, options=options, false_accept_rate=false_accepts)
    if format_ is None:
        for line in _lines(found):
            typer.echo(line)
    elif format_ is Format.JSON:
        document = json.loads(found.to_json(names=True))
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        typer.echo(FORMATS[format_].write(found.named(), False), nl=False)


def _lines(found: Identification) -> list[str]:
    if not found.speakers:
        return ["Nobody speaks in this recording."]
    talk = {each.speaker: each.talk for each in found.diarization.chart().speakers}
    width = max(len("unknown"), *(len(_name(each)) for each in found.speakers))
    return [
        f"{each.speaker}  {_name(each):{width}}  {_certainty(each)}"
        f"  speaks {length_text(talk[each.speaker])}"
        for each in found.speakers
    ]


def _name(each: NamedSpeaker) -> str:
    return "unknown" if each.named.match is None else each.named.match.label


def _certainty(each: NamedSpeaker) -> str:
    match = each.named.match
    return "     " if match is None else f"{match.probability:5.0%}"
