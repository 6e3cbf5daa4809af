"""What the speakers of a session sound like, from the stretches in which each is heard alone.

Speech is kept until five seconds of one speaker have come together, then as what the networks made
of it. What is only provisional counts as long as nothing is confirmed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from earmark.live._changes import CleanSpeech
from earmark.models import Asking
from earmark.voiceprints import Heard, Voiceprint, VoiceprintMaker

__all__ = ["SpeakerOf", "Voices"]

Float = NDArray[np.float32]
Span = tuple[float, float]

SpeakerOf = Callable[[Sequence[Span]], str | None]
"""The label that speaks most of some stretches, or None."""

_RATE = 16_000
_KEPT_S = 30.0  # of sound, in which what is told lies
_WINDOW_S = 5.0
_SHORTEST_S = 0.3  # shorter stretches say little
_MOST_S = 30.0  # of speech per speaker: more brings next to nothing
_MOST_SPEAKERS = 16  # whose speech is kept, a third of a megabyte each


@dataclass(slots=True, eq=False)
class _Piece:
    """A stretch of sound."""

    start: float
    end: float
    sound: NDArray[np.int16]

    @property
    def spans(self) -> list[Span]:
        return [(self.start, self.end)]

    def outside(self, start: float, end: float) -> list[_Piece]:
        """What is left of it without the sound between two times."""
        if end <= self.start or start >= self.end:
            return [self]
        left = [(self.start, start), (end, self.end)]
        return [
            _Piece(
                a, b, self.sound[round((a - self.start) * _RATE) : round((b - self.start) * _RATE)]
            )
            for a, b in left
            if b - a >= _SHORTEST_S
        ]


@dataclass(slots=True, eq=False)
class _Window:
    """What the networks made of a window, and when its pieces were heard."""

    spans: list[Span]
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
        self._sound = np.zeros(0, np.int16)  # the newest, in half the room of float32
        self._end = 0  # of it, in samples of the session
        self._voices: dict[str, _Voice] = {}  # who spoke last comes last
        self.forgotten: set[str] = set()
        """Labels whose earlier speech made room for that of others."""

    def hear(self, samples: Float, end: int) -> None:
        """Keep samples at hand that end at this one of the session; some may be known already."""
        samples = samples[max(0, len(samples) - (end - self._end)) :]
        scaled = np.minimum(np.rint(samples * np.float32(2.0**15)), 32767).astype(np.int16)
        self._sound = np.concatenate([self._sound, scaled])[-round(_KEPT_S * _RATE) :]
        self._end += len(samples)

    def add(self, speech: CleanSpeech) -> None:
        """Take in a stretch of what was heard lately."""
        voice = self._voices.pop(speech.speaker, None) or _Voice()
        self._voices[speech.speaker] = voice
        while len(self._voices) > _MOST_SPEAKERS:
            longest_ago = next(iter(self._voices))
            del self._voices[longest_ago]
            self.forgotten.add(longest_ago)
        if speech.confirmed:
            self._drop_provisional(speech.end)
        else:
            self._cut_provisional(speech.start, speech.end)
        if voice.confirmed_s >= _MOST_S:
            return
        target = voice.pieces if speech.confirmed else voice.provisional
        start = speech.start
        while speech.end - start >= _SHORTEST_S:
            end = min(speech.end, start + _WINDOW_S)
            if piece := self._piece(start, end):
                target.append(piece)
            start = end

    def reassign(self, start: float, end: float, speaker_of: SpeakerOf) -> set[str]:
        """Give what was heard between two times to whose it is now; who lost or got something."""
        touched: set[str] = set()
        for label, voice in list(self._voices.items()):
            for name in ("windows", "pieces", "provisional"):
                kept = []
                for each in getattr(voice, name):
                    here = any(a < end and b > start for a, b in each.spans)
                    now = speaker_of(each.spans) if here else label
                    if now == label:
                        kept.append(each)
                        continue
                    touched.add(label)
                    if now is not None:
                        touched.add(now)
                        getattr(self._voices.setdefault(now, _Voice()), name).append(each)
                setattr(voice, name, kept)
        for label in touched & set(self._voices):
            if not self._voices[label].net_s:
                del self._voices[label]
        return touched

    def close(self) -> None:
        """Let go of all speech."""
        self._sound = np.zeros(0, np.int16)
        self._voices.clear()

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
        return _Piece(start, end, self._sound[first:last].copy())

    def _drop_provisional(self, until: float) -> None:
        """Forget what was provisional up to where something is confirmed."""
        for voice in self._voices.values():
            voice.provisional = [each for each in voice.provisional if each.start >= until]

    def _cut_provisional(self, start: float, end: float) -> None:
        """Forget what was provisional between two times: it is told again, or otherwise."""
        for voice in self._voices.values():
            voice.provisional = [
                part for each in voice.provisional for part in each.outside(start, end)
            ]


def _seconds(pieces: list[_Piece]) -> float:
    return sum(each.end - each.start for each in pieces)


def _take(pieces: list[_Piece]) -> list[_Piece]:
    """Take pieces, the oldest first, that make a window."""
    taken: list[_Piece] = []
    while _seconds(taken) < _WINDOW_S:
        taken.append(pieces.pop(0))
    return taken
