"""The end of one channel's diarization: speakers, labels and turns from the evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from earmark.diarization._assignment import assign_units
from earmark.diarization._certainty import certainty
from earmark.diarization._clustering import Clusters, CountHint, Linkage, find_speakers
from earmark.diarization._evidence import Evidence
from earmark.diarization._grid import runs, times_of
from earmark.diarization._labelling import (
    Labels,
    count_talkers,
    label_frames,
    without_flicker,
)
from earmark.diarization._linkage import average_linkage
from earmark.diarization._parameters import Parameters
from earmark.diarization._probe import second_opinion

__all__ = [
    "Channel",
    "Span",
    "find_speech",
    "find_voices",
    "label_channel",
    "label_voices",
    "unit_seconds",
    "with_second_opinion",
]

Float = NDArray[np.float32]

_SHORTEST_S = 0.002  # below that a turn is nothing but the recording's end cutting a frame


@dataclass(frozen=True, slots=True)
class Span:
    """Speaker number ``speaker`` from ``start`` to ``end`` seconds."""

    start: float
    end: float
    speaker: int
    confidence: float


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Channel:
    """One channel's answer; speakers are numbered by first appearance.

    ``order`` says which of the speakers each is, who were given.
    ``centroids`` float32 [speakers, D] and ``net_speech_s`` [speakers] are what each sounds like
    and how much clean speech told that; ``confidence`` float32 [frames].
    """

    spans: list[Span]
    exclusive: list[Span]
    order: list[int]
    centroids: Float
    net_speech_s: Float
    confidence: Float


def label_channel(evidence: Evidence, hint: CountHint, parameters: Parameters) -> Channel:
    """Find the speakers in ``evidence`` and say when each talks."""
    speakers, centroids = find_voices(evidence, hint, parameters)
    return label_voices(evidence, speakers, centroids, parameters)


def label_voices(
    evidence: Evidence, speakers: NDArray[np.int64], centroids: Float, parameters: Parameters
) -> Channel:
    """Say when each of the speakers talks; see `find_voices`."""
    evidence = with_second_opinion(evidence)
    talkers = count_talkers(evidence, parameters)
    labels = label_frames(evidence, talkers, speakers, centroids, parameters)
    return _channel(evidence, labels, speakers, centroids)


def find_speech(evidence: Evidence, parameters: Parameters) -> list[tuple[float, float]]:
    """Where somebody speaks, start and end in seconds: where `label_channel` puts people."""
    talkers = count_talkers(with_second_opinion(evidence), parameters)
    speech = without_flicker(talkers[:, None] > 0, parameters.shortest)[:, 0]
    found = [times_of(first, last, evidence.duration) for first, last in runs(speech).tolist()]
    return [(start, end) for start, end in found if end - start >= _SHORTEST_S]


def with_second_opinion(evidence: Evidence) -> Evidence:
    """The same evidence with the probe's view of speech and overlap taken in."""
    speech, overlap = second_opinion(evidence.speech, evidence.overlap, evidence.scores)
    return replace(evidence, speech=speech, overlap=overlap)


def find_voices(
    evidence: Evidence,
    hint: CountHint,
    parameters: Parameters,
    *,
    earlier: Sequence[Clusters] = (),
    linkage: Linkage = average_linkage,
) -> tuple[NDArray[np.int64], Float]:
    """The speaker of each unit [U], and what the speakers sound like [K, D]; K is 1 or more.

    ``earlier`` and ``linkage`` are those of `find_speakers`.
    """
    units = _clustered_units(evidence, parameters)
    if not len(units):  # nobody was ever alone: one speaker at most can be told
        nothing = np.zeros((1, evidence.unit_vector.shape[1]), np.float32)
        return np.zeros(len(evidence.unit_window), np.int64), nothing
    length_s = unit_seconds(evidence)
    centroids = find_speakers(
        evidence.unit_vector[units],
        length_s[units],
        hint,
        parameters,
        earlier=earlier,
        linkage=linkage,
    )
    return assign_units(evidence, centroids, parameters)


def _clustered_units(evidence: Evidence, parameters: Parameters) -> NDArray[np.int64]:
    """Units long enough to be clustered; if there are none, all that have an embedding."""
    embedded = evidence.unit_vector.any(axis=1)
    enough = np.flatnonzero(embedded & (evidence.unit_clean_s >= parameters.unit_clean_s))
    return enough if len(enough) else np.flatnonzero(embedded)


def unit_seconds(evidence: Evidence) -> Float:
    """How much of the recording's clean speech each unit stands for [U].

    Windows overlap: every second of speech stands in several of them.
    """
    depth = float(evidence.depth[evidence.depth > 0].mean())
    return evidence.unit_clean_s / np.float32(depth)


def _channel(
    evidence: Evidence, labels: Labels, speakers: NDArray[np.int64], centroids: Float
) -> Channel:
    count = len(centroids)
    sure = certainty(evidence, labels, "turns")
    found = [runs(labels.active[:, k]) for k in range(count)]
    alone = [runs(labels.first == k) for k in range(count)]
    order = sorted((k for k in range(count) if len(found[k])), key=lambda k: (found[k][0, 0], k))
    heard = np.bincount(speakers, weights=unit_seconds(evidence), minlength=count).astype(
        np.float32
    )

    def spans(stretches: list[NDArray[np.int64]]) -> list[Span]:
        made = [
            Span(
                *times_of(first, last, evidence.duration),
                number,
                float(sure[first:last].mean()),
            )
            for number, k in enumerate(order)
            for first, last in stretches[k].tolist()
        ]
        return sorted((s for s in made if s.end - s.start >= _SHORTEST_S), key=lambda s: s.start)

    return Channel(
        spans=spans(found),
        exclusive=spans(alone),
        order=order,
        centroids=centroids[order],
        net_speech_s=heard[order],
        confidence=certainty(evidence, labels, "frames"),
    )
