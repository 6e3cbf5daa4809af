"""Voiceprints of nobody, for tests of what is done with them."""

from __future__ import annotations

import numpy as np

from earmark.service import Caller, Service
from earmark.voiceprints import DEFAULT_MODEL, Quality, Voiceprint

__all__ = ["a_voice", "voices_of"]


def a_voice(
    number: int, *, model: str = DEFAULT_MODEL, size: int = 448, net_speech_s: float = 12.0
) -> Voiceprint:
    """The same for the same number, and nothing like that of another."""
    vector = np.random.default_rng(number).standard_normal(size).astype(np.float32)
    return Voiceprint(vector=vector, model=model, net_speech_s=net_speech_s, quality=Quality.GOOD)


def voices_of(service: Service, caller: Caller, speaker_id: str) -> tuple[Voiceprint, ...]:
    """What a speaker holds, oldest first."""
    opened = service.speakers.open_voiceprints(caller, speaker_id)
    return tuple(voiceprint for _, voiceprint in opened)
