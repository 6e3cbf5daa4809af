"""Running plans, with and without asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from typing import TypeVar

import httpx

from earmark.client._steps import Do, HangUp, Listen, NextLine, Plan, Send, Sleep, Step

__all__ = ["AsyncRunner", "SyncRunner"]

T = TypeVar("T")


class SyncRunner:
    """Runs plans on an `httpx.Client`."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def run(self, plan: Plan[T]) -> T:
        with ExitStack() as open_stream:
            lines = _Lines()
            try:
                step = next(plan)
                while True:
                    try:
                        answer = self._perform(step, open_stream, lines)
                    except httpx.TransportError as error:
                        step = plan.throw(error)
                    else:
                        step = plan.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result

    def _perform(self, step: Step, open_stream: ExitStack, lines: _Lines) -> object:
        match step:
            case Send():
                return self._http.request(
                    step.method, step.path, params=step.params, headers=step.headers, **step.body
                )
            case Listen():
                stream = self._http.stream(
                    "GET", step.path, headers=step.headers, timeout=step.timeout_s
                )
                response = open_stream.enter_context(stream)
                if response.status_code != 200:
                    response.read()
                lines.sync = response.iter_lines()
                return response
            case NextLine():
                return next(lines.sync, None)
            case HangUp():
                open_stream.close()
            case Sleep():
                time.sleep(step.seconds)
            case Do():
                return step.work()
        return None


class AsyncRunner:
    """Runs plans on an `httpx.AsyncClient`."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def run(self, plan: Plan[T]) -> T:
        async with AsyncExitStack() as open_stream:
            lines = _Lines()
            try:
                step = next(plan)
                while True:
                    try:
                        answer = await self._perform(step, open_stream, lines)
                    except httpx.TransportError as error:
                        step = plan.throw(error)
                    else:
                        step = plan.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result

    async def _perform(self, step: Step, open_stream: AsyncExitStack, lines: _Lines) -> object:
        match step:
            case Send():
                return await self._http.request(
                    step.method, step.path, params=step.params, headers=step.headers, **step.body
                )
            case Listen():
                stream = self._http.stream(
                    "GET", step.path, headers=step.headers, timeout=step.timeout_s
                )
                response = await open_stream.enter_async_context(stream)
                if response.status_code != 200:
                    await response.aread()
                lines.asynchronous = response.aiter_lines()
                return response
            case NextLine():
                return await anext(lines.asynchronous, None)
            case HangUp():
                await open_stream.aclose()
            case Sleep():
                await asyncio.sleep(step.seconds)
            case Do():
                return await asyncio.to_thread(step.work)
        return None


class _Lines:
    """The lines of the stream that a plan has open."""

    sync: Iterator[str]
    asynchronous: AsyncIterator[str]
