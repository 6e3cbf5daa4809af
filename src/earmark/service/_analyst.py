"""Answers at once about short recordings, in an engine process kept for that."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property

from earmark.diarization import Diarization, SpeechActivity, one_voice
from earmark.errors import (
    AudioError,
    AudioTooLarge,
    DecoderDied,
    EarmarkError,
    JobPoisoned,
    Kind,
    Unavailable,
)
from earmark.service._engine import AnalysisFailed, Engine, EngineDied, EngineStopped
from earmark.service._engines import Engines
from earmark.service._model import JobError, JobKind, JobOptions, Media
from earmark.service._store import Store
from earmark.service._turns import Turns
from earmark.traits import Genders, TraitSeries
from earmark.voiceprints import Voiceprint

__all__ = ["Analyst"]

_PLACES = 16  # requests at once, the one at work included
_PLACES_OF_ONE = 6  # of them, those of one tenant
_PLAIN = JobOptions()
_VOICES = JobOptions(voiceprints=True)
_TRIES = 2  # of a recording that makes a process die
_CLASSES: dict[Kind, type[EarmarkError]] = {
    Kind.INVALID: AudioError,
    Kind.TOO_LARGE: AudioTooLarge,
    Kind.UNAVAILABLE: Unavailable,
}


class Analyst:
    """Analyses one short recording after another; the engine is started when first needed.

    For requests whose client waits for the answer: they do not queue behind jobs, and tenants take
    turns.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turns = Turns(places=_PLACES, places_of_one=_PLACES_OF_ONE)
        self._stopped = threading.Event()
        self._starting = threading.Lock()

    def listen(
        self,
        media: Media,
        *,
        options: JobOptions = _VOICES,
        name: str | None = None,
        limit_s: float | None = None,
    ) -> Diarization:
        """Who speaks when in a recording, with the voiceprints that ``options`` asks for.

        ``limit_s`` is how long it may be, in seconds; ``name`` is what messages call it. Raises
        `AudioError` for what cannot be read, `AudioTooLarge`, `JobPoisoned` for what makes the
        engine die, and `Unavailable` when too many wait, those of the recording's tenant or all,
        or the engine cannot be had.
        """
        wanted = replace(options, limit_s=limit_s)
        return Diarization.from_json(self._ask(JobKind.DIARIZE, media, wanted, name))

    def voice(
        self, media: Media, *, name: str | None = None, limit_s: float | None = None
    ) -> Voiceprint:
        """The voiceprint of the one person who speaks in a recording.

        Raises `TooLittleSpeech`, `SeveralSpeakers`, and what `listen` raises.
        """
        _, voiceprint = one_voice(self.listen(media, name=name, limit_s=limit_s))
        return voiceprint

    def speech(
        self,
        media: Media,
        *,
        options: JobOptions = _PLAIN,
        name: str | None = None,
        limit_s: float | None = None,
    ) -> SpeechActivity:
        """Where somebody speaks in a recording; as `listen`."""
        wanted = replace(options, limit_s=limit_s)
        return SpeechActivity.from_json(self._ask(JobKind.VOICE_ACTIVITY, media, wanted, name))

    def gender(
        self,
        media: Media,
        *,
        options: JobOptions = _PLAIN,
        name: str | None = None,
        limit_s: float | None = None,
    ) -> Genders:
        """The gender of who speaks in a recording, channel by channel; as `listen`."""
        wanted = replace(options, limit_s=limit_s)
        return Genders.from_json(self._ask(JobKind.GENDER, media, wanted, name))

    def traits(
        self,
        media: Media,
        *,
        options: JobOptions,
        name: str | None = None,
        limit_s: float | None = None,
    ) -> TraitSeries:
        """The traits that ``options`` asks for, over the time line of a recording; as `listen`."""
        wanted = replace(options, limit_s=limit_s)
        return TraitSeries.from_json(self._ask(JobKind.TRAITS, media, wanted, name))

    def close(self) -> None:
        """End the engine; who waits for it gets `Unavailable`."""
        self._stopped.set()
        self._turns.close()
        with self._starting:
            if "_engines" in vars(self):
                self._engines.close()

    @cached_property
    def _engines(self) -> Engines:
        return Engines(self._store.settings, slots=1)

    def _ask(self, kind: JobKind, media: Media, options: JobOptions, name: str | None) -> bytes:
        with self._turns.turn(media.tenant_id), self._engine() as engine:
            for _ in range(_TRIES):
                try:
                    with self._store.blobs.open_file(media.blob) as file:
                        return engine.run(
                            file,
                            kind=kind,
                            options=options,
                            name=name or media.name,
                            on_progress=lambda _: None,
                        ).document
                except EngineDied:
                    engine.start()
                except AnalysisFailed as failed:
                    if failed.error.code != DecoderDied.code:
                        raise _error(failed.error) from failed
            raise JobPoisoned(
                f"The recording made the process that analyses it die {_TRIES} times: send another."
            )

    @contextmanager
    def _engine(self) -> Iterator[Engine]:
        try:
            with self._starting:
                if self._stopped.is_set():
                    raise EngineStopped("The server is shutting down.")
                engines = self._engines
            engine = engines.take(self._stopped)
            try:
                yield engine
            finally:
                engines.give_back(engine)
        except EngineStopped as error:
            raise Unavailable("The server is shutting down: try again in a moment.") from error


def _error(told: JobError) -> EarmarkError:
    """What the engine refused, as if it had been raised here."""
    error = _CLASSES.get(told.kind, EarmarkError)(told.message)
    vars(error).update(kind=told.kind, code=told.code)
    return error
