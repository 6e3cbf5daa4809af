"""Errors of the server and its clients."""

from __future__ import annotations

from earmark.errors._base import EarmarkError, Kind, Unavailable

__all__ = [
    "AddressForbidden",
    "ApiError",
    "Conflict",
    "ConsentRequired",
    "Draining",
    "FetchError",
    "Forbidden",
    "Gone",
    "IdempotencyConflict",
    "JobFinished",
    "JobNotFinished",
    "JobPoisoned",
    "KeyringError",
    "MediaTooLarge",
    "RateLimited",
    "ServerUnreachable",
    "SessionOver",
    "StorageUnavailable",
    "Unauthenticated",
    "WaitTimeout",
]


class Unauthenticated(EarmarkError):
    """No key, or one that is not known, revoked or mistyped."""

    kind = Kind.UNAUTHENTICATED
    code = "key.unknown"


class Forbidden(EarmarkError):
    """The key is good but does not open this door."""

    kind = Kind.FORBIDDEN
    code = "key.scope"


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


class SessionOver(Conflict):
    """A live session that has ended, or whose token opens none."""

    code = "live.over"


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


class StorageUnavailable(Unavailable):
    """The database or the blob store does not answer."""

    code = "storage.unavailable"


class Draining(Unavailable):
    """The server is shutting down and takes nothing new."""

    code = "service.draining"


class ApiError(EarmarkError):
    """A server refused what the client asked; the message is the server's own.

    ``code`` is the server's too, one of this list or ``http.<status>``; ``status`` is the HTTP
    status, or the code that a WebSocket was closed with, ``request_id`` what the server's log calls
    the request.
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


class ConsentRequired(EarmarkError):
    """Nobody is enrolled without a record of consent, where the settings say so."""

    kind = Kind.FORBIDDEN
    code = "consent.required"


class Gone(EarmarkError):
    """It was there, and is no more: expired, forgotten or erased."""

    kind = Kind.GONE
    code = "resource.gone"


class KeyringError(Unavailable):
    """The keyring cannot be opened, or a key that should be in it is not."""

    code = "keyring.unavailable"
