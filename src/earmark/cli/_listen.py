"""``earmark listen``: who speaks now, in the microphone or a recording that is played."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from earmark.cli._hearing import SOUND, microphone, paced
from earmark.cli._live_timeline import live_timeline
from earmark.cli._options import FalseAccepts
from earmark.cli._timeline import print_timeline
from earmark.diarization import Diarization
from earmark.errors import EarmarkError, SessionOver
from earmark.live import (
    Event,
    LiveConfig,
    LiveSession,
    Relabel,
    RelabelReason,
    TurnState,
    TurnUpdate,
)

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_FRAMES_PER_S = 8
_AHEAD_S = 10.0  # of sound that may wait to be analysed
_LOOK_S = 0.05


@app.command()
def listen(
    recording: Annotated[
        Path | None,
        typer.Argument(
            metavar="[AUDIO]",
            help="A recording, followed as if it was spoken now; the microphone by default.",
            show_default=False,
        ),
    ] = None,
    gallery: Annotated[
        str | None,
        typer.Option("--gallery", "-g", metavar="G", help="Whom to look for.", show_default=False),
    ] = None,
    false_accepts: FalseAccepts = 0.01,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The microphone: a number, or a part of its name.",
            show_default=False,
        ),
    ] = None,
    speed: Annotated[
        float,
        typer.Option(min=0.0, help="How many times as fast as spoken; 0: as fast as can be."),
    ] = 1.0,
    json_lines: Annotated[
        bool,
        typer.Option("--json", help="Write each event as a line of JSON, as the live API does."),
    ] = False,
) -> None:
    """Follow who speaks now, in the microphone or a recording that is played.

    Ctrl-C ends it. In a terminal the timeline is drawn as it grows: what may still change is dim.
    Elsewhere each turn is written once it is sure. The gallery is one of `earmark enroll`, or of a
    server on this machine.
    """
    with ExitStack() as stack:
        sound: Iterator[bytes]
        if recording is None:
            sound = stack.enter_context(microphone(device))
        else:
            sound = paced(recording, speed)
        recognizer = None
        if gallery is not None:
            from earmark.service import LocalGallery

            opened = stack.enter_context(LocalGallery(gallery, create=False))
            recognizer = opened.recognizer(false_accept_rate=false_accepts)
        console = Console(highlight=False)
        drawn = console.is_terminal and not json_lines
        session = LiveSession(
            LiveConfig(format=SOUND),
            recognizer=recognizer,
            on_event=(lambda _: None) if drawn else None,
        )
        feed = _Feed(session, sound)
        feed.start()
        try:
            _tell(session, console, drawn=drawn, json_lines=json_lines)
        except KeyboardInterrupt:
            feed.stop()
            _tell(session, console, drawn=drawn, json_lines=json_lines)
        feed.join()
        session.wait()
        if feed.error is not None:
            raise feed.error
        result = session.result
        if drawn:
            name = "microphone" if recording is None else recording.stem
            print_timeline(replace(_named(result, session), uri=name), console)


class _Feed(threading.Thread):
    """Gives sound to a session, no faster than it is analysed, and finishes it at the end."""

    def __init__(self, session: LiveSession, sound: Iterator[bytes]) -> None:
        super().__init__(name="earmark-sound", daemon=True)
        self.error: EarmarkError | None = None
        self._session = session
        self._sound = sound

    def run(self) -> None:
        try:
            for chunk in self._sound:
                while self._session.backlog_s > _AHEAD_S and not self._session.wait(_LOOK_S):
                    pass
                self._session.push(chunk)
        except SessionOver:  # it was stopped
            return
        except EarmarkError as error:
            self.error = error
        finally:
            self.stop()

    def stop(self) -> None:
        """Give no more; what has been given is still analysed."""
        with suppress(SessionOver):
            self._session.finish()


def _tell(session: LiveSession, console: Console, *, drawn: bool, json_lines: bool) -> None:
    """Show what the session tells, to its end."""
    if drawn:
        with Live(console=console, refresh_per_second=_FRAMES_PER_S, transient=True) as live:
            while not session.wait(1 / _FRAMES_PER_S):
                live.update(live_timeline(session.snapshot(), console))
        return
    write = _json_line if json_lines else _line
    for event in session.events():
        if line := write(event):
            typer.echo(line)


def _json_line(event: Event) -> str:
    from earmark.dialects.native import told

    return told(event, 0).model_dump_json(exclude={"received_bytes"})


def _line(event: Event) -> str | None:
    """What is written of an event: turns that are sure, and who somebody is."""
    match event:
        case TurnUpdate(state=TurnState.CONFIRMED, going=False):
            return f"{event.start:8.2f} {event.end:8.2f}  {event.name or event.speaker}"
        case Relabel(reason=RelabelReason.IDENTIFIED):
            return f"{event.source} is {event.target}"
        case Relabel():
            return f"{event.source} is the same person as {event.target}"
    return None


def _named(result: Diarization, session: LiveSession) -> Diarization:
    """The final answer, with the names of those who were recognised."""
    names: dict[str, str] = {}
    for speaker, identity in session.snapshot().identities.items():
        if identity is not None and identity.name not in names.values():
            names[speaker] = identity.name
    return result.rename({old: new for old, new in names.items() if old in result.speakers})
