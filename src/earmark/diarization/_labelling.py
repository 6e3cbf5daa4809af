"""From evidence and speakers to who is active in each frame, and to turns.

How many speak in a frame comes from the segmentation, averaged over windows; who they are from the
activity of the windows' speakers, each mapped to a person by its units, together with how well the
embedding of the surrounding second fits each person. That corrects windows whose one "speaker" is
two people. Long recordings are labelled tile by tile.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.diarization._evidence import CELL_S, Evidence
from earmark.diarization._grid import FRAME_S, FRAME_START_S, WINDOW_FRAMES, runs, tiles
from earmark.diarization._parameters import Parameters
from earmark.models import product
from earmark.voiceprints import unit

__all__ = ["Labels", "count_talkers", "hysteresis", "label_frames", "without_flicker"]

Float = NDArray[np.float32]

_EDGE = 5  # frames that a unit's activity counts past its ends
_LEAST = 0.02  # activity below which nobody is put into a frame


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Labels:
    """Who speaks in each frame.

    ``active`` bool [T, K]; ``first`` int16 [T], who most of all, or -1; ``margin`` float32 [T], how
    far the last one put in is ahead of the first one left out.
    """

    active: NDArray[np.bool_]
    first: NDArray[np.int16]
    margin: Float


def count_talkers(evidence: Evidence, parameters: Parameters) -> NDArray[np.int64]:
    """How many people speak in each frame [T]: 0, 1 or 2."""
    speech = hysteresis(evidence.speech, parameters.speech_on, parameters.speech_off)
    for _ in range(parameters.hangover):
        speech[1:] |= speech[:-1]
    both = hysteresis(evidence.overlap, parameters.overlap_on, parameters.overlap_off)
    return speech.astype(np.int64) + (both & speech)


def label_frames(
    evidence: Evidence,
    talkers: NDArray[np.int64],
    speakers: NDArray[np.int64],
    centroids: Float,
    parameters: Parameters,
) -> Labels:
    """Put as many people into each frame as talk there.

    ``speakers`` int64 [U] is each unit's speaker, ``centroids`` [K, D] what they sound like.
    """
    frames, count = len(talkers), len(centroids)
    active = np.zeros((frames, count), np.bool_)
    first = np.full(frames, -1, np.int16)
    margin = np.zeros(frames, np.float32)
    for start, stop in tiles(frames):
        score = _local_activity(evidence, speakers, count, start, stop)
        if count > 1:
            score += parameters.sliding_weight * _sliding_fit(
                evidence, centroids, start, stop, parameters.sliding_temperature
            )
        wanted = np.minimum(talkers[start:stop], count)
        order = np.argsort(-score, axis=1, kind="stable")
        rank = np.argsort(order, axis=1, kind="stable")
        active[start:stop] = (rank < wanted[:, None]) & (score > _LEAST)
        ranked = np.take_along_axis(score, order, axis=1)
        here = active[start:stop].any(axis=1)
        first[start:stop] = np.where(here, order[:, 0], -1)
        margin[start:stop] = _margin(ranked, wanted)
        if count == 1:  # nobody else to be mistaken for
            margin[start:stop] += parameters.sliding_weight
    active = without_flicker(active, parameters.shortest)
    alone = without_flicker(first[:, None] == np.arange(count), parameters.shortest) & active
    first = np.where(alone.any(axis=1), alone.argmax(axis=1), -1).astype(np.int16)
    return Labels(active=active, first=first, margin=margin)


def without_flicker(active: NDArray[np.bool_], shortest: int) -> NDArray[np.bool_]:
    """``active`` [T, K] without turns of fewer than ``shortest`` frames, nor such pauses.

    A pause is filled only while everybody is silent.
    """
    steady = active.copy()
    for lane in steady.T:
        for first, last in runs(lane).tolist():
            if last - first < shortest:
                lane[first:last] = False
    silent = np.logical_not(steady.any(axis=1))
    for lane in steady.T:
        for first, last in runs(~lane).tolist():
            inside = first > 0 and last < len(lane)
            if inside and last - first < shortest and silent[first:last].all():
                lane[first:last] = True
    return steady


def _local_activity(
    evidence: Evidence, speakers: NDArray[np.int64], count: int, start: int, stop: int
) -> Float:
    """Mean activity [stop - start, count] of the windows' speakers, by whose units they are."""
    activity = np.zeros((stop - start, count), np.float32)
    windows = evidence.window_frame
    low = np.searchsorted(windows, start - WINDOW_FRAMES, side="right")
    high = np.searchsorted(windows, stop)
    begin, end = np.searchsorted(evidence.unit_window, [low, high]).tolist()
    for index, (first, last) in enumerate(evidence.unit_span[begin:end].tolist(), begin):
        window = evidence.unit_window[index]
        frame = int(windows[window])
        a = max(first - _EDGE, 0, start - frame)
        b = min(last + _EDGE, WINDOW_FRAMES, stop - frame)
        if b > a:
            activity[frame + a - start : frame + b - start, speakers[index]] += evidence.local[
                window, a:b, evidence.unit_local[index]
            ]
    depth = np.maximum(evidence.depth[start:stop, None], 1)
    return np.asarray(activity / (depth * np.float32(255)), np.float32)


def _sliding_fit(
    evidence: Evidence, centroids: Float, start: int, stop: int, temperature: float
) -> Float:
    """Probability [stop - start, K] that each speaker is the one in the surrounding second."""
    times = (np.arange(start, stop) + 0.5) * FRAME_S + FRAME_START_S
    cells = np.floor(times / CELL_S).astype(np.int64)
    low, high = np.searchsorted(evidence.cell, [cells[0], cells[-1] + 1]).tolist()
    fit = np.zeros((len(cells), len(centroids)), np.float32)
    if low == high:
        return fit
    cosine = product(unit(evidence.cell_vector[low:high].astype(np.float32)), centroids)
    likely = np.exp((cosine - cosine.max(axis=1, keepdims=True)) / np.float32(temperature))
    likely /= likely.sum(axis=1, keepdims=True)
    place = np.searchsorted(evidence.cell[low:high], cells)
    known = evidence.cell[low:high][np.minimum(place, high - low - 1)] == cells
    fit[known] = likely[place[known]]
    return fit


def _margin(ranked: Float, wanted: NDArray[np.int64]) -> Float:
    """Score of the last one in minus that of the first one out, 0 where nobody is in."""
    padded = np.concatenate([ranked, np.zeros((len(ranked), 1), np.float32)], axis=1)
    rows = np.arange(len(ranked))
    inside = padded[rows, np.maximum(wanted - 1, 0)]
    return np.where(wanted > 0, inside - padded[rows, wanted], 0).astype(np.float32)


def hysteresis(probability: Float, on: float, off: float) -> NDArray[np.bool_]:
    """Stretches above ``off`` that pass ``on`` somewhere."""
    above = np.zeros(len(probability), np.bool_)
    for first, last in runs(probability > off).tolist():
        above[first:last] = probability[first:last].max() > on
    return above
