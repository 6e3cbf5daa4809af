"""What a cosine of two voiceprints means: log-likelihood ratios, probabilities and thresholds.

The same cosine says more of two short recordings than of two long ones: what a short one happens to
say pulls its voiceprint away from its speaker's. If that falls with the speech's length, the cosine
shrinks by ``sqrt(n / (n + h))`` on each side, with ``n`` seconds of net speech and a constant h.
The product ``r`` of both is how much of the voices can be seen at all, and the log-likelihood ratio
is taken as ``slope(r) * cosine + offset(r)``, both quadratic in ``r``: linear logistic calibration
with a quality measure (Brümmer et al., "Fusion of heterogeneous speaker recognition systems", 2007;
Mandasari et al., "Quality measure functions for calibration of speaker recognition systems in
various duration conditions", 2013). The parameters come from ``scripts/train_calibration.py`` and
stand in ``calibration.json`` with their provenance; `earmark calibrate` makes others.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earmark.errors import InvalidInput, InvalidOption
from earmark.settings import Settings
from earmark.voiceprints._voiceprint import DEFAULT_MODEL

__all__ = ["SCHEMA", "Calibration"]

SCHEMA = "earmark.calibration/1"

Double = NDArray[np.float64]

_LONGEST_S = 600.0  # of net speech; more says nothing more


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """From cosines of voiceprints of ``model`` to log-likelihood ratios (LLR, natural logarithm).

    ``half_s`` is h above, in seconds; ``slope`` and ``offset`` are the coefficients of 1, r and r².
    ``strangers`` are points (LLR, rate), ascending by LLR: the share of comparisons of two
    different people that reach this LLR. ``provenance`` says what it was made from.

    Raises `InvalidInput` for parameters that no cosine can be calibrated with.
    """

    half_s: float
    slope: tuple[float, float, float]
    offset: tuple[float, float, float]
    strangers: tuple[tuple[float, float], ...]
    model: str = DEFAULT_MODEL
    provenance: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        numbers = [self.half_s, *self.slope, *self.offset, *np.ravel(self.strangers)]
        if not all(math.isfinite(each) for each in numbers) or self.half_s <= 0:
            raise InvalidInput("A calibration's numbers must be finite, and half_s above 0.")
        if self._quadratic(self.slope, np.linspace(0, 1, 101)).min() <= 0:
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
        if not isinstance(stored, dict) or stored.get("schema") != SCHEMA:
            raise InvalidInput(f'It does not say "schema": "{SCHEMA}".')
        if stored.get("model") != DEFAULT_MODEL:
            raise InvalidInput(
                f"It is for voiceprints of model {stored.get('model')}, not {DEFAULT_MODEL}."
            )
        try:
            slope, offset = (_triple(stored[name]) for name in ("slope", "offset"))
            return cls(
                half_s=float(stored["half_s"]),
                slope=slope,
                offset=offset,
                strangers=tuple((float(llr), float(rate)) for llr, rate in stored["strangers"]),
                provenance=dict(stored.get("provenance", {})),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"A number is missing or is none ({error}).") from error

    def to_json(self) -> str:
        """A small document that people can read and `load` takes."""
        points = ",\n    ".join(json.dumps(point) for point in self.strangers)
        provenance = json.dumps(dict(self.provenance), indent=2, ensure_ascii=False)
        lines = [
            f'  "schema": {json.dumps(SCHEMA)}',
            f'  "model": {json.dumps(self.model)}',
            f'  "half_s": {self.half_s}',
            f'  "slope": {json.dumps(self.slope)}',
            f'  "offset": {json.dumps(self.offset)}',
            f'  "strangers": [\n    {points}\n  ]',
            '  "provenance": ' + provenance.replace("\n", "\n  "),
        ]
        return "{\n" + ",\n".join(lines) + "\n}\n"

    def clarity(self, net_speech_s: ArrayLike) -> Double:
        """How much of a voice so many seconds of net speech show: 0..1, see r above."""
        seconds = np.clip(np.asarray(net_speech_s, np.float64), 0.0, _LONGEST_S)
        return np.asarray(np.sqrt(seconds / (seconds + self.half_s)))

    def line(self, r: Double) -> tuple[Double, Double]:
        """The slope and the offset of the LLR over the cosine, at products ``r`` of clarities."""
        return self._quadratic(self.slope, r), self._quadratic(self.offset, r)

    def llr(self, cosine: ArrayLike, net_speech_a: ArrayLike, net_speech_b: ArrayLike) -> Double:
        """LLR of "the same voice" against "two voices", for cosines and seconds of net speech.

        Natural logarithm; the arguments are broadcast against each other.
        """
        slope, offset = self.line(self.clarity(net_speech_a) * self.clarity(net_speech_b))
        return np.asarray(slope * np.asarray(cosine, np.float64) + offset)

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

    @staticmethod
    def _quadratic(coefficients: Sequence[float], r: Double) -> Double:
        constant, linear, square = coefficients
        return np.asarray((square * r + linear) * r + constant)


def _triple(values: Sequence[float]) -> tuple[float, float, float]:
    constant, linear, square = values
    return float(constant), float(linear), float(square)
