"""Traits while sound comes in, piece by piece; files go the same way with longer hops."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from earmark.models import Asking
from earmark.traits._answers import SILENT, gender_trait, shares, sound_trait
from earmark.traits._gender import Gender
from earmark.traits._line import Line
from earmark.traits._model import Trait, TraitKind, TraitOptions, TraitReport
from earmark.traits._models import TraitModels
from earmark.traits._sounds import FRAMES_PER_S, STEP, frames_in
from earmark.traits._voice import Voice, hear_speech

__all__ = ["TraitTracker"]

Float = NDArray[np.float32]

_RATE = 16_000
_BLOCK = 64  # samples of which the loudness is kept: 4 ms
_HOP = 8192  # samples from one look at the sound to the next: 0.512 s
_SHORT_HOP = 2048  # where less delay is asked for
_VOICE_HOP = 16_384  # from one look at the voice to the next
_VOICE_STRETCHES = 3  # of them, that gender is told from
_VOICE_PAST = 8_192  # samples that the network sees of what was before
_PAST = 0.8  # seconds that the detector is shown of what was before ...
_AHEAD = 0.4  # ... and of what follows, where time is
_AROUND = 1.5  # seconds at least that `speech` is about, if need be around the period


class TraitTracker:
    """The traits of one stream of sound; for one thread at a time.

    Its work is driven as `Ask` says. What it reports is a function of the samples alone, however
    they were cut into pieces (and of where it was flushed). A report comes as soon as all that was
    asked for is known: ``speech-rt`` at the end of its period or, for periods shorter than 0.5 s,
    up to 0.13 s later; ``gender`` up to 1 s after that of periods that are no multiple of 1.024 s;
    ``speech`` 1 to 1.5 s after it. ``hop`` is how many samples are looked at together: longer ones
    cost less and come later. Reports carry no speaker.
    """

    def __init__(
        self, models: TraitModels, options: TraitOptions, *, hop: int | None = None
    ) -> None:
        self._models, self._options = models, options
        short = TraitKind.SPEECH_RT in options.kinds and options.period_s * _RATE < _HOP
        self._hop = hop or (_SHORT_HOP if short else _HOP)
        self._period = max(1, round(options.period_s * _RATE / _BLOCK)) * _BLOCK
        margin = max(0.0, _AROUND - self._period / _RATE) / 2
        self._margin = round(margin * FRAMES_PER_S) if TraitKind.SPEECH in options.kinds else 0
        self._ahead = round(_AHEAD * FRAMES_PER_S) if TraitKind.SPEECH in options.kinds else 0
        self._samples, self._energy = Line(), Line()
        self._instant, self._settled = Line(3), Line(3)
        self._heard_to = 0  # the sample up to which everything has been looked at
        self._voice = Voice(models, _VOICE_STRETCHES)
        self._voice_to = 0
        self._genders: list[tuple[int, Gender | None]] = []
        self._reported = 0  # periods

    def step(self, samples: Float) -> Asking[list[TraitReport]]:
        """Take in samples [n] at 16 kHz, of any number, and report what is known now."""
        self._samples.append(np.asarray(samples, np.float32))
        while (hop_end := (self._heard_to // self._hop + 1) * self._hop) <= self._samples.end:
            yield from self._listen(hop_end, last=False)
        return list(self._reports(over=False))

    def flush(self) -> Asking[list[TraitReport]]:
        """Report the periods that are over, with what is known of them now."""
        end = self._samples.end // _BLOCK * _BLOCK
        if end > self._heard_to:
            yield from self._listen(end, last=True)
        return list(self._reports(over=True))

    def finish(self) -> Asking[list[TraitReport]]:
        """Report the rest; there is no more sound. The last period may be shorter."""
        reports = yield from self.flush()
        end, start = self._samples.end, self._reported * self._period
        if end > start:
            reports.append(self._report(start, end))
            self._reported += 1
        return reports

    def _listen(self, end: int, *, last: bool) -> Asking[None]:
        """Look at the samples up to ``end``; with ``last`` nothing is known of what follows."""
        blocks = self._samples.cut(self._heard_to, end).reshape(-1, _BLOCK)
        self._energy.append(np.square(blocks, dtype=np.float64).mean(axis=1).astype(np.float32))
        first = max(0, self._settled.end - round(_PAST * FRAMES_PER_S))
        found = shares(self._models.sounds(self._samples.cut(first * STEP, end)))
        self._instant.append(found[self._instant.end - first :])
        ahead = 0 if last else self._ahead
        settled = found[self._settled.end - first : max(0, len(found) - ahead)]
        self._settled.append(settled)
        self._heard_to = end
        if TraitKind.GENDER in self._options.kinds:
            while (voice_end := (self._voice_to // _VOICE_HOP + 1) * _VOICE_HOP) <= end:
                yield from self._listen_to_voice(voice_end)
            if last and self._voice_to < end:
                yield from self._listen_to_voice(end)
        self._forget()

    def _listen_to_voice(self, end: int) -> Asking[None]:
        start = max(0, self._voice_to - _VOICE_PAST) // STEP * STEP
        samples = self._samples.cut(start, end)
        spoken = self._spoken(start // STEP, start // STEP + frames_in(len(samples))).copy()
        spoken[: (self._voice_to - start) // STEP] = 0  # counted before
        self._voice.add((yield from hear_speech(self._models, samples, spoken)))
        self._voice_to = end
        self._genders.append((end, self._voice.gender()))

    def _spoken(self, start: int, stop: int) -> Float:
        """The share of speech in frames, as far as it is known."""
        settled = self._settled.cut(start, stop)[:, 0]
        rest = self._instant.cut(max(start, self._settled.end), stop)[:, 0]
        return np.concatenate([settled, rest])

    def _reports(self, *, over: bool) -> Iterator[TraitReport]:
        """Those of the periods of which all is known; with ``over``, no more will be."""
        while True:
            start = self._reported * self._period
            end = start + self._period
            if end > self._heard_to:
                return
            if not over and not self._is_known(end):
                return
            yield self._report(start, end)
            self._reported += 1

    def _is_known(self, end: int) -> bool:
        kinds = self._options.kinds
        if TraitKind.SPEECH in kinds and self._settled.end < end // STEP + self._margin:
            return False
        return TraitKind.GENDER not in kinds or self._voice_to >= end

    def _report(self, start: int, end: int) -> TraitReport:
        energy = self._energy.cut(start // _BLOCK, -(-end // _BLOCK))
        volume = float(np.sqrt(energy.mean(dtype=np.float64))) if len(energy) else 0.0
        traits: dict[TraitKind, Trait] = {}
        first, last = start // STEP, end // STEP
        for kind in self._options.kinds:
            if volume < self._options.volume_least:
                traits[kind] = SILENT
            elif kind is TraitKind.GENDER:
                traits[kind] = self._gender(start, end, volume)
            elif kind is TraitKind.SPEECH:
                around = self._settled.cut(first - self._margin, last + self._margin)
                traits[kind] = sound_trait(around, volume)
            else:
                traits[kind] = sound_trait(self._instant.cut(first, last), volume)
        return TraitReport(
            start=start / _RATE, end=end / _RATE, volume=min(1.0, volume), traits=traits
        )

    def _gender(self, start: int, end: int, volume: float) -> Trait:
        # A second at least, so that short pauses do not end it.
        frames = self._instant.cut(min(start, end - _RATE) // STEP, end // STEP)
        known: list[Gender] = []
        for at, gender in self._genders:
            if at > start and gender is not None:
                known.append(gender)
            if at >= end:
                break
        return gender_trait(frames, volume, known)

    def _forget(self) -> None:
        """Let go of what no report and no look will need."""
        start = self._reported * self._period
        frame = min(start, max(0, start + self._period - _RATE)) // STEP - self._margin
        sample = (self._settled.end - round(_PAST * FRAMES_PER_S)) * STEP
        if TraitKind.GENDER in self._options.kinds:
            voice = self._voice_to - _VOICE_PAST - STEP
            frame, sample = min(frame, voice // STEP), min(sample, voice)
        self._instant.forget(frame)
        self._settled.forget(frame)
        self._energy.forget(start // _BLOCK)
        self._samples.forget(sample)
        self._genders = [each for each in self._genders if each[0] > start]
