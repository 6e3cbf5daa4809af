"""Everything Earmark raises on purpose.

Each error has a ``kind`` (what sort of failure, free of any protocol) and a ``code`` (a stable,
dotted name for programs). The message is for people: what was wrong, the value, what to do.

    EarmarkError
    ├── InvalidInput                 invalid      input.invalid
    │   ├── InvalidOption            invalid      input.option
    │   └── AudioError               invalid      audio.invalid
    │       ├── UnsupportedAudio     invalid      audio.unsupported
    │       ├── EmptyAudio           invalid      audio.empty
    │       ├── DamagedAudio         invalid      audio.damaged
    │       └── InvalidSamples       invalid      audio.samples
    ├── AudioNotFound                not-found    audio.not_found
    ├── AudioTooLarge                too-large    audio.too_large
    ├── ModelError                   unavailable  model.unavailable
    │   ├── UnknownModel             not-found    model.unknown
    │   ├── ModelMissing             unavailable  model.missing
    │   ├── ModelDownloadFailed      unavailable  model.download
    │   └── ModelCorrupt             unavailable  model.corrupt
    ├── DiskFull                     exhausted    disk.full
    ├── MissingExtra                 unavailable  extra.missing
    ├── PeerFailed                   unavailable  bench.peer
    └── Canceled                     conflict     canceled
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

__all__ = [
    "AudioError",
    "AudioNotFound",
    "AudioTooLarge",
    "Canceled",
    "DamagedAudio",
    "DiskFull",
    "EarmarkError",
    "EmptyAudio",
    "InvalidInput",
    "InvalidOption",
    "InvalidSamples",
    "Kind",
    "MissingExtra",
    "ModelCorrupt",
    "ModelDownloadFailed",
    "ModelError",
    "ModelMissing",
    "PeerFailed",
    "UnknownModel",
    "UnsupportedAudio",
]


class Kind(StrEnum):
    """What sort of failure an error is; each dialect maps it to its own status."""

    INVALID = "invalid"
    NOT_FOUND = "not-found"
    FORBIDDEN = "forbidden"
    CONFLICT = "conflict"
    TOO_LARGE = "too-large"
    RATE_LIMITED = "rate-limited"
    EXHAUSTED = "exhausted"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class EarmarkError(Exception):
    """Base of every error that Earmark raises on purpose."""

    kind: ClassVar[Kind] = Kind.INTERNAL
    code: ClassVar[str] = "internal"


class InvalidInput(EarmarkError):
    """What the caller gave cannot be used."""

    kind = Kind.INVALID
    code = "input.invalid"


class InvalidOption(InvalidInput):
    """An option has a value outside its range, or two options contradict each other."""

    code = "input.option"


class AudioError(InvalidInput):
    """The audio cannot be used."""

    code = "audio.invalid"


class UnsupportedAudio(AudioError):
    """Not audio, or a container or codec that is not on the allow-list."""

    code = "audio.unsupported"


class EmptyAudio(AudioError):
    """There is no audio: an empty file, no audio track, or no samples in the chosen range."""

    code = "audio.empty"


class DamagedAudio(AudioError):
    """The audio breaks off or cannot be decoded from some point on.

    ``readable_s`` is how many seconds could be read before that point.
    """

    code = "audio.damaged"

    def __init__(self, message: str, *, readable_s: float = 0.0) -> None:
        super().__init__(message)
        self.readable_s = readable_s


class InvalidSamples(AudioError):
    """Samples are not finite numbers."""

    code = "audio.samples"


class AudioNotFound(EarmarkError):
    """The file does not exist or cannot be opened."""

    kind = Kind.NOT_FOUND
    code = "audio.not_found"


class AudioTooLarge(EarmarkError):
    """The audio passes a limit: duration, channels, sample rate or decoded samples."""

    kind = Kind.TOO_LARGE
    code = "audio.too_large"


class ModelError(EarmarkError):
    """A model cannot be had or used."""

    kind = Kind.UNAVAILABLE
    code = "model.unavailable"


class UnknownModel(ModelError):
    """No model of that name is in the catalogue."""

    kind = Kind.NOT_FOUND
    code = "model.unknown"


class ModelMissing(ModelError):
    """The model is not in the models folder and fetching is switched off."""

    code = "model.missing"


class ModelDownloadFailed(ModelError):
    """No source delivered the model."""

    code = "model.download"


class ModelCorrupt(ModelError):
    """A file's SHA-256 is not the one in the catalogue."""

    code = "model.corrupt"


class DiskFull(EarmarkError):
    """There is no room on the disk for what has to be written."""

    kind = Kind.EXHAUSTED
    code = "disk.full"


class MissingExtra(EarmarkError):
    """A feature needs an optional package that is not installed."""

    kind = Kind.UNAVAILABLE
    code = "extra.missing"


class PeerFailed(EarmarkError):
    """Another diarizer, which the benchmark runs beside Earmark, cannot be installed or run."""

    kind = Kind.UNAVAILABLE
    code = "bench.peer"


class Canceled(EarmarkError):
    """The caller asked to stop."""

    kind = Kind.CONFLICT
    code = "canceled"
