"""Who spoke when, on an ordinary CPU.

    import earmark

    for turn in earmark.diarize("meeting.wav"):
        print(turn.start, turn.end, turn.speaker)

The names below are loaded when first used, so that ``import earmark`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from earmark import errors as errors
    from earmark.audio import open_audio as open_audio
    from earmark.client import AsyncClient as AsyncClient
    from earmark.client import Client as Client
    from earmark.diarization import Diarization as Diarization
    from earmark.diarization import Diarizer as Diarizer
    from earmark.diarization import SpeechActivity as SpeechActivity
    from earmark.diarization import Turn as Turn
    from earmark.diarization import diarize as diarize
    from earmark.live import follow as live
    from earmark.service import LocalGallery as Gallery
    from earmark.voiceprints import Voiceprint as Voiceprint

    __version__: str

__all__ = [
    "AsyncClient",
    "Client",
    "Diarization",
    "Diarizer",
    "Gallery",
    "SpeechActivity",
    "Turn",
    "Voiceprint",
    "__version__",
    "diarize",
    "errors",
    "live",
    "open_audio",
]

_HOMES = {
    "AsyncClient": "earmark.client",
    "Client": "earmark.client",
    "Diarization": "earmark.diarization",
    "Diarizer": "earmark.diarization",
    "SpeechActivity": "earmark.diarization",
    "Turn": "earmark.diarization",
    "Voiceprint": "earmark.voiceprints",
    "diarize": "earmark.diarization",
    "open_audio": "earmark.audio",
}


def __getattr__(name: str) -> object:
    """Load a public name on first use (PEP 562)."""
    value: object
    if name == "__version__":
        from importlib.metadata import version

        value = version("earmark")
    elif name in ("errors", "live"):
        value = import_module(f"earmark.{name}")
    elif name == "Gallery":
        value = import_module("earmark.service").LocalGallery
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
