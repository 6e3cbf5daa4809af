"""Making a voiceprint of the default model from stretches of one person's speech.

Stretches are put together into windows of about five seconds, each of which goes through both
networks at full precision with its mean taken off its features. The frame maps of all windows are
then pooled at once, so that every second of speech weighs the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.audio import SAMPLE_RATE
from earmark.models import Ask, Asking, ModelStore, Provider, product
from earmark.voiceprints._network import EmbeddingNetwork, FilterBank, Sums, pool
from earmark.voiceprints._quality import Speech
from earmark.voiceprints._voiceprint import DEFAULT_MODEL, Voiceprint

__all__ = ["WINDOW_S", "Heard", "VoiceprintMaker", "long_enough"]

Float = NDArray[np.float32]

WINDOW_S = 5.0
"""About how much speech goes through the networks at once; more takes memory and is no better."""

#: The networks, and what the cosine of each counts in that of two voiceprints.
_WEIGHTS = {"campplus": 0.7, "wespeaker": 0.3}
_FULL = "-full"  # at full precision, in the names of asks

_SHORTEST_S = 0.1  # of a stretch
_PART_S = 2.0  # parts of this length or more have embeddings of their own, to see if they agree
_TICKS = 100  # feature frames per second


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Heard:
    """What the networks make of a window of ``seconds``.

    ``sums`` are theirs of the whole of it, ``parts`` float32 [n, 448] the embeddings of its parts,
    ``power`` float32 [frames] that of each feature frame.
    """

    sums: Sequence[Sums]
    parts: Float
    power: Float
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class VoiceprintMaker:
    """The networks at full precision; may be used from many threads at once."""

    features: FilterBank
    networks: Sequence[EmbeddingNetwork]
    names: tuple[str, ...]  # in the catalogue

    @classmethod
    def load(cls, store: ModelStore, *, provider: Provider) -> VoiceprintMaker:
        """Load the networks. Raises `ModelError`, `DiskFull` or `MissingExtra`."""
        return cls(
            features=FilterBank.load(store, provider=provider),
            networks=[
                EmbeddingNetwork.load(name, store, int8=False, provider=provider)
                for name in _WEIGHTS
            ],
            names=(
                "fbank",
                *(part for name in _WEIGHTS for part in EmbeddingNetwork.names(name, int8=False)),
            ),
        )

    @property
    def answers(self) -> dict[str, Callable[[Float], Float]]:
        """What answers an `Ask`, by its network's name: "campplus-full" and "wespeaker-full"."""
        return {network.name + _FULL: network.frame_map for network in self.networks}

    def listen(self, pieces: Sequence[Float]) -> Asking[Heard]:
        """Run a window, ``pieces`` of one person's speech [n] at 16 kHz, through the networks.

        Each piece is `long_enough`.
        """
        features = np.concatenate([self.features(piece) for piece in pieces])
        seconds = len(features) / _TICKS
        count = max(1, int(seconds / _PART_S))
        parts = []
        for network in self.networks:
            frames = yield Ask(network=network.name + _FULL, values=features)
            edges = np.rint(np.linspace(0, len(frames), min(count, len(frames)) + 1))
            rows = np.stack([np.arange(len(edges) - 1), edges[:-1], edges[1:]], axis=1)
            parts.append(pool(frames, rows.astype(np.int64), len(rows)))
        return Heard(
            sums=[_total([each]) for each in parts],
            parts=self._vectors(parts),
            power=np.exp(features).sum(axis=1),
            seconds=seconds,
        )

    def make(self, heard: Sequence[Heard], *, overlap: float = 0.0) -> Voiceprint:
        """The voiceprint of a person's windows, one or more.

        ``overlap`` is the share, 0..1, of their talk that others talked over.
        """
        sums = [_total([each.sums[i] for each in heard]) for i in range(len(self.networks))]
        net_s = round(sum(each.seconds for each in heard), 3)
        consistency = _consistency(np.concatenate([each.parts for each in heard]))
        speech = Speech(
            net_s=net_s,
            snr_db=_snr_db(np.concatenate([each.power for each in heard])),
            consistency=consistency,
            overlap=overlap,
        )
        return Voiceprint(
            vector=self._vectors(sums)[0],
            model=DEFAULT_MODEL,
            net_speech_s=net_s,
            quality=speech.quality,
            consistency=round(consistency, 3),
        )

    def _vectors(self, sums: Sequence[Sums]) -> Float:
        """The networks' embeddings side by side, each scaled by the root of its weight."""
        scales = np.sqrt(np.array(list(_WEIGHTS.values()), np.float32))
        vectors = [
            network.embed(each) * scale
            for network, each, scale in zip(self.networks, sums, scales, strict=True)
        ]
        return np.concatenate(vectors, axis=1)


def long_enough(piece: Float) -> bool:
    """Whether a stretch of speech [n] at 16 kHz can be listened to."""
    return len(piece) >= _SHORTEST_S * SAMPLE_RATE


def _total(sums: Sequence[Sums]) -> Sums:
    """All rows of ``sums`` in one."""
    return Sums(
        count=np.concatenate([each.count for each in sums]).sum(keepdims=True),
        first=np.concatenate([each.first for each in sums]).sum(axis=0, keepdims=True),
        second=np.concatenate([each.second for each in sums]).sum(axis=0, keepdims=True),
    )


def _consistency(vectors: Float) -> float:
    """The mean cosine between the two groups of ``vectors`` [n, dim] that differ most; 1 for one.

    The two least alike are the seeds of the groups. One voice stays above a half, two do not,
    even when one of them has but a few of the vectors.
    """
    if len(vectors) == 1:
        return 1.0
    cosines = product(vectors, vectors)
    one, other = divmod(int(cosines.argmin()), len(vectors))
    group = cosines[one] >= cosines[other]
    group[one], group[other] = True, False
    return float(cosines[group][:, ~group].mean())


def _snr_db(power: Float) -> float:
    """How far speech is above the faintest tenth of its frames."""
    noise = float(np.percentile(power, 10))
    return 10 * float(np.log10(max(float(power.mean()), 1e-9) / max(noise, 1e-9)))
