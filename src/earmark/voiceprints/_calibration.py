"""What a cosine of two voiceprints means: log-likelihood ratios, probabilities and thresholds.

The same cosine says more of two short recordings than of two long ones: what a short one happens to
say pulls its voiceprint away from its speaker's. If that falls with the speech's length, the cosine
shrinks by ``sqrt(n / (n + h))`` on each side, with ``n`` seconds of net speech and a constant h.
The product ``r`` of both is how much of the voices can be seen at all. A telephone changes more:
two strangers on the telephone sound more alike than two elsewhere, and nobody sounds like
themselves once with and once without one. A linear function of the vector tells how much of a
telephone is in it (0..1), of which ``both``, the mean of the two sides, and ``apart``, how far they
differ, go into the score::

    LLR = slope(r) * cosine + offset(r) + both * (b0 + b1 * r) + apart * (a0 + a1 * r)

with ``slope(r) = s1 * r + s2 * r²`` and ``offset`` quadratic in r: linear logistic calibration with
quality measures (Brümmer et al., "Fusion of heterogeneous speaker recognition systems", 2007;
Mandasari et al., "Quality measure functions for calibration of speaker recognition systems in
various duration conditions", 2013). The parameters come from ``scripts/train_calibration.py`` and
stand in ``calibration.json`` with their provenance; `earmark calibrate` makes others.
"""

from __future__ import annotations

import json
import math
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.errors import InvalidInput, InvalidOption
from earmark.settings import Settings
from earmark.voiceprints._voiceprint import DEFAULT_MODEL, DIMENSIONS, Voiceprint, require_model

__all__ = ["Calibration", "Sound"]

_SCHEMA = "earmark.calibration/1"

Double = NDArray[np.float64]

_LONGEST_S = 600.0  # of net speech; more says nothing more
_LEAST_MEAN = 1e-3  # length of a mean of unit vectors that still has a direction of its own
_SCORE = {"slope": 2, "offset": 3, "both": 2, "apart": 2}
_COUNTS = _SCORE | {"telephone": DIMENSIONS + 1}  # of numbers


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sound:
    """What of voiceprints counts beside their directions, float64 [n].

    ``clarity`` is how much of the voice their speech shows, ``telephone`` how much of a telephone
    is in it; both 0..1.
    """

    clarity: Double
    telephone: Double

    def __getitem__(self, chosen: Any) -> Sound:
        return Sound(clarity=self.clarity[chosen], telephone=self.telephone[chosen])


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """From cosines of voiceprints of ``model`` to log-likelihood ratios (LLR, natural logarithm).

    ``half_s`` is h above, in seconds; ``slope`` holds the coefficients of r and r², ``offset`` of
    1, r and r², ``both`` and ``apart`` of 1 and r. ``telephone`` has a weight for each number of a
    voiceprint and, last, a constant. ``strangers`` are points (LLR, rate), ascending by LLR: the
    share of comparisons of two different people that reach this LLR. ``provenance`` says what it
    was made from.

    Raises `InvalidInput` for parameters that no cosine can be calibrated with.
    """

    half_s: float
    slope: tuple[float, ...]
    offset: tuple[float, ...]
    both: tuple[float, ...]
    apart: tuple[float, ...]
    telephone: tuple[float, ...] = field(repr=False)
    strangers: tuple[tuple[float, float], ...]
    model: str = DEFAULT_MODEL
    provenance: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name, count in _COUNTS.items():
            if len(getattr(self, name)) != count:
                raise InvalidInput(f"A calibration has {count} numbers for {name}.")
        if any(len(point) != 2 for point in self.strangers):
            raise InvalidInput("A calibration's strangers are points of two numbers.")
        numbers = [self.half_s, *np.ravel(self.strangers)]
        numbers += [each for name in _COUNTS for each in getattr(self, name)]
        if not np.isfinite(numbers).all() or self.half_s <= 0:
            raise InvalidInput("A calibration's numbers must be finite, and half_s above 0.")
        if min(self.slope[0], sum(self.slope)) <= 0:
            raise InvalidInput("A calibration's slope must be above 0 for any length of speech.")
        llr, rate = self._tail
        falling = (np.diff(llr) > 0).all() and (np.diff(rate) < 0).all()
        if len(llr) < 2 or not falling or not (rate.min() > 0 and rate.max() <= 1):
            raise InvalidInput(
                "A calibration's strangers are two points or more, whose rates, above 0 and at"
                " most 1, fall as their LLR rises."
            )

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """The calibration in a file, or the one that comes with Earmark.

        Raises `InvalidInput` when the file cannot be read or holds none.
        """
        if path is None:
            text = files("earmark.voiceprints").joinpath("calibration.json").read_text("utf-8")
            return cls.from_json(text)
        try:
            return cls.from_json(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InvalidInput(f"Cannot read the calibration {path}: {error.strerror}.") from error
        except (UnicodeDecodeError, InvalidInput) as error:
            raise InvalidInput(
                f"{path} holds no usable calibration: {error} Make one with `earmark calibrate`."
            ) from error

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The calibration that the settings name. Raises `InvalidInput` when it is unusable."""
        return cls.load(settings.calibration)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote. Raises `InvalidInput` for anything else."""
        try:
            stored = json.loads(text)
        except ValueError as error:
            raise InvalidInput(f"It is not JSON ({error}).") from error
        if not isinstance(stored, dict) or stored.get("schema") != _SCHEMA:
            raise InvalidInput(f'It does not say "schema": "{_SCHEMA}".')
        if stored.get("model") != DEFAULT_MODEL:
            raise InvalidInput(
                f"It is for voiceprints of model {stored.get('model')}, not {DEFAULT_MODEL}."
            )
        try:
            slope, offset, both, apart, telephone = (
                tuple(map(float, stored[name])) for name in _COUNTS
            )
            return cls(
                half_s=float(stored["half_s"]),
                slope=slope,
                offset=offset,
                both=both,
                apart=apart,
                telephone=telephone,
                strangers=tuple((float(llr), float(rate)) for llr, rate in stored["strangers"]),
                provenance=dict(stored.get("provenance", {})),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"A number is missing or is none ({error}).") from error

    def to_json(self) -> str:
        """A small document that people can read and `load` takes."""
        weights = textwrap.fill(json.dumps(self.telephone), 96, subsequent_indent="    ")
        points = ",\n    ".join(json.dumps(point) for point in self.strangers)
        provenance = json.dumps(dict(self.provenance), indent=2, ensure_ascii=False)
        lines = [
            f'"schema": {json.dumps(_SCHEMA)}',
            f'"model": {json.dumps(self.model)}',
            f'"half_s": {self.half_s}',
            *(f'"{name}": {json.dumps(getattr(self, name))}' for name in _SCORE),
            f'"strangers": [\n    {points}\n  ]',
            '"provenance": ' + provenance.replace("\n", "\n  "),
            f'"telephone": {weights}',
        ]
        return "{\n  " + ",\n  ".join(lines) + "\n}\n"

    def sound(self, prints: Sequence[Voiceprint]) -> Sound:
        """What of ``prints`` [n], of the default model, counts beside their directions."""
        vectors = np.array([each.vector for each in prints]).reshape(-1, DIMENSIONS)
        return self.sound_of(vectors, [each.net_speech_s for each in prints])

    def sound_of(self, vectors: NDArray[np.float32], net_speech_s: ArrayLike) -> Sound:
        """The same for vectors [n, dim] and seconds of net speech [n]."""
        *weights, constant = self.telephone
        # A plain sum, as products by BLAS may differ in the last bit.
        odds = (vectors * np.asarray(weights)).sum(axis=1) + constant
        return Sound(
            clarity=self.clarity(net_speech_s), telephone=np.exp(-np.logaddexp(0.0, -odds))
        )

    def clarity(self, net_speech_s: ArrayLike) -> Double:
        """How much of a voice so many seconds of net speech show: 0..1, one side of r above."""
        seconds = np.clip(np.asarray(net_speech_s, np.float64), 0.0, _LONGEST_S)
        return np.asarray(np.sqrt(seconds / (seconds + self.half_s)))

    def llr(self, cosine: ArrayLike, a: Sound, b: Sound) -> Double:
        """LLR of "the same voice" against "two voices", natural logarithm.

        ``cosine`` and both sides are broadcast against each other.
        """
        r = a.clarity * b.clarity
        both = (a.telephone + b.telephone) / 2
        apart = np.abs(a.telephone - b.telephone)
        slope = (self.slope[1] * r + self.slope[0]) * r
        offset = (self.offset[2] * r + self.offset[1]) * r + self.offset[0]
        for amount, (constant, linear) in ((both, self.both), (apart, self.apart)):
            offset += amount * (linear * r + constant)
        return np.asarray(slope * np.asarray(cosine, np.float64) + offset)

    def compare(self, a: Sequence[Voiceprint], b: Sequence[Voiceprint]) -> Double:
        """The LLR of every voiceprint of ``a`` against every one of ``b``: [len(a), len(b)].

        Raises `ForeignVoiceprint` when one is not of the default model.
        """
        for each in (*a, *b):
            require_model(each)
        if not a or not b:
            return np.zeros((len(a), len(b)))
        rows, columns = (np.stack([p.vector for p in side]).astype(np.float64) for side in (a, b))
        cosines = np.stack([(rows * column).sum(axis=1) for column in columns], axis=1)
        return self.llr(np.clip(cosines, -1, 1), self.sound(a)[:, None], self.sound(b)[None])

    def merge(self, prints: Sequence[Voiceprint]) -> Voiceprint:
        """All voiceprints of one person as one: their mean, weighted by clarity squared.

        Longer ones count for more, but not so much that one long recording drowns the sound of all
        others. Where they point away from each other and have no mean, the clearest stands for
        all, so that nobody's voiceprints spoil a search among many. Raises `InvalidInput` when
        there is none, `ForeignVoiceprint` when one is not of the default model.
        """
        if not prints:
            raise InvalidInput("A person without a voiceprint cannot be searched for.")
        for each in prints:
            require_model(each)
        if len(prints) == 1:
            return prints[0]
        weights = np.maximum(self.clarity([each.net_speech_s for each in prints]) ** 2, 1e-6)
        vectors = np.stack([each.vector for each in prints]).astype(np.float64)
        merged = (weights[:, None] * vectors).sum(axis=0)
        if np.linalg.norm(merged) < _LEAST_MEAN * weights.sum():
            merged = vectors[weights.argmax()]
        seconds = sum(each.net_speech_s for each in prints)
        return Voiceprint(
            vector=merged.astype(np.float32),
            model=DEFAULT_MODEL,
            net_speech_s=min(seconds, sys.float_info.max),  # a sum may pass all numbers
        )

    def probability(self, llr: ArrayLike, prior: float = 0.5) -> Double:
        """The probability, 0..1, of the same voice, which had probability ``prior`` before."""
        if not 0 < prior < 1:
            raise InvalidOption(f"A prior probability lies between 0 and 1, not at {prior}.")
        odds = np.asarray(llr, np.float64) + math.log(prior / (1 - prior))
        return np.asarray(np.exp(-np.logaddexp(0.0, -odds)))

    def threshold(self, false_accept_rate: float, *, candidates: int = 1) -> float:
        """The LLR that a stranger reaches at most so often (0..1, not 0) in one search.

        A search compares with ``candidates`` people: each of them may be taken for the stranger,
        so that the rate of a single comparison is ``false_accept_rate / candidates`` (the union
        bound). Rates between the measured ones are interpolated on a logarithmic scale; below
        them the tail goes on as a straight line.

        Raises `InvalidOption` when a number is out of range.
        """
        if not 0 < false_accept_rate <= 1:
            raise InvalidOption(
                f"A false-accept rate is above 0 and at most 1, not {false_accept_rate}."
            )
        if candidates < 1:
            raise InvalidOption(f"A search compares with one person or more, not {candidates}.")
        wanted = math.log(false_accept_rate / candidates)
        llr, rate = self._tail
        log_rate = np.log(rate)
        if wanted >= log_rate[-1]:
            return float(np.interp(-wanted, -log_rate, llr))
        # Straight through the last decade, which is above a tail that falls ever faster.
        first = int(np.searchsorted(-log_rate, -log_rate[-1] - math.log(10.0)))
        first = min(first, len(llr) - 2)
        steepness = (log_rate[-1] - log_rate[first]) / (llr[-1] - llr[first])
        return float(llr[-1] + (wanted - log_rate[-1]) / steepness)

    @property
    def _tail(self) -> tuple[Double, Double]:
        points = np.asarray(self.strangers, np.float64).reshape(-1, 2)
        return points[:, 0], points[:, 1]
