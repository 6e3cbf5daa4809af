"""Headers of deliveries by Standard Webhooks, https://www.standardwebhooks.com."""

from __future__ import annotations

import base64
import hashlib
import hmac

__all__ = ["SCHEDULE_S", "signed_headers"]

_MINUTE, _HOUR = 60.0, 3600.0

SCHEDULE_S = (
    0.0,
    5.0,
    5 * _MINUTE,
    30 * _MINUTE,
    2 * _HOUR,
    5 * _HOUR,
    10 * _HOUR,
    14 * _HOUR,
    20 * _HOUR,
    24 * _HOUR,
)
"""The waits before ten attempts over about 75 hours."""


def signed_headers(secret: str, delivery_id: str, body: bytes, now: float) -> dict[str, str]:
    """Id, time and signature of a JSON delivery; the id is the same in every attempt."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join([delivery_id.encode(), str(int(now)).encode(), body])
    signature = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return {
        "Content-Type": "application/json",
        "webhook-id": delivery_id,
        "webhook-timestamp": str(int(now)),
        "webhook-signature": f"v1,{signature}",
    }
