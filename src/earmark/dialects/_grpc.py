"""What gRPC dialects read from calls and answer in the same way.

A handler is a coroutine or an async generator. It admits its caller before it reads anything, does
its work within `refusing`, and calls what blocks through `run_sync`, or `at_length` where that may
take long. A call that is cancelled, or whose deadline passes, raises `asyncio.CancelledError` where
its handler waits: what has to be given back is given back in ``finally``.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, NoReturn, TypeAlias

import grpc
from anyio.to_thread import run_sync as run_sync

from earmark.dialects._http import at_length as at_length
from earmark.errors import EarmarkError, Kind, RateLimited, Unauthenticated
from earmark.live import CloseReason
from earmark.service import Caller, Scope, Service

__all__ = [
    "ENDINGS",
    "STATUS",
    "Context",
    "admit",
    "at_length",
    "key_of",
    "metadata_of",
    "refuse",
    "refusing",
    "run_sync",
]

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

STATUS: Final[Mapping[Kind, grpc.StatusCode]] = {
    Kind.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Kind.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Kind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Kind.FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    Kind.CONFLICT: grpc.StatusCode.FAILED_PRECONDITION,
    Kind.GONE: grpc.StatusCode.NOT_FOUND,
    Kind.TOO_LARGE: grpc.StatusCode.RESOURCE_EXHAUSTED,  # as gRPC has it for its own messages
    Kind.RATE_LIMITED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Kind.EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Kind.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Kind.INTERNAL: grpc.StatusCode.INTERNAL,
}

ENDINGS: Final[Mapping[CloseReason, grpc.StatusCode]] = {
    CloseReason.FINISHED: grpc.StatusCode.OK,
    CloseReason.IDLE: grpc.StatusCode.ABORTED,
    CloseReason.UNREAD: grpc.StatusCode.RESOURCE_EXHAUSTED,
    CloseReason.TOO_LONG: grpc.StatusCode.RESOURCE_EXHAUSTED,
    CloseReason.SHUTTING_DOWN: grpc.StatusCode.UNAVAILABLE,
    CloseReason.CANCELED: grpc.StatusCode.ABORTED,
    CloseReason.REVOKED: grpc.StatusCode.PERMISSION_DENIED,
    CloseReason.ABANDONED: grpc.StatusCode.ABORTED,
    CloseReason.FAILED: grpc.StatusCode.INTERNAL,
}
"""The status of a call whose live session has ended, by why it did."""

_LONGEST_DETAILS: Final = 1000  # characters; clients take 8 KiB of trailers, each up to 12 bytes


async def admit(
    service: Service, context: Context, route: str, *scopes: Scope, anonymous: bool = False
) -> Caller:
    """Who calls, from the key in the metadata; the call is counted, per key and ``route``.

    ``scopes``: the key needs one of them. ``anonymous``: a call without a key belongs to the tenant
    that the settings name for such. Raises `Unauthenticated`, `Forbidden` or `RateLimited`.
    """
    key = key_of(metadata_of(context))
    caller = await run_sync(partial(_caller, service, key, anonymous=anonymous))
    caller.require(*scopes)
    who = caller.key_id or f"{caller.tenant_id} {context.peer().rpartition(':')[0]}"
    limit = service.settings.rate_limit
    allowance = await run_sync(service.limits.hit, who, route, limit)
    if not allowance.allowed:
        wait = math.ceil(allowance.retry_after_s)
        raise RateLimited(
            f"More than {limit.replace('/', ' calls per ')}: try again in {wait} s.",
            retry_after_s=allowance.retry_after_s,
        )
    return caller


def metadata_of(context: Context) -> dict[str, str]:
    """What came with the call, by name in lower case; of a name that came twice, the first."""
    found: dict[str, str] = {}
    for name, value in context.invocation_metadata() or ():
        if isinstance(value, str):
            found.setdefault(name, value)
    return found


def key_of(metadata: Mapping[str, str]) -> str | None:
    """The API key: ``apikey``, ``authorization: Bearer`` or ``x-api-key``; None: there is none.

    An ``authorization`` of another kind, if nothing else came, is a key that will not be known:
    who sends it does not mean to be anonymous.
    """
    if key := metadata.get("apikey", "").strip():
        return key
    authorization = metadata.get("authorization", "").strip()
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return metadata.get("x-api-key", "").strip() or authorization or None


@asynccontextmanager
async def refusing(
    context: Context, *, say: Callable[[EarmarkError], str] = str
) -> AsyncIterator[None]:
    """Within, an error of ours ends the call: as `refuse` does, in the words of ``say``."""
    try:
        yield
    except EarmarkError as error:
        await refuse(context, error, say(error))


async def refuse(context: Context, error: EarmarkError, message: str | None = None) -> NoReturn:
    """End a call with the status of an error, and with its code in the trailers."""
    trailers = [("earmark-code", error.code)]
    if isinstance(error, RateLimited):
        trailers.append(("retry-after", str(math.ceil(error.retry_after_s))))
    details = (message or str(error))[:_LONGEST_DETAILS]
    await context.abort(STATUS[error.kind], details, tuple(trailers))


def _caller(service: Service, key: str | None, *, anonymous: bool) -> Caller:
    if key is None and anonymous and (caller := service.keys.anonymous()) is not None:
        return caller
    if key is None:
        raise Unauthenticated(
            "A key is needed: send it in the call's metadata, as authorization (Bearer em_…),"
            " x-api-key or apikey."
        )
    return service.keys.authenticate(key)
