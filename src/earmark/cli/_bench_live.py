"""``earmark bench live``: live sessions, measured here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli._bench_options import JsonFile, eval_dir, numbers, wide, write_document
from earmark.cli._status import status
from earmark.errors import InvalidOption
from earmark.settings import get_settings

__all__ = ["live"]


def live(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILES]",
            help="Recordings of conversations for the load, by default the sample recording.",
            show_default=False,
        ),
    ] = None,
    streams: Annotated[
        str, typer.Option(metavar="N,N,...", help="How many streams at once, one after the other.")
    ] = "1,10,20,30,40,50,60,80",
    seconds: Annotated[float, typer.Option(help="How long each stream is.")] = 60.0,
    asked: Annotated[
        str, typer.Option(help="turns, or traits: speech, music and gender as well.")
    ] = "turns",
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Audio files, each with an .rttm of the same name beside it, for accuracy and"
            " names. By default the diarization folder of EARMARK_EVAL_DIR.",
            show_default=False,
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHAT",
            help="load, accuracy or names; repeatable; by default all, or load without DIR.",
        ),
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """See how many live streams are followed at once, how soon and how well.

    For the load, starts a server on temporary data and stops it. Clients in one other process
    send speech at the pace of real time; the numbers rise until answers come late. Accuracy is
    that of turns as they are told first, confirmed, and in the end, beside the recording as a
    whole. Names: how soon people are named whose voices are known.
    """
    from earmark.bench import (
        bench_live,
        bench_live_accuracy,
        bench_naming,
        live_document,
        load_dataset,
        print_live,
        print_live_accuracy,
        print_naming,
    )

    known = ("load", "accuracy", "names")
    truth = data or get_settings().eval_dir is not None
    chosen = set(only or (known if truth else ("load",)))
    if unknown := sorted(chosen.difference(known)):
        raise InvalidOption(f"--only is load, accuracy or names, not {unknown[0]!r}.")
    load = accuracy = names = dataset = None
    with status() as say:
        if "load" in chosen:
            load = bench_live(
                files or (),
                settings=get_settings(),
                streams=[round(each) for each in numbers("--streams", streams)],
                seconds=seconds,
                asked=asked,
                on_step=say,
            )
        if chosen - {"load"}:
            say("reading the recordings")
            dataset = load_dataset(data or eval_dir() / "diarization")
            if "accuracy" in chosen:
                accuracy = bench_live_accuracy(dataset, settings=get_settings(), on_step=say)
            if "names" in chosen:
                whole = [each for each in dataset.recordings if not each.split]
                names = bench_naming(whole, settings=get_settings(), on_step=say)
    if load is not None:
        print_live(load, wide())
    if accuracy is not None and dataset is not None:
        print_live_accuracy(accuracy, dataset, wide())
    if names is not None:
        print_naming(names, wide())
    write_document(json_file, live_document(load, accuracy, names))
