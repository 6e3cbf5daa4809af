"""Where Earmark's CPU time goes, by clocks put around its parts from outside.

Stages overlap: networks run in threads while the recording is still being decoded. So what is
told apart is the CPU time of the threads that do the work, and not waiting.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock
from typing import Any, ParamSpec, TypeVar

__all__ = ["Profile"]

P = ParamSpec("P")
T = TypeVar("T")


class Profile:
    """CPU seconds by stage; to be made before `earmark.diarization` is imported.

    The stages are ``decoding``, one for each network (by its file's name without the hash),
    ``pooling`` and ``heads`` (frame map to embeddings), and ``clustering``, which includes deciding
    who speaks in each frame.
    """

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._lock = Lock()
        self._clock_models()
        self._clock_audio()
        self._clock_embeddings()
        import earmark.diarization._diarizer as engine

        label = engine.label_channel  # type: ignore[attr-defined]
        engine.label_channel = self._clocked(label, "clustering")  # type: ignore[attr-defined]

    def take(self) -> dict[str, float]:
        """The seconds since the last time."""
        with self._lock:
            taken, self._seconds = dict(self._seconds), defaultdict(float)
        return taken

    def _clock_models(self) -> None:
        from earmark import models
        from earmark.models import load_session

        def load(path: Path, **options: Any) -> Any:
            session = load_session(path, **options)
            head, _, tail = path.stem.rpartition("-")
            session.run = self._clocked(session.run, head if len(tail) == 12 else path.stem)
            return session

        models.load_session = load

    def _clock_embeddings(self) -> None:
        from earmark import voiceprints

        network = voiceprints.EmbeddingNetwork
        network.embed = self._clocked(network.embed, "heads")  # type: ignore[method-assign]
        voiceprints.pool = self._clocked(voiceprints.pool, "pooling")

    def _clock_audio(self) -> None:
        from earmark.audio import AudioStream

        blocks_of = AudioStream.__iter__

        def iterate(stream: AudioStream) -> Iterator[Any]:
            blocks = blocks_of(stream)
            following = self._clocked(lambda: next(blocks, None), "decoding")
            while (block := following()) is not None:
                yield block

        AudioStream.__iter__ = iterate  # type: ignore[method-assign]

    def _clocked(self, function: Callable[P, T], stage: str) -> Callable[P, T]:
        """The function, the CPU time of whose calls is counted."""

        def timed(*args: P.args, **kwargs: P.kwargs) -> T:
            started = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                spent = time.thread_time() - started
                with self._lock:
                    self._seconds[stage] += spent

        return timed
