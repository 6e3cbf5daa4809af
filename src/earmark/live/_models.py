"""The networks that all sessions of an engine share, and what answers their asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.diarization.parts import ACCURATE, Models
from earmark.models import ModelStore, Network
from earmark.settings import Settings
from earmark.traits import TraitModels
from earmark.voiceprints import VoiceprintMaker

__all__ = ["LiveModels"]

Float = NDArray[np.float32]

_MOST = 4  # asks of a trunk in one run: on a CPU more gain nothing, and make each other wait


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LiveModels:
    """May be used from many threads at once: what tells people apart, names them, and traits."""

    tracking: Models
    voiceprints: VoiceprintMaker
    traits: TraitModels

    @classmethod
    def load(cls, settings: Settings, executor: Executor) -> LiveModels:
        """Load all side by side. Raises `ModelError`, `DiskFull` or `MissingExtra`."""
        store, provider = ModelStore(settings), settings.provider
        voiceprints = executor.submit(VoiceprintMaker.load, store, provider=provider)
        tracking = Models.load(store, ACCURATE.networks, provider=provider, executor=executor)
        shared = next(each for each in tracking.networks if each.name == "wespeaker")
        traits = TraitModels.load(settings, features=tracking.features, network=shared)
        return cls(tracking=tracking, voiceprints=voiceprints.result(), traits=traits)

    def networks(self) -> Mapping[str, Network]:
        """What answers asks, by the names that they have."""
        alone = {**self.traits.networks, **self.tracking.answers, **self.voiceprints.answers}
        # The integer network of segmentation scales its activations per run: what it says of one
        # window would depend on the others. Long inputs gain nothing from company.
        found = {name: Network(run=one_by_one(answer)) for name, answer in alone.items()}
        for trunk in self.tracking.networks:
            found[trunk.name] = Network(run=trunk.frame_maps, most=_MOST)
        return found


def one_by_one(answer: Callable[[Float], Float]) -> Callable[[Sequence[Float]], Sequence[Float]]:
    """Answer each of a batch by itself."""
    return lambda batch: [answer(values) for values in batch]
