"""What dialects read from requests and write into answers in the same way."""

from __future__ import annotations

import hashlib
import math
import re
from collections import defaultdict
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from anyio.to_thread import run_sync
from fastapi.routing import APIRoute
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from earmark.errors import InvalidInput, RateLimited, Unavailable
from earmark.service import Idempotency
from earmark.service import iso as iso
from earmark.settings import Settings

if TYPE_CHECKING:
    from earmark.service import Allowance, Caller, RateLimits

__all__ = [
    "MAX_JSON_BYTES",
    "JsonRoute",
    "RateLimitHeaders",
    "absolute_url",
    "announced_bytes",
    "at_length",
    "idempotency_of",
    "iso",
    "key_of",
    "limit_rate",
]

MAX_JSON_BYTES = 2 << 20
"""Longest body that is read whole: fifty voiceprints of 20 000 characters fit in."""

FORM_OVERHEAD_BYTES = 64 << 10
"""How much longer than its file a form may be."""

_LENGTHY = anyio.CapacityLimiter(40)
_LENGTHY_OF_ONE: defaultdict[str, anyio.CapacityLimiter] = defaultdict(
    lambda: anyio.CapacityLimiter(6)
)  # by tenant
_LONGEST_QUEUE = 60

T = TypeVar("T")


async def at_length(caller: Caller, function: Callable[..., T], /, *arguments: object) -> T:
    """Call what may take long, such as fetching a recording, or waiting for the engine.

    This has threads of its own, some for each tenant, so that quick requests and those of others
    never wait for it. Raises `Unavailable` when too many of the caller's tenant wait already, and
    what ``function`` raises.
    """
    own = _LENGTHY_OF_ONE[caller.tenant_id]
    waiting = own.statistics().tasks_waiting
    if waiting >= _LONGEST_QUEUE:
        raise Unavailable(
            f"{waiting} requests of yours wait until others of yours are answered: send this one"
            " again later."
        )
    async with own:
        return await run_sync(partial(function, *arguments), limiter=_LENGTHY)


def key_of(request: HTTPConnection) -> str | None:
    """The API key: ``Authorization: Bearer``, else ``X-API-Key``; None when there is none.

    Credentials of another kind, if nothing else came, are a key that will not be known: who sends
    them does not mean to be anonymous.
    """
    authorization = request.headers.get("authorization", "").strip()
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return request.headers.get("x-api-key", "").strip() or authorization or None


def absolute_url(request: Request, path: str, settings: Settings) -> str:
    """The address of ``path``, which begins with the dialect's prefix, as clients reach it."""
    if settings.public_url is not None:
        return settings.public_url.rstrip("/") + path
    return f"{request.url.scheme}://{request.url.netloc}{settings.root_path}{path}"


def announced_bytes(request: Request, *, form: bool = False) -> int | None:
    """The size of the recording that the request says it brings; None when it does not say.

    Of a form this is less than the recording really has, by what is written around it.
    """
    announced = request.headers.get("content-length", "")
    if not re.fullmatch(r"[0-9]{1,18}", announced):
        return None
    return max(0, int(announced) - FORM_OVERHEAD_BYTES) if form else int(announced)


def idempotency_of(
    request: Request,
    route: str,
    body_fingerprint: str,
    *,
    on_replay: Callable[[], object] = lambda: None,
) -> Idempotency | None:
    """The promise in the header ``Idempotency-Key``; None without that header.

    Raises `InvalidInput` for a key that is empty, longer than 255 characters, or not printable.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not re.fullmatch(r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?", key):
        raise InvalidInput(
            f"An Idempotency-Key has 1 to 255 printable ASCII characters, not {key[:300]!r}."
        )
    fingerprint = hashlib.sha256(f"{route}\n{body_fingerprint}".encode()).hexdigest()
    return Idempotency(key=key, fingerprint=fingerprint, on_replay=on_replay)


def limit_rate(
    request: HTTPConnection, limits: RateLimits, *, who: str, route: str, limit: str
) -> Allowance:
    """Count this request; `RateLimitHeaders` tells the client where it stands.

    ``limit`` is such as "100/minute". Raises `RateLimited` when it is passed.
    """
    allowance = limits.hit(who, route, limit)
    request.state.allowance = allowance
    if not allowance.allowed:
        wait = math.ceil(allowance.retry_after_s)
        raise RateLimited(
            f"More than {limit.replace('/', ' requests per ')}: try again in {wait} s.",
            retry_after_s=allowance.retry_after_s,
        )
    return allowance


class JsonRoute(APIRoute):
    """A route that answers 413 to a body of more than `MAX_JSON_BYTES` where it is read whole.

    That is by FastAPI, or with ``await request.body()``; what is streamed has limits of its own.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            return await handle(_JsonRequest(request.scope, request.receive))

        return bounded


class _JsonRequest(Request):
    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            self._check(announced_bytes(self) or 0)
            body = bytearray()
            try:
                async for chunk in self.stream():
                    body += chunk
                    self._check(len(body))
            except ClientDisconnect as error:
                raise InvalidInput("The connection was closed before the body was read.") from error
            self._body = bytes(body)
        return self._body

    def _check(self, size: int) -> None:
        if size > MAX_JSON_BYTES:  # as the one exception that FastAPI passes on
            raise HTTPException(413, f"A JSON body has at most {MAX_JSON_BYTES} bytes.")


class RateLimitHeaders:
    """ASGI middleware: ``X-RateLimit-*`` on every answer to a request that was counted.

    ``X-RateLimit-Reset`` is seconds since 1970; ``Retry-After``, seconds, comes with a refusal.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope.setdefault("state", {})

        async def tell(message: Message) -> None:
            allowance: Allowance | None = state.get("allowance")
            if message["type"] == "http.response.start" and allowance is not None:
                headers = MutableHeaders(scope=message)
                headers["X-RateLimit-Limit"] = str(allowance.limit)
                headers["X-RateLimit-Remaining"] = str(allowance.remaining)
                headers["X-RateLimit-Reset"] = str(math.ceil(allowance.reset_at))
                if not allowance.allowed:
                    headers["Retry-After"] = str(math.ceil(allowance.retry_after_s))
            await send(message)

        await self._app(scope, receive, tell)
