"""Everything that was tuned, in one place."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ACCURATE", "FAST", "Parameters"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameters:
    """How a recording is analysed. Times are seconds, similarities cosines, probabilities 0..1."""

    #: embedding networks whose vectors are put side by side
    networks: tuple[str, ...] = ("wespeaker", "campplus")
    #: frames of 16.875 ms from one segmentation window of 10 s to the next (148 are 2.5 s)
    window_step: int = 148

    #: speech begins in a stretch above `speech_off` that passes `speech_on` somewhere ...
    speech_on: float = 0.5
    speech_off: float = 0.4
    #: ... and goes on this many frames longer
    hangover: int = 1
    #: likewise, two people speak at once
    overlap_on: float = 0.5
    overlap_off: float = 0.45

    #: turns, and pauses of one speaker, of fewer frames than this are flicker
    shortest: int = 12

    #: a window's turn is cut into units no longer than this
    unit_s: float = 2.0
    #: pauses shorter than this do not end a turn within a window
    pause_s: float = 0.3
    #: units with this much clean speech are clustered ...
    unit_clean_s: float = 0.8
    #: ... and ones with less than this lean on the mean of their window's speaker
    unit_sure_s: float = 0.8
    #: units with less than this have no embedding of their own
    unit_least_s: float = 0.2

    #: average linkage joins units up to this cosine distance
    linkage: float = 0.55
    #: clusters of d seconds (the shorter of two) join at cosine join / (1 + join_s / d) or more ...
    join: float = 0.87
    join_s: float = 2.5
    #: ... within these limits
    join_floor: float = 0.40
    join_ceiling: float = 0.80
    #: a cluster shorter than this share of the speech, within these limits, is nobody
    tail_share: float = 0.02
    tail_least_s: float = 0.5
    tail_most_s: float = 2.0

    #: weight of the sliding embeddings beside the segmentation in saying who speaks
    sliding_weight: float = 2.0
    #: temperature of the softmax over their cosines
    sliding_temperature: float = 0.08
    #: cells of 0.24 s under one sliding embedding
    sliding_cells: int = 5


ACCURATE = Parameters()

#: One network and half the windows: about twice as fast, a little less accurate.
FAST = Parameters(networks=("campplus",), window_step=296)
