"""The result document of jobs that tell the genders of voiceprints."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from earmark.errors import InvalidInput
from earmark.traits import Gender

__all__ = ["VoiceprintGenders"]

_SCHEMA: Final = "earmark.voiceprint-genders/1"


@dataclass(frozen=True, kw_only=True, slots=True)
class VoiceprintGenders:
    """One answer for each voiceprint that was sent, in their order."""

    genders: tuple[Gender, ...]

    def to_json(self) -> bytes:
        """The document ``earmark.voiceprint-genders/1``."""
        rows = [asdict(each) for each in self.genders]
        return json.dumps({"schema": _SCHEMA, "genders": rows}).encode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Restore what `to_json` wrote. Raises `InvalidInput` for anything else."""
        document: dict[str, Any] = json.loads(text)
        if document.get("schema") != _SCHEMA:
            raise InvalidInput(f"This is no document of schema {_SCHEMA}.")
        return cls(genders=tuple(Gender(**row) for row in document["genders"]))
