"""``earmark bench``: accuracy, speed, memory, voiceprints and the service, measured here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli._bench_live import live
from earmark.cli._bench_options import JsonFile, eval_dir, numbers, wide, write_document
from earmark.cli._status import status
from earmark.errors import InvalidOption
from earmark.settings import get_settings

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Measure accuracy, speed and memory on recordings of your own.",
)

_Fast = Annotated[bool, typer.Option("--fast", help="Measure the fast mode.")]


@app.command()
def diarization(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]",
            help="Audio files, each with an .rttm of the same name beside it; folders below it"
            " count, too. By default the diarization folder of EARMARK_EVAL_DIR.",
            show_default=False,
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="Recordings to take, such as 'sim/*'; repeatable."),
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="Recordings to leave out; repeatable."),
    ] = None,
    fast: _Fast = False,
    speakers: Annotated[
        str, typer.Option(help="auto, or oracle: tell the true number of speakers.")
    ] = "auto",
    passes: Annotated[
        int, typer.Option(min=1, help="Diarize each recording so often; times are medians.")
    ] = 1,
    against: Annotated[
        str,
        typer.Option(
            metavar="PEERS",
            help="Run others on the same files in the same run: senko, diarize, sherpa-onnx,"
            " pyannote; separated by commas.",
        ),
    ] = "",
    json_file: JsonFile = None,
) -> None:
    """Diarize recordings and compare the turns with the truth.

    Prints DER with its parts, without and with a collar of 0.25 s, JER, the number of people
    found, time per second of audio (RTF), peak memory, and how far confidences can be trusted.
    Exit code 1 when Earmark itself failed on a recording.
    """
    from earmark.bench import (
        bench_diarization,
        diarization_document,
        load_dataset,
        peers_named,
        print_diarization,
    )

    if speakers not in ("auto", "oracle"):
        raise InvalidOption(f"--speakers is auto or oracle, not {speakers!r}.")
    settings = get_settings()
    peers = peers_named(against)
    with status() as say:
        say("reading the recordings")
        report = bench_diarization(
            load_dataset(folder or eval_dir() / "diarization", only=only or (), skip=skip or ()),
            settings=settings,
            fast=fast,
            oracle=speakers == "oracle",
            passes=passes,
            against=peers,
            on_step=say,
        )
    print_diarization(report, wide())
    write_document(json_file, diarization_document(report))
    if report.own.failure or report.own.failures:
        raise typer.Exit(1)


@app.command()
def speed(
    file: Annotated[Path, typer.Argument(help="A recording with speech.", show_default=False)],
    hours: Annotated[
        str,
        typer.Option(
            metavar="H,H,...",
            help="Make recordings of these lengths from the file, such as 1,2,4; each is measured"
            " in a process of its own.",
        ),
    ] = "",
    passes: Annotated[int, typer.Option(min=1, help="Passes; times are medians.")] = 3,
    fast: _Fast = False,
    json_file: JsonFile = None,
) -> None:
    """See where the time goes, how memory grows, and how long the first turn takes."""
    from earmark.bench import bench_speed, print_speed, speed_document

    with status() as say:
        report = bench_speed(
            file,
            settings=get_settings(),
            fast=fast,
            passes=passes,
            hours=numbers("--hours", hours),
            on_step=say,
        )
    print_speed(report, wide())
    write_document(json_file, speed_document(report))


@app.command()
def service(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="A recording with speech, by default the sample recording, repeated to an hour.",
            show_default=False,
        ),
    ] = None,
    hours: Annotated[
        float | None,
        typer.Option(
            metavar="H", help="Repeat the recording, or cut it, to this length.", show_default=False
        ),
    ] = None,
    passes: Annotated[int, typer.Option(min=1, help="Passes; times are medians.")] = 3,
    jobs: Annotated[int, typer.Option(min=1, help="Clips of 30 s to submit at once.")] = 60,
    upload_mib: Annotated[int, typer.Option(min=1, help="MiB to upload.")] = 1024,
    requests: Annotated[
        int, typer.Option(min=1, help="Requests to take the latency of, idle and busy.")
    ] = 1000,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHAT", help="overhead, jobs, upload or latency; repeatable; by default all."
        ),
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """See what the server costs beside the engine alone, and how much it takes.

    Starts a server on temporary data and stops it. Measures one long recording by the service and
    by a diarizer in turns, short recordings that are submitted at once, a large upload with the
    server's memory, and how long a request takes while the worker is busy.
    """
    from earmark.bench import MEASURES, bench_service, print_service, service_document

    with status() as say:
        report = bench_service(
            file,
            settings=get_settings(),
            hours=hours,
            passes=passes,
            jobs=jobs,
            upload_bytes=upload_mib << 20,
            requests=requests,
            only=only or MEASURES,
            on_step=say,
        )
    print_service(report, wide())
    write_document(json_file, service_document(report))


@app.command()
def verification(
    trials: Annotated[
        Path | None,
        typer.Argument(
            metavar="[TRIALS]",
            help="Lines 'label enrol test': 1 (same person) or 0, and two audio files. By default"
            " verification/trials.txt of EARMARK_EVAL_DIR.",
            show_default=False,
        ),
    ] = None,
    audio: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where the files are, by default beside the trials.",
            show_default=False,
        ),
    ] = None,
    listed: Annotated[
        bool,
        typer.Option(
            "--listed",
            help="Score the listed trials only, not all pairs of files within a corpus.",
        ),
    ] = False,
    json_file: JsonFile = None,
) -> None:
    """See how well voiceprints tell people apart, and what their scores are worth.

    Prints EER, minDCF, Cllr before and after calibration and the least that it could be, with 95 %
    confidence intervals, by corpus: the first part, up to '_', of the name of a file's folder,
    which stands for one person. Then how often searches name strangers, and miss people.
    """
    from earmark.bench import (
        bench_verification,
        print_verification,
        read_trials,
        verification_document,
    )

    with status() as say:
        report = bench_verification(
            read_trials(trials or eval_dir() / "verification" / "trials.txt", audio),
            settings=get_settings(),
            pairs=("listed",) if listed else ("all", "listed"),
            on_step=say,
        )
    print_verification(report, wide())
    write_document(json_file, verification_document(report))


app.command()(live)


@app.command()
def gallery(
    people: Annotated[
        int, typer.Option("--prints", min=1, help="People, with one voiceprint each.")
    ] = 100_000,
    json_file: JsonFile = None,
) -> None:
    """See how fast a gallery is searched, read from the encrypted store, added to and erased from.

    The voiceprints are random numbers, in a temporary database with a keyring of its own.
    """
    from earmark.bench import bench_gallery, gallery_document, print_gallery

    with status() as say:
        report = bench_gallery(people, settings=get_settings(), on_step=say)
    print_gallery(report, wide())
    write_document(json_file, gallery_document(report))


@app.command()
def traits(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]",
            help="A folder with nonspeech.csv and gender.csv, by default EARMARK_EVAL_DIR.",
            show_default=False,
        ),
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """See how often speech, music, other sound and gender are told rightly, how late, at what cost.

    Gender is counted by corpus; people of ls, so and cc were trained on.
    """
    from earmark.bench import bench_traits, print_traits, traits_document

    with status() as say:
        report = bench_traits(folder or eval_dir(), settings=get_settings(), on_step=say)
    print_traits(report, wide())
    write_document(json_file, traits_document(report))


@app.command()
def concatenate(
    files: Annotated[list[Path], typer.Argument(help="Recordings.", show_default=False)],
    hours: Annotated[float, typer.Option(help="How long it shall be.", show_default=False)],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The WAV to write.")
    ],
) -> None:
    """Make a long recording (16 kHz mono WAV) of short ones, one after the other, repeated."""
    from earmark.bench import concatenate as write

    parts = write(files, hours=hours, target=output)
    typer.echo(f"{output}: {parts[-1].end / 3600:.2f} h of {len(parts)} parts")
