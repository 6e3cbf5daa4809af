"""JSON bodies that are read by hand, and what is said of requests that come twice."""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request

from earmark.errors import InvalidInput

__all__ = ["REPLAYED", "read_json"]

REPLAYED = "Idempotency-Replayed"
"""Header of an answer that an earlier request with the same key has made."""

MAX_JSON_BYTES = 256 << 10


async def read_json(request: Request) -> bytes:
    """The body; raises `InvalidInput` when it is longer than any sensible one, or breaks off."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_JSON_BYTES:
                raise InvalidInput(f"A JSON body has at most {MAX_JSON_BYTES} bytes.")
    except ClientDisconnect as error:
        raise InvalidInput("The connection was closed before the request was complete.") from error
    return bytes(body)
