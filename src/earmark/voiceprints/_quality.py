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


@dataclass(frozen=True, kw_only=True, slots=True)
class Speech:
    """What a voiceprint was made from, as far as that decides how good it is.

    ``net_s`` seconds of net speech; ``snr_db`` how far speech is above the noise; ``consistency``
    the mean cosine, at most 1, of the embeddings of its stretches of two seconds to that of the
    whole; ``overlap`` the share, 0..1, of this person's talk that somebody else talked over.
    """

    net_s: float
    snr_db: float
    consistency: float
    overlap: float = 0.0

    @property
    def quality(self) -> Quality:
        """The worst of four grades: each measure has a least value for average, good and high."""
        return min(
            (
                _grade(self.net_s, _NET_S),
                _grade(self.snr_db, _SNR_DB),
                _grade(self.consistency, _CONSISTENCY),
                _grade(-self.overlap, _OVERLAP),
            ),
            key=list(Quality).index,
        )


_NET_S = (2.0, 5.0, 12.0)
_SNR_DB = (3.0, 8.0, 14.0)
_CONSISTENCY = (0.4, 0.5, 0.58)
_OVERLAP = (-0.5, -0.3, -0.15)


def _grade(value: float, least: tuple[float, float, float]) -> Quality:
    return list(Quality)[sum(value >= each for each in least)]
