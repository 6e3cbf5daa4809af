"""What a call has made in a thread, and what becomes of it when the call is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from earmark.dialects._grpc import run_sync
from earmark.errors import EarmarkError

__all__ = ["made"]

T = TypeVar("T")


_going_on: Final[set[asyncio.Task[None]]] = set()  # the loop alone would forget them


async def made(make: Callable[[], T], undo: Callable[[T], object] = lambda _: None) -> T:
    """What is made in a thread; undone when the call is cancelled meanwhile.

    It is made in any case: `run_sync` would not begin, or leave behind what nobody knows of.
    """
    making = asyncio.ensure_future(run_sync(make))
    try:
        return await asyncio.shield(making)
    except asyncio.CancelledError:
        undoing = asyncio.create_task(_undo(making, undo))
        _going_on.add(undoing)
        undoing.add_done_callback(_going_on.discard)
        await asyncio.shield(undoing)
        raise


async def _undo(making: asyncio.Future[T], undo: Callable[[T], object]) -> None:
    with suppress(EarmarkError):
        await run_sync(undo, await making)
