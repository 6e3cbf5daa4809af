"""What a child process is told to decode, and what it may use for that."""

from __future__ import annotations

import errno
import json
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from earmark.audio._limits import Limits

__all__ = ["OUT_OF_MEMORY", "Order"]

OUT_OF_MEMORY: Final = errno.ENOMEM
"""Exit code of a child that met its memory limit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """The arguments of `open_audio`, and the limits; ``position`` is where the source stands."""

    label: str
    position: int
    channels: Any
    start: float | None
    end: float | None
    on_damage: Any
    limits: Limits
    memory_bytes: int
    cpu_s: int

    def dump(self) -> bytes:
        """The order as JSON."""
        # What is no choice of channels at all is refused by its name.
        return json.dumps(asdict(self), default=str).encode()

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """What `dump` wrote."""
        fields = json.loads(text)
        return cls(**fields | {"limits": Limits(**fields["limits"])})
