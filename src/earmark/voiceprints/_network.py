"""Speaker embedding networks whose trunk runs once and whose pooling comes as often as needed.

An embedding network is a convolutional trunk (features to a frame map), statistics pooling (mean
and standard deviation over frames) and a linear head. Run over a stretch of speech once, the
trunk serves every embedding in it: what varies is only which frames are pooled. Both networks
here are of that kind: CAM++ (https://arxiv.org/abs/2303.00332) and WeSpeaker's ResNet34
(https://arxiv.org/abs/2210.17016).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from earmark.models import ModelStore, Provider, load_session, product

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["EmbeddingNetwork", "FilterBank", "Sums", "pool", "unit"]

Float = NDArray[np.float32]

_INT16 = np.float32(32768)
_FLOOR = np.log(np.finfo(np.float32).eps)


@dataclass(frozen=True, slots=True, eq=False)
class FilterBank:
    """Log mel energies, which every network takes: 80 bands in 25 ms, every 10 ms."""

    session: InferenceSession

    @classmethod
    def load(cls, store: ModelStore, *, provider: Provider) -> FilterBank:
        """Load the graph. Raises `ModelError` when it cannot be had."""
        return cls(load_session(store.path("fbank"), threads=1, provider=provider))

    def __call__(self, samples: Float) -> Float:
        """Energies [frames, 80] of ``samples`` [n] at 16 kHz, n >= 400, as of 16-bit integers."""
        (energies,) = self.session.run(None, {"samples": (samples * _INT16)[None, None]})
        return np.asarray(energies[0].T, np.float32)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sums:
    """What statistics pooling needs of rows of frames, and what can be added up across stretches.

    ``count`` float32 [rows] frames, ``first`` float32 [rows, channels] the sum of the frames,
    ``second`` the sum of their squares.
    """

    count: Float
    first: Float
    second: Float


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EmbeddingNetwork:
    """One network: ``subsampling`` feature frames go into one frame of its map.

    ``offset`` takes the features to the scale of samples that the network was trained with.
    """

    name: str
    session: InferenceSession
    weight: Float  # [dim, 2 * channels]
    bias: Float  # [dim]
    epsilon: float
    subsampling: int
    offset: float

    @staticmethod
    def names(name: str, *, int8: bool) -> tuple[str, str]:
        """The models of a network's trunk and head."""
        return f"{name}-trunk-int8" if int8 else f"{name}-trunk", f"{name}-head"

    @classmethod
    def load(
        cls, name: str, store: ModelStore, *, int8: bool, provider: Provider
    ) -> EmbeddingNetwork:
        """Load ``campplus`` or ``wespeaker``. Raises `ModelError` when its files cannot be had."""
        trunk, head_id = cls.names(name, int8=int8)
        subsampling, scale = {"campplus": (2, 1.0), "wespeaker": (8, float(_INT16))}[name]
        with np.load(store.path(head_id)) as head:
            weight, bias, epsilon = head["W"], head["b"], float(head["eps"])
        return cls(
            name=name,
            session=load_session(store.path(trunk), threads=1, provider=provider),
            weight=weight,
            bias=bias,
            epsilon=epsilon,
            subsampling=subsampling,
            offset=2.0 * float(np.log(scale / float(_INT16))),
        )

    @property
    def channels(self) -> int:
        """Channels of the frame map."""
        return int(self.weight.shape[1]) // 2

    def frame_map(self, features: Float) -> Float:
        """Run the trunk over ``features`` [t, 80]: float32 [ceil(t / subsampling), channels]."""
        return self.frame_maps([features])[0]

    def frame_maps(self, batch: Sequence[Float]) -> list[Float]:
        """`frame_map` of several features of one length at once; the answers are the same."""
        scaled = np.maximum(np.stack(batch) + np.float32(self.offset), _FLOOR)
        centered = scaled - scaled.mean(axis=1, keepdims=True)
        (maps,) = self.session.run(None, {self.session.get_inputs()[0].name: centered})
        return [np.ascontiguousarray(frames.T) for frames in maps]

    def embed(self, sums: Sums) -> Float:
        """Unit-norm embeddings [rows, dim] of pooled frames; every row needs one frame or more."""
        count = sums.count[:, None]
        mean = sums.first / count
        variance = (sums.second - count * mean * mean) / np.maximum(count - 1, 1)
        deviation = np.sqrt(np.maximum(variance, 0) + np.float32(self.epsilon))
        return unit(product(np.concatenate([mean, deviation], axis=1), self.weight) + self.bias)


def unit(rows: Float) -> Float:
    """``rows`` [n, dim] scaled to length 1 (rows of zeros stay zero)."""
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(norm, 1e-9), np.float32)


def pool(frames: Float, intervals: NDArray[np.int64], rows: int) -> Sums:
    """Sum ``frames`` [t, channels] over intervals and add them up by row.

    ``intervals`` is int64 [n, 3], ascending by row: row, first frame, frame behind the last;
    0 <= row < ``rows``.
    """
    channels = frames.shape[1]
    count = np.zeros(rows, np.float32)
    first = np.zeros((rows, channels), np.float32)
    second = np.zeros((rows, channels), np.float32)
    if not len(intervals):
        return Sums(count=count, first=first, second=second)
    row, begin, end = intervals.T
    starts = np.flatnonzero(np.diff(row, prepend=-1))  # of each row's intervals
    edges = np.unique(np.concatenate([begin, end]))
    edges = edges[edges < len(frames)]
    # One pass over the map: sums between neighbouring edges, then running sums over those.
    for values, target in ((frames, first), (np.square(frames), second)):
        pieces = np.add.reduceat(values, edges, axis=0)
        running = np.zeros((len(edges) + 1, channels), np.float32)
        np.cumsum(pieces, axis=0, out=running[1:])
        spans = running[np.searchsorted(edges, end)] - running[np.searchsorted(edges, begin)]
        target[row[starts]] = np.add.reduceat(spans, starts, axis=0)
    count[row[starts]] = np.add.reduceat((end - begin).astype(np.float32), starts)
    return Sums(count=count, first=first, second=second)
