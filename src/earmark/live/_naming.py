"""Who the speakers of a session are: voiceprints as there is more to make them of, and names."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TypeVar

from earmark.errors import EarmarkError
from earmark.live._config import Recognizer
from earmark.live._events import Identity
from earmark.live._voices import SpeakerOf, Voices
from earmark.models import Asking
from earmark.voiceprints import Voiceprint, VoiceprintMaker

__all__ = ["Naming"]

V = TypeVar("V")

_MILESTONES_S = (1.5, 3.0, 5.0, 8.0, 12.0, 20.0, 30.0)
_LEAST_S = 0.2  # of speech that a voiceprint is made from, when there is no more to come

_log = logging.getLogger("earmark.live")


class Naming:
    """Voiceprints of the labels, and who they are, found out again at milestones of clean speech.

    ``voiceprints`` and ``identities`` are replaced, never changed: any thread may read them.
    """

    def __init__(self, maker: VoiceprintMaker, recognizer: Recognizer | None) -> None:
        self.voices = Voices(maker)
        self.voiceprints: Mapping[str, Voiceprint] = {}
        self.identities: Mapping[str, Identity | None] = {}
        self._recognizer = recognizer
        self._made_of: dict[str, float] = {}  # net seconds that the last voiceprint is of

    def look(self, *, everything: bool = False) -> Asking[list[str]]:
        """Make the voiceprints that are due, or all that can be; the labels whose identity is new.

        A label is due when it has passed a milestone since its last voiceprint.
        """
        due = [
            label
            for label, net_s in self.voices.net_s().items()
            if (
                self._differs(label, net_s)
                if everything
                else _milestones(net_s) > _milestones(self._made_of.get(label, 0.0))
            )
        ]
        if not due:
            return []
        made = dict(self.voiceprints)
        for label in due:
            self._made_of[label] = self.voices.net_s()[label]
            voiceprint = yield from self.voices.voiceprint(label)
            if voiceprint is not None:
                made[label] = voiceprint
        self.voiceprints = made
        return self._recognize()

    def reassign(self, start: float, end: float, speaker_of: SpeakerOf) -> None:
        """Turns between two times changed hands: what was heard there is whose it is now."""
        touched = self.voices.reassign(start, end, speaker_of)
        left = self.voices.net_s()
        for label in touched:
            self._made_of.pop(label, None)  # due again
            if label not in left:
                self.voiceprints = _without(self.voiceprints, label)
                self.identities = _without(self.identities, label)

    def close(self) -> None:
        """Let go of the speech; what was found out stays."""
        self.voices.close()
        self._recognizer = None

    def name(self, label: str) -> str | None:
        """The name of who the label is, once identified."""
        identity = self.identities.get(label)
        return None if identity is None else identity.name

    def _differs(self, label: str, net_s: float) -> bool:
        """Whether a voiceprint would be of other speech than the last one, and not of less."""
        made_of = self._made_of.get(label, 0.0)
        if label in self.voices.forgotten and net_s < made_of:
            return False
        return net_s >= _LEAST_S and net_s != made_of

    def _recognize(self) -> list[str]:
        if self._recognizer is None:
            return []
        try:
            answer = self._recognizer(self.voiceprints)
        except EarmarkError as error:
            _log.warning("The speakers of a live session were not looked up: %s", error)
            return []
        before, self.identities = self.identities, {**self.identities, **answer}
        return [
            label
            for label, identity in answer.items()
            if label not in before or _person(before[label]) != _person(identity)
        ]


def _milestones(net_s: float) -> int:
    return sum(net_s >= each for each in _MILESTONES_S)


def _person(identity: Identity | None) -> str | None:
    return None if identity is None else identity.speaker_id


def _without(values: Mapping[str, V], label: str) -> dict[str, V]:
    return {each: value for each, value in values.items() if each != label}
