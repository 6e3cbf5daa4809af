"""The networks that a diarization needs, loaded together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from earmark.diarization._probe import NETWORK, Probe, score_speech
from earmark.diarization._segmentation import Segmenter
from earmark.models import ModelStore, Provider
from earmark.voiceprints import EmbeddingNetwork, FilterBank

__all__ = ["Models"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Models:
    """May be used from many threads at once."""

    segmenter: Segmenter
    features: FilterBank
    networks: Sequence[EmbeddingNetwork]
    names: tuple[str, ...]  # in the catalogue
    probed: int  # which of the networks the probe listens to
    probe: Probe = score_speech

    @property
    def answers(self) -> dict[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]]:
        """What answers an `Ask`, by its network's name: the segmentation's two, and the trunks.

        "segmentation" takes a window's samples, "segmentation-body" its magnitudes.
        """
        trunks = {network.name: network.frame_map for network in self.networks}
        return {
            "segmentation": self.segmenter.answer,
            "segmentation-body": self.segmenter.answer_body,
            **trunks,
        }

    def of_speech(self) -> Self:
        """Those that tell where somebody speaks, but not who."""
        network = self.networks[self.probed]
        common = len(self.names) - 2 * len(self.networks)
        trunk = self.names[common + 2 * self.probed]
        return replace(self, networks=[network], names=(*self.names[:common], trunk), probed=0)

    @classmethod
    def load(
        cls, store: ModelStore, networks: Sequence[str], *, provider: Provider, executor: Executor
    ) -> Self:
        """Load all of them side by side. Raises `ModelError`, `DiskFull` or `MissingExtra`."""
        int8 = provider == "cpu"  # the integer networks are made for CPUs
        segmenter = executor.submit(Segmenter.load, store, provider=provider)
        loading = [
            executor.submit(EmbeddingNetwork.load, name, store, int8=int8, provider=provider)
            for name in networks
        ]
        features = FilterBank.load(store, provider=provider)
        return cls(
            segmenter=segmenter.result(),
            features=features,
            networks=[network.result() for network in loading],
            names=(
                "fbank",
                *Segmenter.names(provider),
                *(part for name in networks for part in EmbeddingNetwork.names(name, int8=int8)),
            ),
            probed=networks.index(NETWORK),
        )
