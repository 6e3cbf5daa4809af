"""A remote recording, byte by byte."""

from __future__ import annotations

from collections.abc import Iterator

from earmark.errors import EmptyAudio, FetchError, MediaTooLarge
from earmark.service._http import Http, Incoming

__all__ = ["fetch"]

_AGAIN = frozenset({408, 425, 429, *range(500, 600)})  # statuses after which another try may help


def fetch(url: str, *, http: Http, limit_bytes: int, timeout_s: float) -> Iterator[bytes]:
    """The bytes of a remote recording, in chunks as they come; closing the iterator hangs up.

    What was handed out before an error is not a recording: throw it away.

    Raises:
        InvalidOption: ``url`` is no URL.
        AddressForbidden: this server does not connect there.
        FetchError: it cannot be had, in whole and in time.
        MediaTooLarge: it has more than ``limit_bytes``; before the first chunk if it says so.
        EmptyAudio: it has no bytes.
    """
    with http.stream(url, timeout_s=timeout_s) as incoming:
        _check(incoming, limit_bytes)
        size = 0
        for chunk in incoming.chunks:
            size += len(chunk)
            if size > limit_bytes:
                raise _too_large(incoming, size, limit_bytes)
            yield chunk
        if size == 0:
            raise EmptyAudio(f"{incoming.url} has no bytes: give the URL of a recording.")


def _check(incoming: Incoming, limit_bytes: int) -> None:
    if not 200 <= incoming.status < 300:
        raise FetchError(
            f"{incoming.url} answered with status {incoming.status}.",
            reason="status",
            transient=incoming.status in _AGAIN,
            retry_after_s=incoming.retry_after_s,
        )
    encoding = incoming.headers.get("content-encoding", "identity")
    if encoding.strip().lower() not in ("", "identity"):
        raise FetchError(
            f"{incoming.url} is sent with content encoding {encoding[:40]!r}, which was not asked"
            " for: serve the recording as it is.",
            reason="protocol",
        )
    if incoming.length is not None and incoming.length > limit_bytes:
        raise _too_large(incoming, incoming.length, limit_bytes)


def _too_large(incoming: Incoming, size: int, limit: int) -> MediaTooLarge:
    return MediaTooLarge(
        f"{incoming.url} has {size} bytes or more, and {limit} are accepted.",
        size=size,
        limit=limit,
    )
