"""How far a voiceprint can be trusted, in one of four words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Quality", "Speech"]


class Quality(StrEnum):
    """From worst to best."""

    POOR = "poor"
    AVERAGE = "average"
    GOOD = "good"
    HIGH = "high"


# The least value for average, good and high. Limits of noise and consistency come from speech with
# noise added, and of two people mixed: docs/voiceprints.md.
_NET_S = (2.0, 5.0, 12.0)
_SNR_DB = (3.0, 8.0, 14.0)
_CONSISTENCY = (0.35, 0.45, 0.53)
_ALONE = (0.5, 0.7, 0.85)


@dataclass(frozen=True, kw_only=True, slots=True)
class Speech:
    """What a voiceprint was made from, as far as that decides how good it is.

    ``net_s`` seconds of net speech; ``snr_db`` how far speech is above its faintest tenth, the
    noise; ``consistency`` the mean cosine between the embeddings of its two least alike groups of
    stretches of two seconds; ``overlap`` the share, 0..1, of this person's talk that others talk
    over.
    """

    net_s: float
    snr_db: float
    consistency: float
    overlap: float = 0.0

    @property
    def quality(self) -> Quality:
        """The worst of what each of the four measures allows."""
        grades = (
            _grade(self.net_s, _NET_S),
            _grade(self.snr_db, _SNR_DB),
            _grade(self.consistency, _CONSISTENCY),
            _grade(1 - self.overlap, _ALONE),
        )
        return list(Quality)[min(grades)]


def _grade(value: float, least: tuple[float, float, float]) -> int:
    return sum(value >= each for each in least)
