"""The networks that all sessions of an engine share, and running them over batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.diarization._models import Models
from earmark.diarization._parameters import ACCURATE
from earmark.models import ModelStore, Provider
from earmark.voiceprints import EmbeddingNetwork

__all__ = ["FULL", "LiveModels"]

Float = NDArray[np.float32]

FULL = "-full"
"""What the name of a network at full precision ends with."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LiveModels:
    """May be used from many threads at once.

    ``tracking`` are those that tell people apart, ``full`` the same networks of voices at full
    precision, which voiceprints are made with.
    """

    tracking: Models
    full: Sequence[EmbeddingNetwork]

    @classmethod
    def load(cls, store: ModelStore, *, provider: Provider, executor: Executor) -> LiveModels:
        """Load all side by side. Raises `ModelError`, `DiskFull` or `MissingExtra`."""
        loading = [
            executor.submit(EmbeddingNetwork.load, name, store, int8=False, provider=provider)
            for name in ACCURATE.networks
        ]
        tracking = Models.load(store, ACCURATE.networks, provider=provider, executor=executor)
        return cls(tracking=tracking, full=[each.result() for each in loading])

    def answers(self) -> Mapping[str, Callable[[Sequence[Float]], Sequence[Float]]]:
        """What answers several asks of one network and shape at once, by the network's name.

        Each answer is the same in any company.
        """
        full = {network.name + FULL: network.frame_map for network in self.full}
        # The integer network scales its activations per run: a batch would change its answers.
        alone = self.tracking.answers | full
        return {name: one_by_one(answer) for name, answer in alone.items()}


def one_by_one(answer: Callable[[Float], Float]) -> Callable[[Sequence[Float]], Sequence[Float]]:
    """Answer each of a batch by itself."""
    return lambda batch: [answer(values) for values in batch]
