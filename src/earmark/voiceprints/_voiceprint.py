"""The voiceprint: what one voice sounds like, as a direction in one model's space."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from earmark.errors import ForeignVoiceprint, InvalidInput, VoiceprintError
from earmark.voiceprints._portable import Content, pack, pack_text, unpack, unpack_text
from earmark.voiceprints._quality import Quality

__all__ = ["DEFAULT_MODEL", "DIMENSIONS", "Voiceprint", "require_model"]

DEFAULT_MODEL = "earmark-1"
"""The model of every voiceprint that is kept or given out."""

DIMENSIONS = 448
"""Length of its vectors."""

_UNIT_TOLERANCE = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Voiceprint:
    """A unit-norm embedding and what made it.

    ``vector`` is float32 [dim], read-only; a vector of another length is scaled to length 1 here,
    once. ``model`` is the model's id: voiceprints of different models are never compared.
    ``net_speech_s`` is how many seconds of speech it was computed from, ``quality`` how far it can
    be trusted, if that is known. ``consistency`` is how alike the least alike parts of that speech
    are (a cosine), which tells one voice from two; it is known only to who has made the voiceprint,
    and does not count when two are compared by value. The vector stays out of the ``repr``, because
    a voiceprint is biometric data and reprs end up in logs.

    Raises `InvalidInput` when the vector is empty, not one-dimensional, not finite or zero, and
    for a quality that is none.
    """

    vector: NDArray[np.float32] = field(repr=False)
    model: str
    net_speech_s: float
    quality: Quality | None = None
    consistency: float | None = None

    def __post_init__(self) -> None:
        exact = np.asarray(self.vector, dtype=np.float64)
        if exact.ndim != 1 or not exact.size:
            raise InvalidInput(
                f"A voiceprint is one row of numbers, not an array of shape {exact.shape}."
            )
        norm = float(np.linalg.norm(exact))
        if not math.isfinite(norm) or norm == 0.0:
            raise InvalidInput("A voiceprint's numbers must be finite and not all zero.")
        if not math.isfinite(self.net_speech_s) or self.net_speech_s < 0:
            raise InvalidInput(
                f"A voiceprint's net speech is a number of seconds, not {self.net_speech_s}."
            )
        if self.quality is not None and self.quality not in tuple(Quality):
            raise InvalidInput(
                f"A voiceprint's quality is {', '.join(Quality)} or not known, not"
                f" {self.quality!r}."
            )
        # A vector that is already unit length is kept bit for bit, so that copies stay equal.
        unit = exact if abs(norm - 1.0) <= _UNIT_TOLERANCE else exact / norm
        vector = unit.astype(np.float32)
        vector.flags.writeable = False
        object.__setattr__(self, "vector", vector)
        object.__setattr__(self, "net_speech_s", float(self.net_speech_s))
        if self.quality is not None:
            object.__setattr__(self, "quality", Quality(self.quality))
        if self.consistency is not None:
            object.__setattr__(self, "consistency", float(self.consistency))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Voiceprint):
            return NotImplemented
        return (
            self.model == other.model
            and self.net_speech_s == other.net_speech_s
            and self.quality == other.quality
            and np.array_equal(self.vector, other.vector)
        )

    def __hash__(self) -> int:
        return hash((self.model, self.net_speech_s, self.quality, self.vector.tobytes()))

    def cosine(self, other: Voiceprint) -> float:
        """Cosine similarity, -1..1. Raises `ForeignVoiceprint` when the models differ."""
        _require_one_model((self, other))
        cosine = float(np.dot(self.vector.astype(np.float64), other.vector.astype(np.float64)))
        return min(1.0, max(-1.0, cosine))

    def to_bytes(self) -> bytes:
        """The portable form: a small binary with a checksum. It is biometric data, not encrypted.

        Raises `VoiceprintError` for a model that has no portable form.
        """
        return pack(self._content)

    def to_base64(self) -> str:
        """The portable form as text, fewer than 20,000 characters: see `to_bytes`."""
        return pack_text(self._content)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read the portable form, of whatever model.

        Raises `VoiceprintError`, which says why, for what is damaged, of an unknown version, or no
        voiceprint at all.
        """
        return cls._of(unpack(data))

    @classmethod
    def from_base64(cls, text: str) -> Self:
        """Read the portable form from text. Raises `VoiceprintError` as `from_bytes` does."""
        return cls._of(unpack_text(text))

    @property
    def _content(self) -> Content:
        return Content(
            vector=self.vector,
            model=self.model,
            net_speech_s=self.net_speech_s,
            quality=self.quality,
        )

    @classmethod
    def _of(cls, content: Content) -> Self:
        return cls(
            vector=content.vector,
            model=content.model,
            net_speech_s=content.net_speech_s,
            quality=content.quality,
        )

    @classmethod
    def mean(cls, voiceprints: Iterable[Voiceprint]) -> Voiceprint:
        """One voiceprint of the same voice heard several times, weighted by net speech.

        ``quality`` survives only when all agree. Raises `InvalidInput` when there is none,
        `ForeignVoiceprint` when the models differ.
        """
        prints = tuple(voiceprints)
        if not prints:
            raise InvalidInput("There is no voiceprint to average.")
        if len(prints) == 1:
            return prints[0]
        _require_one_model(prints)
        total = sum(each.net_speech_s for each in prints)
        weights = [each.net_speech_s if total > 0 else 1.0 for each in prints]
        vectors = np.stack([each.vector for each in prints]).astype(np.float64)
        qualities = {each.quality for each in prints}
        return cls(
            vector=(np.asarray(weights)[:, None] * vectors).sum(axis=0).astype(np.float32),
            model=prints[0].model,
            net_speech_s=total,
            quality=qualities.pop() if len(qualities) == 1 else None,
        )


def require_model(voiceprint: Voiceprint, model: str = DEFAULT_MODEL) -> Voiceprint:
    """The voiceprint, when it is of ``model``.

    Raises `ForeignVoiceprint` when it is not, `VoiceprintError` when it only says so.
    """
    if voiceprint.model != model:
        raise ForeignVoiceprint(
            f"The voiceprint is of model {voiceprint.model}, but {model} is used here: make it"
            " again from the recording."
        )
    if model == DEFAULT_MODEL and voiceprint.vector.size != DIMENSIONS:
        raise VoiceprintError(
            f"The voiceprint has {voiceprint.vector.size} numbers, but those of {model} have"
            f" {DIMENSIONS}: it is not of that model."
        )
    return voiceprint


def _require_one_model(prints: tuple[Voiceprint, ...]) -> None:
    """Refuse a comparison across models (or across lengths under one model's name)."""
    models = sorted({each.model for each in prints})
    if len(models) > 1:
        raise ForeignVoiceprint(
            f"Voiceprints of different models cannot be compared ({' and '.join(models)}); "
            "make both with the same model."
        )
    lengths = sorted({each.vector.size for each in prints})
    if len(lengths) > 1:
        raise InvalidInput(
            f"Voiceprints of model {models[0]} have different lengths {lengths}; "
            "one of them is not of that model."
        )
