"""The recording of a request: in its body, or at an address that it names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final, TypeVar

from fastapi.concurrency import contextmanager_in_threadpool
from starlette.requests import Request

from earmark.dialects._http import announced_bytes, at_length
from earmark.dialects._multipart import Writer, receive_body
from earmark.dialects.deepaffects._body import MAX_FIELD_BYTES, JsonBody
from earmark.dialects.deepaffects._names import NAME
from earmark.dialects.deepaffects._requests import DeleteRequest, Recorded, read
from earmark.errors import InvalidInput
from earmark.service import Caller, Media, Service, download

__all__ = ["at_hand", "receive", "receive_order", "with_recording"]

_FETCH_S: Final = 60.0
"""Seconds that fetching a recording may take while the client waits for the answer."""

AnyRecorded = TypeVar("AnyRecorded", bound=Recorded)
T = TypeVar("T")


async def receive(
    request: Request,
    service: Service,
    caller: Caller,
    model: type[AnyRecorded],
    *,
    at_once: bool,
) -> tuple[AnyRecorded, Media | None]:
    """What is asked, and the recording unless that is at a ``url``.

    Raises `InvalidInput`, and what storing the recording raises; nothing is kept then.
    """
    length = announced_bytes(request)

    def open_media() -> Writer[Media]:
        announced = None if length is None else max(0, length - MAX_FIELD_BYTES) * 3 // 4
        return service.media.writer(
            caller, dialect=NAME, owned=True, at_once=at_once, announced=announced
        )

    return await receive_body(request, JsonBody(open_media, partial(read, model)))


async def receive_order(request: Request) -> DeleteRequest:
    """A request about somebody that has no recording. Raises `InvalidInput`."""

    def refuse() -> Writer[Media]:
        raise InvalidInput("There is no need for a content here: leave it out.")

    asked, _ = await receive_body(request, JsonBody(refuse, partial(read, DeleteRequest)))
    return asked


async def with_recording(
    service: Service, caller: Caller, media: Media | None, work: Callable[[], T]
) -> T:
    """What ``work`` returns, which takes its time; the recording that came is deleted then.

    Raises `Unavailable` when too many of the caller's tenant wait already.
    """
    async with contextmanager_in_threadpool(service.media.for_request(media)):
        return await at_length(caller, work)


@contextmanager
def at_hand(
    service: Service, caller: Caller, asked: Recorded, media: Media | None
) -> Iterator[Media]:
    """The recording while it is needed for an answer at once; it is deleted then.

    Raises `FetchError` when it cannot be had from its address.
    """
    media = media or download(
        service, caller, asked.url or "", dialect=NAME, timeout_s=_FETCH_S, at_once=True
    )
    with service.media.for_request(media):
        yield media
