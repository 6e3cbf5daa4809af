"""A look at the newest five seconds: who speaks, before the full evidence is there.

The segmentation finds runs of talk. A run that goes on from look to look stays its speaker's, and
so does one of the same voice to the segmentation; an embedding of its clean speech checks that as
soon as there is enough of it, and again while it goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from earmark.diarization.parts import (
    CLASS_SPEAKERS,
    FRAME_S,
    FRAME_SAMPLES,
    FRAME_START_S,
    LOCAL_SPEAKERS,
    FilterLine,
    Models,
    Parameters,
    hysteresis,
    runs,
    without_flicker,
)
from earmark.live._book import Piece, label_of
from earmark.live._changes import CleanSpeech
from earmark.live._people import People
from earmark.models import Ask, Asking
from earmark.voiceprints import EmbeddingNetwork, pool

__all__ = ["LOOK_SAMPLES", "Looks"]

Float = NDArray[np.float32]
Int = NDArray[np.int64]

_LOOK_FRAMES = 296
LOOK_SAMPLES = _LOOK_FRAMES * FRAME_SAMPLES
_PAIR = CLASS_SPEAKERS.sum(axis=1) > 1
_NETWORK = "campplus"

_NEWEST = 180  # frames at the end of a look in which it decides what is told
_PAUSE = 18  # frames of silence that do not end a run
_STEADY = 0.2  # share of a run that must be known from the look before to be the same
_KEPT_S = 8.0  # runs that ended later are remembered
_ENDED_S = 0.25  # after so much silence a run does not go on

_SPEECH_ON = 0.7  # speech is a stretch above `_SPEECH_OFF` that passes this somewhere
_SPEECH_OFF = 0.4

_DUE_S = (0.6, 1.2)  # clean speech of a run after which it is embedded, ...
_DUE_STEP_S = 1.0  # ... and each so much more, ...
_DUE_SPLIT_S = 0.6  # ... which is less when the voice has just changed
_EMBEDDED_S = 1.6  # the newest of it that is
_NEW_S = 1.2  # clean speech from which somebody may be new
_SURE = 0.05  # how much more than what is asked shows speech that tells what a voice is like
_OTHER = 0.15  # how much less alike a voice is that the segmentation holds for another one
_KEEP = 0.10  # how much nearer another voice must be than the one that a run has ...
_LEAN = 0.05  # ... or is believed to have
_STAY = 0.03  # how much less is asked of a run to be whose it is


@dataclass(slots=True, eq=False)
class _Run:
    """Somebody's talk without a pause: frames ``first`` to ``last`` (behind).

    A run in which the voice changes is ``closed``, and another one ``split`` from it goes on.
    """

    first: int
    last: int
    speaker: int | None = None
    sure: bool = False  # an embedding has told the speaker
    due: float = _DUE_S[0]
    split: bool = False
    closed: bool = False
    told: int = 0  # frames before this one were given as clean speech


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A run within a look, of its ``local`` speaker; ``clean`` bool [frames]."""

    local: int
    first: int
    last: int
    clean: NDArray[np.bool_] = field(repr=False)


class Looks:
    """What is told of the newest sound, look by look. Frames are those of the session."""

    def __init__(
        self, models: Models, parameters: Parameters, people: People, filters: FilterLine
    ) -> None:
        self._models = models
        self._filters = filters
        self._parameters = parameters
        self._people = people
        self._runs: list[_Run] = []
        self._end = 0
        self.speech_until = 0.0  # seconds: the last speech that was seen ...
        self.speech_since = 0.0  # ... and the beginning of it

    def look(self, window: Float, end: int) -> Asking[list[CleanSpeech]]:
        """Look at ``window``, which ends at frame ``end``; returns speech that is clean."""
        first = (end - _LOOK_FRAMES) * FRAME_SAMPLES
        probabilities = yield self._filters.ask(window, first)
        begin, self._end = end - _LOOK_FRAMES, end
        seen = self._seen(probabilities)
        pairs = self._match(seen, begin)
        clean: list[CleanSpeech] = []
        for one, run in pairs:
            if run.speaker is None:
                run.speaker = self._same_voice(one, run, pairs)
            others = {b.speaker for a, b in pairs if a.local != one.local and b.sure}
            clean += yield from self._identify(one, run, others, window, begin)
        return clean

    def forget(self, until: float) -> None:
        """Let go of runs that ended before ``until`` seconds, and long ago."""
        oldest = min(until, _time(self._end) - _KEPT_S)
        self._runs = [run for run in self._runs if _time(run.last) > oldest]

    def pieces(self, since: float) -> list[Piece]:
        """The talk behind ``since`` (seconds); that of nobody in particular is left out."""
        now = _time(self._end)
        found = []
        for run in self._runs:
            start, end = max(_time(run.first), since), _time(run.last)
            if run.speaker is not None and end - start > self._parameters.shortest * FRAME_S / 2:
                found.append(
                    Piece(
                        start=start,
                        end=end,
                        speaker=run.speaker,
                        settled=False,
                        going=now - end < _ENDED_S,
                    )
                )
        return found

    def correct(self, settled: list[Piece], until: float) -> None:
        """Take over who speaks in runs that have been settled in part, up to ``until`` seconds."""
        for run in self._runs:
            begin = _time(run.first)
            shared: dict[int, float] = {}
            for piece in settled:
                both = min(piece.end, until, _time(run.last)) - max(piece.start, begin)
                if both > 0:
                    shared[piece.speaker] = shared.get(piece.speaker, 0.0) + both
            if shared:
                best = max(shared, key=lambda speaker: shared[speaker])
                if shared[best] > max(0.5, (_time(run.last) - begin) / 2):
                    run.speaker, run.sure = best, True

    def relabel(self, source: int, target: int) -> None:
        """One speaker was another."""
        for run in self._runs:
            if run.speaker == source:
                run.speaker = target

    def _seen(self, probabilities: Float) -> list[_Seen]:
        """The runs of a look."""
        wanted = self._parameters
        speech = hysteresis(1 - probabilities[:, 0], _SPEECH_ON, _SPEECH_OFF)
        overlap = np.asarray(probabilities[:, _PAIR].sum(axis=1))
        both = hysteresis(overlap, wanted.overlap_on, wanted.overlap_off) & speech
        activity = probabilities @ CLASS_SPEAKERS
        rank = np.argsort(np.argsort(-activity, axis=1, kind="stable"), axis=1, kind="stable")
        talkers = speech.astype(np.int64) + both
        active = (rank < talkers[:, None]) & (activity > 0.02)
        active = without_flicker(active, wanted.shortest)
        self._note_speech(np.asarray(active.any(axis=1)))
        alone = active.sum(axis=1) == 1
        seen = []
        for local in range(LOCAL_SPEAKERS):
            turns: list[list[int]] = []
            for first, last in runs(active[:, local]).tolist():
                pause = first - turns[-1][1] if turns else _PAUSE
                if pause < _PAUSE and not active[turns[-1][1] : first].any():
                    turns[-1][1] = last
                else:
                    turns.append([first, last])
            for first, last in turns:
                clean = np.zeros(len(active), np.bool_)
                clean[first:last] = alone[first:last] & active[first:last, local]
                seen.append(_Seen(local, first, last, clean))
        return seen

    def _note_speech(self, speech: NDArray[np.bool_]) -> None:
        found = runs(speech)
        if len(found):
            first, last = found[-1].tolist()
            begin = self._end - _LOOK_FRAMES
            self.speech_until = _time(begin + last)
            self.speech_since = _time(begin + first)

    def _match(self, seen: list[_Seen], begin: int) -> list[tuple[_Seen, _Run]]:
        """Each run that is seen with the one that is remembered; what is not seen is gone."""
        pairs = []
        for i, one in enumerate(seen):
            for j, run in enumerate(self._runs):
                shared = min(one.last + begin, run.last) - max(one.first + begin, run.first)
                if shared > 0 and not run.closed:
                    pairs.append((-shared, i, j))
        matched: dict[int, int] = {}
        for _, i, j in sorted(pairs):
            if i not in matched and j not in matched.values():
                matched[i] = j
        newest = begin + _LOOK_FRAMES - _NEWEST
        gone = [
            run
            for j, run in enumerate(self._runs)
            if j not in matched.values() and run.first >= newest and not run.closed
        ]
        found = []
        for i, one in enumerate(seen):
            first, last = one.first + begin, one.last + begin
            if i in matched:
                run = self._runs[matched[i]]
                if first >= newest and not run.split:
                    run.first = first
                if max(last, run.last) > newest:
                    run.last = last
            elif last > newest:
                run = _Run(first, last)
                self._runs.append(run)
            else:
                continue
            found.append((one, run))
        self._runs = [run for run in self._runs if run not in gone and run.last > run.first]
        return [(one, run) for one, run in found if run in self._runs]

    def _same_voice(self, one: _Seen, run: _Run, pairs: list[tuple[_Seen, _Run]]) -> int | None:
        """The speaker of the nearest other run of the same voice in the look.

        Without one, who spoke last of those who do not speak at the same time.
        """
        others = [
            (abs(other.first - one.last), before.speaker)
            for other, before in pairs
            if other is not one and other.local == one.local and before.speaker is not None
        ]
        if others:
            return min(others)[1]
        earlier = [
            (before.last, before.speaker)
            for before in self._runs
            if before.speaker is not None and before.last < run.first + _PAUSE
        ]
        return max(earlier)[1] if earlier else None

    def _identify(
        self, one: _Seen, run: _Run, others: set[int | None], window: Float, begin: int
    ) -> Asking[list[CleanSpeech]]:
        """Embed what is clean of a run, if enough has come, and see who it is.

        ``others`` are the speakers of other voices in the look.
        """
        unseen = max(0, one.first + begin - run.first)  # frames that the look does not reach
        clean = one.clean.copy()
        clean[: max(0, run.first - begin)] = False  # before that it was somebody else
        total_s = (float(clean.sum()) + unseen) * FRAME_S
        if total_s < run.due or one.last < _LOOK_FRAMES - 90:
            return []
        run.due = next((due for due in _DUE_S if due > total_s), total_s + _DUE_STEP_S)
        stretches = _newest(clean, round(_EMBEDDED_S / FRAME_S))
        seconds = float((stretches[:, 1] - stretches[:, 0]).sum()) * FRAME_S
        if seconds < _DUE_S[0] / 2:
            return []
        vector = yield from self._embed(window, stretches)
        before = run.speaker
        speaker, sure = self._decide(before if run.sure else None, before, others, vector, seconds)
        if before not in (None, speaker) and run.sure and stretches[0, 0] + begin > run.first + 30:
            place = int(stretches[0, 0]) + begin
            self._runs.append(replace(run, last=place, closed=True))
            run.first, run.split = place, True
            run.due = seconds + _DUE_SPLIT_S
        run.speaker, run.sure = speaker, run.sure or sure
        if run.speaker is None or not run.sure:
            return []
        given = []
        for first, last in stretches.tolist():
            start = max(first + begin, run.told)
            if (last + begin - start) * FRAME_S > 0.3:
                given.append(_clean(run.speaker, start, last + begin))
        run.told = max(run.told, int(stretches[-1, 1]) + begin)
        return given

    def _decide(
        self,
        own: int | None,
        guess: int | None,
        others: set[int | None],
        vector: Float,
        seconds: float,
    ) -> tuple[int | None, bool]:
        """Whose voice ``vector`` of so much speech is, and whether that is sure.

        ``own`` is whose it was so far, ``guess`` whose it may be, and of ``others`` it hardly is.
        """
        alike = {number: float(vector @ voice) for number, voice in self._people.voices.items()}
        if not alike:
            return self._people.add(vector, seconds), seconds >= _NEW_S
        cosine = {
            number: value - (_OTHER if number in others and number != own else 0.0)
            for number, value in alike.items()
        }
        best: int = max(cosine, key=lambda number: (cosine[number], -number))
        for known, margin in ((own, _KEEP), (guess, _LEAN)):
            if known is not None and cosine.get(known, -1.0) > cosine[best] - margin:
                best = known
                break
        asked = self._people.asked(best, seconds, alike) - (_STAY if best == own else 0.0)
        if seconds >= _NEW_S and alike[best] < asked and not self._people.full():
            return self._people.add(vector, seconds), True
        if seconds >= _NEW_S and alike[best] >= asked + _SURE:
            self._people.hear(best, vector, seconds)
        return best, seconds >= _NEW_S and alike[best] >= asked

    def _embed(self, window: Float, stretches: Int) -> Asking[Float]:
        pieces = []
        for first, last in stretches.tolist():
            # A frame looks at what comes behind its index.
            start = round((first * FRAME_S + FRAME_START_S) * 16000)
            stop = round((last * FRAME_S + FRAME_START_S) * 16000) + 240
            pieces.append(self._models.features(window[start : min(stop, len(window))]))
        frames = yield Ask(network=_NETWORK, values=np.concatenate(pieces))
        sums = pool(frames, np.array([[0, 0, len(frames)]]), 1)
        vector: Float = self._network.embed(sums)[0]
        return vector

    @property
    def _network(self) -> EmbeddingNetwork:
        return self._models.networks[self._models.probed]


def _newest(clean: NDArray[np.bool_], most: int) -> Int:
    """The last stretches of ``clean`` frames, ``most`` of them at most, none very short."""
    found = [each for each in runs(clean).tolist() if each[1] - each[0] >= 6]
    chosen: list[list[int]] = []
    for first, last in reversed(found):
        if most <= 6:
            break
        chosen.append([max(first, last - most), last])
        most -= chosen[-1][1] - chosen[-1][0]
    return np.array(chosen[::-1], np.int64).reshape(-1, 2)


def _clean(speaker: int, first: int, last: int) -> CleanSpeech:
    return CleanSpeech(
        speaker=label_of(speaker),
        start=round(_time(first), 3),
        end=round(_time(last), 3),
        confirmed=False,
    )


def _time(frame: int) -> float:
    return max(0.0, frame * FRAME_S + FRAME_START_S)
