"""Names for several voices of one recording at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from earmark.errors import InvalidOption
from earmark.voiceprints._index import Hit
from earmark.voiceprints._matching import best_matching
from earmark.voiceprints._voiceprint import Voiceprint

__all__ = ["Assignment", "Searchable", "assign"]


class Searchable(Protocol):
    """An `Index`, or several that are searched as one."""

    def search_many(self, probes: Sequence[Voiceprint], *, k: int) -> list[list[Hit]]:
        """As `Index.search_many`."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """Who a voice belongs to, or that it is nobody's whom the index knows.

    ``alternatives`` are the others that it sounds like, best first. ``margin`` is how far the LLR
    of the match, or of the best person when there is no match, is ahead of the next best one's; it
    is below 0 when the best person was given to another voice, and None with nobody to compare to.
    """

    match: Hit | None
    alternatives: tuple[Hit, ...]
    margin: float | None


def assign(
    probes: Mapping[str, Voiceprint],
    index: Searchable,
    *,
    exclusive: bool,
    threshold_llr: float,
    k: int = 5,
) -> dict[str, Assignment]:
    """Who each of ``probes`` is, of those at or above ``threshold_llr``.

    By itself, each voice is the best of them. With ``exclusive``, nobody is given to two voices:
    of all ways to do so, the one whose LLRs exceed the threshold by the most in sum. At most ``k``
    people are told of each voice.

    Raises what `Index.search` raises, and `InvalidOption` when a limit makes no sense.
    """
    if not np.isfinite(threshold_llr):
        raise InvalidOption(f"A threshold is a number, not {threshold_llr}.")
    if k < 1:
        raise InvalidOption(f"A search finds one person or more, not {k}.")
    # Of as many people as there are voices, one at least is left for each.
    enough = max(k, len(probes) if exclusive else 1) + 1
    found = index.search_many(list(probes.values()), k=enough)
    passing = [[hit for hit in hits if hit.llr >= threshold_llr] for hits in found]
    if exclusive:
        matches = _one_to_one(passing, threshold_llr)
    else:
        matches = [hits[0] if hits else None for hits in passing]
    return {
        label: _assignment(match, hits, k)
        for label, match, hits in zip(probes, matches, found, strict=True)
    }


def _one_to_one(passing: list[list[Hit]], threshold_llr: float) -> list[Hit | None]:
    """The hit of each voice in the best matching of voices to people."""
    people = sorted({hit.speaker for hits in passing for hit in hits})
    column = {speaker: i for i, speaker in enumerate(people)}
    # One more column per voice stands for nobody. What passes is worth more than that.
    worth = np.zeros((len(passing), len(people) + len(passing)))
    worth[:, : len(people)] = -1.0
    hit_at = {}
    for row, hits in enumerate(passing):
        for hit in hits:
            worth[row, column[hit.speaker]] = hit.llr - threshold_llr + 1e-9
            hit_at[row, column[hit.speaker]] = hit
    matched = dict(best_matching(worth)) if len(passing) else {}
    return [hit_at.get((row, matched[row])) for row in range(len(passing))]


def _assignment(match: Hit | None, hits: list[Hit], k: int) -> Assignment:
    first = match or (hits[0] if hits else None)
    others = [hit for hit in hits if hit != first]
    return Assignment(
        match=match,
        alternatives=tuple(hit for hit in hits if hit != match)[: k - (match is not None)],
        margin=first.llr - others[0].llr if first and others else None,
    )
