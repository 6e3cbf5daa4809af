"""The one voice of a recording that somebody is enrolled from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from earmark.diarization import one_voice
from earmark.service._analyst import Analyst
from earmark.service._model import JobOptions, Media
from earmark.voiceprints import Voiceprint

__all__ = ["listen_to"]


def listen_to(
    analyst: Analyst, media: Media, options: Mapping[str, Any], limit_s: float | None
) -> tuple[Voiceprint, float]:
    """The voice, and how many seconds were listened to.

    ``options`` are those of `Enrolment.enroll`, as they are kept with the sample: ``channels``,
    ``start``, ``end``, ``several`` and ``needed_s``. Raises as `Enrolment.enroll` does.
    """
    channels = options["channels"]
    asked = JobOptions(
        channels=channels if isinstance(channels, str) else tuple(channels),
        start=options["start"],
        end=options["end"],
        voiceprints=True,
    )
    diarization = analyst.listen(media, options=asked, limit_s=limit_s)
    _, voiceprint = one_voice(
        diarization,
        needed_s=options["needed_s"],
        refuse_others=options["several"] == "refuse",
    )
    return voiceprint, diarization.duration
