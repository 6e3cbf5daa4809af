"""What the speakers of a session sound like, from the stretches in which each is heard alone.

Speech is kept until five seconds of one speaker have come together, then as what the networks made
of it. What is only provisional counts as long as nothing is confirmed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from earmark.live._changes import CleanSpeech
from earmark.models import Asking
from earmark.voiceprints import Heard, Voiceprint, VoiceprintMaker

__all__ = ["Voices"]

Float = NDArray[np.float32]

_RATE = 16_000
_KEPT_S = 24.0  # of sound, in which what is told lies
_WINDOW_S = 5.0
_SHORTEST_S = 0.3  # shorter stretches say little
_MOST_S = 30.0  # of speech per speaker: more brings next to nothing
_MOST_SPEAKERS = 40  # whose speech is kept


@dataclass(slots=True, eq=False)
class _Piece:
    """A stretch of sound; ``sound`` is int16, half the room of float32."""

    start: float
    end: float
    sound: NDArray[np.int16]


@dataclass(slots=True, eq=False)
class _Window:
    """What the networks made of a window, and when its pieces were heard."""

    spans: list[tuple[float, float]]
    heard: Heard


@dataclass(slots=True, eq=False)
class _Voice:
    """One speaker's speech: confirmed ``windows`` and ``pieces``, and what is ``provisional``."""

    windows: list[_Window] = field(default_factory=list)
    pieces: list[_Piece] = field(default_factory=list)
    provisional: list[_Piece] = field(default_factory=list)

    @property
    def confirmed_s(self) -> float:
        return sum(each.heard.seconds for each in self.windows) + _seconds(self.pieces)

    @property
    def net_s(self) -> float:
        return self.confirmed_s + _seconds(self.provisional)


class Voices:
    """Clean speech of each label, and voiceprints of it. Not for several threads at once."""

    def __init__(self, maker: VoiceprintMaker) -> None:
        self._maker = maker
        self._sound = np.zeros(0, np.float32)  # the newest
        self._end = 0  # of it, in samples of the session
        self._voices: dict[str, _Voice] = {}

    def hear(self, samples: Float) -> None:
        """Keep the next samples at hand."""
        kept = self._sound[-round(_KEPT_S * _RATE) + len(samples) :]
        self._sound = np.concatenate([kept, samples])
        self._end += len(samples)

    def add(self, speech: CleanSpeech) -> None:
        """Take in a stretch of what was heard lately."""
        voice = self._voices.get(speech.speaker)
        if voice is None:
            if len(self._voices) >= _MOST_SPEAKERS:
                return
            voice = self._voices[speech.speaker] = _Voice()
        if speech.confirmed:
            self._drop_provisional(speech.end)
        if voice.confirmed_s >= _MOST_S:
            return
        target = voice.pieces if speech.confirmed else voice.provisional
        start = speech.start
        while speech.end - start >= _SHORTEST_S:
            end = min(speech.end, start + _WINDOW_S)
            if piece := self._piece(start, end):
                target.append(piece)
            start = end

    def move(self, source: str, target: str, start: float, end: float) -> None:
        """What was heard of ``source`` between two times is ``target``'s."""
        voice = self._voices.get(source)
        if voice is None or source == target:
            return
        other = self._voices.setdefault(target, _Voice())

        def moves(spans: list[tuple[float, float]]) -> bool:
            inside = sum(max(0.0, min(b, end) - max(a, start)) for a, b in spans)
            return inside > sum(b - a for a, b in spans) / 2

        for window in [each for each in voice.windows if moves(each.spans)]:
            voice.windows.remove(window)
            other.windows.append(window)
        for own, theirs in (
            (voice.pieces, other.pieces),
            (voice.provisional, other.provisional),
        ):
            for piece in [each for each in own if moves([(each.start, each.end)])]:
                own.remove(piece)
                theirs.append(piece)
        if not (voice.windows or voice.pieces or voice.provisional):
            del self._voices[source]

    def net_s(self) -> dict[str, float]:
        """Seconds of clean speech that a voiceprint would be made of now, by label."""
        return {label: voice.net_s for label, voice in self._voices.items()}

    def voiceprint(self, label: str) -> Asking[Voiceprint | None]:
        """The voiceprint of all clean speech so far; None when there is none."""
        voice = self._voices.get(label)
        if voice is None:
            return None
        while _seconds(voice.pieces) >= _WINDOW_S:
            pieces = _take(voice.pieces)
            heard = yield from self._listen(pieces)
            voice.windows.append(_Window([(each.start, each.end) for each in pieces], heard))
        windows = [each.heard for each in voice.windows]
        if rest := voice.pieces + voice.provisional:
            windows.append((yield from self._listen(rest)))
        return self._maker.make(windows) if windows else None

    def _listen(self, pieces: list[_Piece]) -> Asking[Heard]:
        return self._maker.listen([each.sound * np.float32(2.0**-15) for each in pieces])

    def _piece(self, start: float, end: float) -> _Piece | None:
        """What was heard between two times, if it is still at hand."""
        offset = self._end - len(self._sound)
        first, last = (round(each * _RATE) - offset for each in (start, end))
        if first < 0 or last > len(self._sound):
            return None
        scaled = np.rint(self._sound[first:last] * np.float32(2.0**15))
        sound = np.minimum(scaled, 32767).astype(np.int16)
        return _Piece(start, end, sound)

    def _drop_provisional(self, until: float) -> None:
        """Forget what was provisional up to where something is confirmed."""
        for voice in self._voices.values():
            voice.provisional = [each for each in voice.provisional if each.start >= until]


def _seconds(pieces: list[_Piece]) -> float:
    return sum(each.end - each.start for each in pieces)


def _take(pieces: list[_Piece]) -> list[_Piece]:
    """Take pieces, the oldest first, that make a window."""
    taken: list[_Piece] = []
    while _seconds(taken) < _WINDOW_S:
        taken.append(pieces.pop(0))
    return taken
