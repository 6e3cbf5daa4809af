"""Rate limits: how often someone may ask for something, in fixed windows of time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache, cached_property

import limits
from limits.errors import ConfigurationError, StorageError
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter

from earmark.errors import InvalidOption, StorageUnavailable
from earmark.settings import Settings

__all__ = ["Allowance", "RateLimits"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance:
    """What one more request found: whether it is ``allowed``, and what the window leaves.

    ``reset_at`` is when the next window begins (seconds since 1970), ``retry_after_s`` how long
    that is from now; 0 when allowed.
    """

    allowed: bool
    limit: int
    remaining: int
    reset_at: float
    retry_after_s: float


class RateLimits:
    """Counts requests, in this process or in the storage that the settings name."""

    def __init__(self, settings: Settings) -> None:
        self._uri = settings.rate_limit_storage
        self._set = {
            "rate_limit": settings.rate_limit,
            "pyannoteai_rate_limit_submit": settings.pyannoteai_rate_limit_submit,
            "pyannoteai_rate_limit_read": settings.pyannoteai_rate_limit_read,
        }

    def hit(self, who: str, route: str, limit: str) -> Allowance:
        """Count a request of ``who`` to ``route`` against a limit such as ``100/minute``.

        Raises `InvalidOption` for a limit or storage that cannot be understood,
        `StorageUnavailable` when the storage does not answer.
        """
        item = _parse(limit)
        try:
            allowed = self._limiter.hit(item, who, route)
            window = self._limiter.get_window_stats(item, who, route)
        except StorageError as error:
            raise StorageUnavailable(
                f"The storage of rate limits does not answer: {error.storage_error}."
            ) from error
        return Allowance(
            allowed=allowed,
            limit=item.amount,
            remaining=window.remaining,
            reset_at=window.reset_time,
            retry_after_s=0.0 if allowed else max(0.0, window.reset_time - time.time()),
        )

    def check(self) -> None:
        """Raise `InvalidOption` when the settings name a limit or a storage that cannot be."""
        for name, limit in self._set.items():
            try:
                _parse(limit)
            except InvalidOption as error:
                raise InvalidOption(f"EARMARK_{name.upper()}: {error}") from error
        _ = self._limiter

    @cached_property
    def _limiter(self) -> FixedWindowRateLimiter:
        try:
            return FixedWindowRateLimiter(storage_from_string(self._uri, wrap_exceptions=True))
        except ConfigurationError as error:
            raise InvalidOption(
                f"EARMARK_RATE_LIMIT_STORAGE={self._uri!r} is no storage of rate limits: give "
                "memory:// or redis://host."
            ) from error


@cache
def _parse(limit: str) -> limits.RateLimitItem:
    try:
        return limits.parse(limit)
    except ValueError as error:
        raise InvalidOption(
            f"{limit!r} is no rate limit: give a number and a time, such as 100/minute."
        ) from error
