"""Requests that come twice: what says so in them, and in their answers."""

from __future__ import annotations

import hashlib

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from earmark.dialects._http import idempotency_of
from earmark.service import Idempotency

__all__ = ["mark_replayed", "promise_of"]


def promise_of(
    request: Request,
    response: Response,
    asked: BaseModel | None = None,
    *,
    fingerprint: str | None = None,
) -> Idempotency | None:
    """What the client promises of a request with this body; ``response`` tells of a replay.

    ``fingerprint`` is the SHA-256 (hex) of a body that was read by other means. Raises
    `InvalidInput` for a key that cannot be one.
    """
    body = "" if asked is None else asked.model_dump_json()
    return idempotency_of(
        request,
        f"POST {request.url.path}",
        fingerprint or hashlib.sha256(body.encode()).hexdigest(),
        on_replay=lambda: mark_replayed(response),
    )


def mark_replayed(response: Response) -> None:
    """Say that an earlier request with the same key has made this answer."""
    response.headers["Idempotency-Replayed"] = "true"
