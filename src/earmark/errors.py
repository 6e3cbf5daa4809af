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
    ├── DecoderDied                  internal     audio.decoder
    ├── DiskFull                     exhausted    disk.full
    ├── Unauthenticated              unauthenticated  key.unknown
    ├── Forbidden                    forbidden    key.scope
    ├── NotFound                     not-found    resource.not_found
    ├── Conflict                     conflict     resource.conflict
    │   ├── IdempotencyConflict      conflict     idempotency.conflict
    │   ├── JobNotFinished           conflict     job.not_finished
    │   └── JobFinished              conflict     job.finished
    ├── MediaTooLarge                too-large    media.too_large
    ├── RateLimited                  rate-limited rate.limited
    ├── FetchError                   invalid      fetch.failed
    │   └── AddressForbidden         invalid      fetch.address
    ├── JobPoisoned                  internal     job.poisoned
    ├── Unavailable                  unavailable  service.unavailable
    │   ├── StorageUnavailable       unavailable  storage.unavailable
    │   └── Draining                 unavailable  service.draining
    ├── MissingExtra                 unavailable  extra.missing
    ├── PeerFailed                   unavailable  bench.peer
    ├── ApiError                     internal     api.refused
    ├── ServerUnreachable            unavailable  api.unreachable
    ├── WaitTimeout                  unavailable  api.timeout
    └── Canceled                     conflict     canceled
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

__all__ = [
    "AddressForbidden",
    "ApiError",
    "AudioError",
    "AudioNotFound",
    "AudioTooLarge",
    "Canceled",
    "Conflict",
    "DamagedAudio",
    "DecoderDied",
    "DiskFull",
    "Draining",
    "EarmarkError",
    "EmptyAudio",
    "FetchError",
    "Forbidden",
    "IdempotencyConflict",
    "InvalidInput",
    "InvalidOption",
    "InvalidSamples",
    "JobFinished",
    "JobNotFinished",
    "JobPoisoned",
    "Kind",
    "MediaTooLarge",
    "MissingExtra",
    "ModelCorrupt",
    "ModelDownloadFailed",
    "ModelError",
    "ModelMissing",
    "NotFound",
    "PeerFailed",
    "RateLimited",
    "ServerUnreachable",
    "StorageUnavailable",
    "Unauthenticated",
    "Unavailable",
    "UnknownModel",
    "UnsupportedAudio",
    "WaitTimeout",
]


class Kind(StrEnum):
    """What sort of failure an error is; each dialect maps it to its own status."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
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


class DecoderDied(EarmarkError):
    """The process that decodes a recording ended without a word: it crashed or met its limits."""

    code = "audio.decoder"


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


class Unauthenticated(EarmarkError):
    """No key, or one that is not known, revoked or mistyped."""

    kind = Kind.UNAUTHENTICATED
    code = "key.unknown"


class Forbidden(EarmarkError):
    """The key is good but does not open this door."""

    kind = Kind.FORBIDDEN
    code = "key.scope"


class NotFound(EarmarkError):
    """There is no such thing, or it belongs to another tenant: the two are never told apart."""

    kind = Kind.NOT_FOUND
    code = "resource.not_found"


class Conflict(EarmarkError):
    """The request contradicts the state that something is in."""

    kind = Kind.CONFLICT
    code = "resource.conflict"


class IdempotencyConflict(Conflict):
    """An idempotency key came again with another request."""

    code = "idempotency.conflict"


class JobNotFinished(Conflict):
    """The result of a job that has none (yet)."""

    code = "job.not_finished"


class JobFinished(Conflict):
    """What is over cannot be canceled."""

    code = "job.finished"


class MediaTooLarge(EarmarkError):
    """An upload or a remote file has more bytes than are accepted.

    ``size`` is what was announced or has come so far, ``limit`` what is accepted, in bytes.
    """

    kind = Kind.TOO_LARGE
    code = "media.too_large"

    def __init__(self, message: str, *, size: int, limit: int) -> None:
        super().__init__(message)
        self.size = size
        self.limit = limit


class RateLimited(EarmarkError):
    """Too many requests in a window of time; ``retry_after_s`` is when the next one may come."""

    kind = Kind.RATE_LIMITED
    code = "rate.limited"

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class FetchError(EarmarkError):
    """A remote recording could not be fetched, or a webhook not be delivered.

    ``reason`` is a short name for programs: ``timeout``, ``connection``, ``tls``, ``status``,
    ``redirects``, ``headers``, ``protocol`` or ``address``. ``transient`` says that another try
    may succeed, ``retry_after_s`` when the other side wants it, if it said so.
    """

    kind = Kind.INVALID
    code = "fetch.failed"

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        transient: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.transient = transient
        self.retry_after_s = retry_after_s


class AddressForbidden(FetchError):
    """An address that this server does not connect to: private, local, or not allowed."""

    code = "fetch.address"

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="address")


class JobPoisoned(EarmarkError):
    """A recording made the process that decodes or analyses it die, twice."""

    code = "job.poisoned"


class Unavailable(EarmarkError):
    """Something that is needed does not answer now; the same request may succeed later."""

    kind = Kind.UNAVAILABLE
    code = "service.unavailable"


class StorageUnavailable(Unavailable):
    """The database or the blob store does not answer."""

    code = "storage.unavailable"


class Draining(Unavailable):
    """The server is shutting down and takes nothing new."""

    code = "service.draining"


class ApiError(EarmarkError):
    """A server refused what the client asked; the message is the server's own.

    ``code`` is the server's too, one of this list or ``http.<status>``; ``status`` is the HTTP
    status, ``request_id`` what the server's log calls the request.
    """

    code = "api.refused"

    def __init__(self, message: str, *, code: str, status: int, request_id: str | None) -> None:
        super().__init__(message)
        vars(self)["code"] = code  # of this one error, not of the class
        self.status = status
        self.request_id = request_id


class ServerUnreachable(EarmarkError):
    """No server answers at the client's address, or it broke off, again and again."""

    kind = Kind.UNAVAILABLE
    code = "api.unreachable"


class WaitTimeout(EarmarkError):
    """A job was not over when the client stopped waiting for it."""

    kind = Kind.UNAVAILABLE
    code = "api.timeout"
