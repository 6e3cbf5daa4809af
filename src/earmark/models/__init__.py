"""The neural networks: which there are, where their files come from, and running them.

    >>> from earmark.models import ModelStore
    >>> ModelStore().path("segmentation-3.0")  # fetched and verified the first time

Names are loaded when first used: the catalogue and the store need neither NumPy nor ONNX Runtime.
"""

from __future__ import annotations

import os

# ONNX Runtime reports its use to its maker unless it is told not to before it is loaded.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from earmark.models._asking import Ask, Asking, answer_alone
    from earmark.models._batching import PAUSE, Aside, Lane, LaneWork, Network, Runner
    from earmark.models._catalogue import (
        Catalogue,
        Derived,
        Fetched,
        Model,
        catalogue,
        read_catalogue,
    )
    from earmark.models._files import State
    from earmark.models._product import product
    from earmark.models._sessions import Provider, load_session
    from earmark.models._store import ModelState, ModelStore, OnPull, PullProgress

__all__ = [
    "PAUSE",
    "Aside",
    "Ask",
    "Asking",
    "Catalogue",
    "Derived",
    "Fetched",
    "Lane",
    "LaneWork",
    "Model",
    "ModelState",
    "ModelStore",
    "Network",
    "OnPull",
    "Provider",
    "PullProgress",
    "Runner",
    "State",
    "answer_alone",
    "catalogue",
    "load_session",
    "product",
    "read_catalogue",
]

_HOMES = {
    "_asking": ("Ask", "Asking", "answer_alone"),
    "_batching": ("PAUSE", "Aside", "Lane", "LaneWork", "Network", "Runner"),
    "_catalogue": ("Catalogue", "Derived", "Fetched", "Model", "catalogue", "read_catalogue"),
    "_files": ("State",),
    "_product": ("product",),
    "_sessions": ("Provider", "load_session"),
    "_store": ("ModelState", "ModelStore", "OnPull", "PullProgress"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
