"""What was heard on one leg of a call, as a speaker search task needs it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Self

from earmark.diarization import Diarization, one_voice
from earmark.errors import SeveralSpeakers, TooLittleSpeech
from earmark.voiceprints import Voiceprint

__all__ = ["Heard"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """The voice of who speaks most in ``sound_s`` seconds of sound; None when nobody does.

    ``several``: others speak too.
    """

    sound_s: float
    voiceprint: Voiceprint | None
    several: bool = False

    @property
    def net_speech_s(self) -> float:
        """Seconds of that person's clear speech."""
        return 0.0 if self.voiceprint is None else self.voiceprint.net_speech_s

    @classmethod
    def of(cls, diarization: Diarization) -> Self:
        """What was heard in a diarization with voiceprints of the default model."""
        sound_s = diarization.duration
        try:
            return cls(sound_s=sound_s, voiceprint=one_voice(diarization, needed_s=0.0)[1])
        except SeveralSpeakers:
            most = one_voice(diarization, needed_s=0.0, refuse_others=False)[1]
            return cls(sound_s=sound_s, voiceprint=most, several=True)
        except TooLittleSpeech:
            return cls(sound_s=sound_s, voiceprint=None)

    def to_bytes(self) -> bytes:
        """What `from_bytes` takes. It holds a voiceprint: to be sealed wherever it is kept."""
        assert self.voiceprint is not None
        known = {
            "sound_s": self.sound_s,
            "voiceprint": self.voiceprint.to_base64(),
            "several": self.several,
        }
        return json.dumps(known).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What was written by `to_bytes`; raises `VoiceprintError` as `Voiceprint.from_base64`."""
        known = json.loads(data)
        known["voiceprint"] = Voiceprint.from_base64(known["voiceprint"])
        return cls(**known)
