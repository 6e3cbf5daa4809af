"""What the service tells of its work, for whoever counts it."""

from __future__ import annotations

from collections.abc import Mapping

from earmark.service._model import JobKind, JobState

__all__ = ["Observer"]


class Observer:
    """Is told of what happened, from any thread, and does nothing about it.

    One that does must neither block nor raise.
    """

    def job_finished(
        self,
        *,
        kind: JobKind,
        state: JobState,
        wait_s: float,
        timings: Mapping[str, float],
        audio_s: float | None,
    ) -> None:
        """A job that this process ran is over: how it ended and how long it had waited.

        ``timings`` are seconds per stage, ``audio_s`` seconds of audio analysed, if it came to it.
        """

    def webhook_attempt(self, *, dialect: str, outcome: str, duration_s: float) -> None:
        """A webhook was tried; ``outcome`` is "delivered" or `FetchError.reason`."""
