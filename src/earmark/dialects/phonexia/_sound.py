"""The recording of a call, written to the media store while its messages arrive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeVar

from phonexia.grpc.common.core_pb2 import Audio

from earmark.dialects.phonexia._names import NAME
from earmark.dialects.phonexia._raw_audio import wav_head, wav_seconds
from earmark.dialects.phonexia._threads import made
from earmark.errors import EmptyAudio, InvalidInput
from earmark.service import Caller, Media, MediaWriter, Service

__all__ = ["Heard", "Sound", "first_of", "kept_sound", "patiently"]

SILENCE_S: Final = 60.0
"""How long a client may send nothing in the middle of a call."""

BLOCK_BYTES: Final = 1 << 18
"""What arrives is written in pieces of at least this size: one trip to a thread for each."""

_NOTHING: Final = "The call brought no audio: send a recording."


@dataclass(frozen=True, kw_only=True, slots=True)
class Sound:
    """The recording of a call; ``seconds`` is how long it is, None where its head does not say."""

    media: Media
    seconds: float | None


class Heard(Protocol):
    """A request that brings audio."""

    @property
    def audio(self) -> Audio: ...


H = TypeVar("H", bound=Heard)
M = TypeVar("M")


async def patiently(requests: AsyncIterator[M]) -> AsyncIterator[M]:
    """The requests of a call. Raises `InvalidInput` when the client falls silent."""
    messages = aiter(requests)
    while True:
        try:
            async with asyncio.timeout(SILENCE_S):
                request = await anext(messages)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise InvalidInput(
                f"Nothing came for {SILENCE_S:.0f} s: send what is to be analysed without such"
                " breaks, and close the stream after it."
            ) from error
        yield request


async def first_of(requests: AsyncIterator[M]) -> M:
    """The first request, which says what is asked. Raises `EmptyAudio` when there is none."""
    async for request in requests:
        return request
    raise EmptyAudio(_NOTHING)


@asynccontextmanager
async def kept_sound(
    service: Service, caller: Caller, first: H, rest: AsyncIterator[H]
) -> AsyncIterator[Sound]:
    """The audio of a call, whose first message says what it is; kept until the call is answered.

    Raises `EmptyAudio`, `InvalidOption` for raw audio that cannot be, `InvalidInput` as
    `patiently`, and what storing it raises.
    """
    sound = await _receive(service, caller, first, rest)
    try:
        yield sound
    finally:
        await made(partial(_discard, service, sound.media))


async def _receive(service: Service, caller: Caller, first: H, rest: AsyncIterator[H]) -> Sound:
    raw = first.audio.HasField("raw_audio_config")
    block = bytearray(wav_head(first.audio.raw_audio_config) if raw else b"")
    before = len(block)
    block += first.audio.content
    head = b""
    writer = await made(
        partial(service.media.writer, caller, dialect=NAME, owned=True, at_once=True),
        MediaWriter.abort,
    )
    try:
        async for request in rest:
            block += request.audio.content
            if len(block) >= BLOCK_BYTES:
                head = head or bytes(block)
                await made(partial(writer.write, bytes(block)))
                block.clear()
        head = head or bytes(block)
        if len(head) == before:
            raise EmptyAudio(_NOTHING)
        await made(partial(writer.write, bytes(block)))
        media = await made(writer.commit, partial(_discard, service))
    except BaseException:
        await made(writer.abort)
        raise
    return Sound(media=media, seconds=wav_seconds(head, media.size))


def _discard(service: Service, media: Media) -> None:
    """Delete a recording, unless a job has taken it."""
    with service.media.for_request(media):
        pass
