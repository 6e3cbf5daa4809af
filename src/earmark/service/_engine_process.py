"""The process in which the models live and recordings are analysed, one at a time.

A worker starts it with a socket for messages, and with a pipe as standard input. Each byte of
that says how many threads may compute from now on; when it closes, because the worker has died,
the process ends. It sees no key and no address of a database. Recordings are decoded in yet
another process, see `open_isolated`.
"""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from earmark.errors import EarmarkError, Kind
from earmark.service._messages import Message, MessageSocket
from earmark.settings import Settings

if TYPE_CHECKING:
    from earmark.diarization import Diarizer, Progress
    from earmark.traits import TraitModels

__all__ = ["ALIVE_S", "main"]

ALIVE_S = 10.0
"""How often a process at work says that it lives."""

_ABOUT_SOUND = ("voice-activity", "traits", "gender")

P = ParamSpec("P")
T = TypeVar("T")


class _SharedThreads(ThreadPoolExecutor):
    """Threads of which only as many are at work at once as have been granted."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads, thread_name_prefix="earmark")
        self._changed = threading.Condition()
        self._granted, self._at_work = threads, 0

    def grant(self, threads: int) -> None:
        """Let so many be at work; who is at work beyond that finishes."""
        with self._changed:
            self._granted = threads
            self._changed.notify_all()

    def submit(self, fn: Callable[P, T], /, *arguments: P.args, **keywords: P.kwargs) -> Future[T]:
        return super().submit(self._in_turn, partial(fn, *arguments, **keywords))

    def _in_turn(self, act: Callable[[], T]) -> T:
        with self._changed:
            self._changed.wait_for(lambda: self._at_work < self._granted)
            self._at_work += 1
        try:
            return act()
        finally:
            with self._changed:
                self._at_work -= 1
                self._changed.notify()


class _Analyser:
    """The loaded models; those of the fast way are loaded when first asked for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._threads = _SharedThreads(settings.threads)
        self._diarizers: dict[bool, Diarizer] = {}
        self._trait_models: TraitModels | None = None  # until traits are asked for
        threading.Thread(target=self._obey, daemon=True).start()

    def diarizer(self, *, fast: bool) -> Diarizer:
        from earmark.diarization import Diarizer

        if fast not in self._diarizers:
            self._diarizers[fast] = Diarizer(
                settings=self._settings, fast=fast, executor=self._threads
            )
        return self._diarizers[fast]

    def trait_models(self) -> TraitModels:
        from earmark.traits import TraitModels

        if self._trait_models is None:
            self._trait_models = TraitModels.load(self._settings)
        return self._trait_models

    def answer(self, asked: Message, worker: MessageSocket) -> None:
        """Analyse a recording and say how that went."""
        with _sign_of_life(worker):
            document, audio_s = self._analyse(asked, worker)
        worker.send("done", body=document, audio_s=audio_s)

    def _limited(self, limit_s: float | None) -> Settings:
        """The settings, for a recording that may not be longer than this."""
        longest = self._settings.max_duration_s
        if limit_s is None or limit_s >= longest:
            return self._settings
        return self._settings.model_copy(update={"max_duration_s": limit_s})

    def _obey(self) -> None:
        """Compute with as many threads as the worker says; end when it has."""
        while granted := os.read(sys.stdin.fileno(), 1):
            self._threads.grant(granted[0])
        os._exit(1)

    def _analyse(self, asked: Message, worker: MessageSocket) -> tuple[bytes, float]:
        from earmark.audio import open_isolated
        from earmark.service._engine_sound import AboutSound

        options, name = asked.fields["options"], asked.fields["name"]
        told = -1

        def tell(fraction: float) -> None:
            nonlocal told
            percent = int(100 * min(1.0, fraction))
            if percent > told:
                told = percent
                worker.send("progress", percent=percent)

        def report(progress: Progress) -> None:
            tell(progress.fraction)

        job, diarizer = asked.fields["job"], self.diarizer(fast=options["fast"])
        uri = None if name is None else Path(name).stem or None
        if asked.descriptor is None:
            raise ValueError("A recording was asked about but not handed over.")
        with _recording(asked.descriptor, name) as file:
            opened = partial(
                open_isolated,
                file,
                channels=options["channels"],
                start=options["start"],
                end=options["end"],
                on_damage="warn" if options["tolerate_damage"] else "error",
                settings=self._limited(options["limit_s"]),
            )
            if job in _ABOUT_SOUND:
                about = AboutSound(diarizer, self.trait_models, self._threads)
                return about.answer(job, opened, options, uri=uri, on_share=tell)
            with opened() as audio:
                result = diarizer.diarize_stream(
                    audio,
                    speakers=options["speakers"],
                    min_speakers=options["min_speakers"],
                    max_speakers=options["max_speakers"],
                    uri=uri,
                    on_progress=report,
                )
            if options["voiceprints"]:
                with opened() as audio:
                    # Always by the same one: each loads the networks for it by itself.
                    result = self.diarizer(fast=False).read_voices(audio, result)
        document = result.to_json(
            compact=True,
            voiceprints=options["voiceprints"],
            frame_confidence=options["frame_confidence"],
        )
        return document.encode(), result.duration


def main(descriptor: int) -> None:
    """Serve the worker at the other end of this socket until it hangs up."""
    # The worker decides when this ends. Its children inherit that: a service manager that ends
    # all processes at once would else make recordings look deadly.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _prefer_for_killing()
    worker = MessageSocket(socket.socket(fileno=descriptor))
    try:
        analyser = _Analyser(Settings(**worker.receive().fields["settings"]))
        try:
            analyser.diarizer(fast=False)
        except EarmarkError as error:
            worker.send("error", **_told(error))
            return
        worker.send("ready")
        while True:
            asked = worker.receive()
            try:
                analyser.answer(asked, worker)
            except EarmarkError as error:
                worker.send("error", **_told(error))
            except OSError:
                raise
            except Exception:
                message = "The analysis met a defect of Earmark: the worker's log tells more."
                worker.send("error", error_kind=Kind.INTERNAL, code="internal", message=message)
                raise
    except (BrokenPipeError, EOFError):
        return


@contextmanager
def _sign_of_life(worker: MessageSocket) -> Iterator[None]:
    """Tell the worker now and then that this process is not stuck."""
    done = threading.Event()

    def tell() -> None:
        with suppress(OSError):  # the worker is gone, and so will this process be
            while not done.wait(ALIVE_S):
                worker.send("alive")

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _told(error: EarmarkError) -> dict[str, Any]:
    # Not every dialect has the options that the library's messages name, and whoever sent the
    # recording cannot change the settings.
    message = re.sub(r"; on_damage=.*", ".", str(error))
    message = re.sub(r"choose a part .*EARMARK_.*", "send a shorter one, or a part of it.", message)
    message = re.sub(r"raise EARMARK_\w+ or ", "", message)
    return {"error_kind": error.kind, "code": error.code, "message": message}


def _recording(descriptor: int, name: str | None) -> io.FileIO:
    file = io.FileIO(descriptor, "rb")
    file.name = name or "The recording"  # what messages call it
    return file


def _prefer_for_killing() -> None:
    """When memory runs out, this process is to go, not the server; Linux lets it be told."""
    score = Path("/proc/self/oom_score_adj")
    if score.exists():
        score.write_text("500", encoding="ascii")


if __name__ == "__main__":
    main(int(sys.argv[1]))
