"""The networks that traits are told with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from earmark.models import ModelStore
from earmark.settings import Settings, get_settings
from earmark.traits._sounds import SoundDetector
from earmark.voiceprints import EmbeddingNetwork, FilterBank

__all__ = ["NETWORK", "TraitModels"]

Float = NDArray[np.float32]

NETWORK = "wespeaker"
"""The embedding network that gender is told with, and what asks for its trunk name."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TraitModels:
    """Loaded once and shared by all streams and threads."""

    sounds: SoundDetector
    features: FilterBank
    network: EmbeddingNetwork

    @classmethod
    def load(
        cls,
        settings: Settings | None = None,
        *,
        features: FilterBank | None = None,
        network: EmbeddingNetwork | None = None,
    ) -> Self:
        """Load what is not given: ``network`` is "wespeaker", as diarization uses it.

        Raises `ModelError` when a model cannot be had.
        """
        settings = settings or get_settings()
        store, provider = ModelStore(settings), settings.provider
        return cls(
            sounds=SoundDetector.load(),
            features=features or FilterBank.load(store, provider=provider),
            network=network
            or EmbeddingNetwork.load(NETWORK, store, int8=provider == "cpu", provider=provider),
        )

    @property
    def networks(self) -> Mapping[str, Callable[[Float], Float]]:
        """What answers a tracker's asks where nobody shares batches: see `answer_alone`."""
        return {NETWORK: self.network.frame_map}
