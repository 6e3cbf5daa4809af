"""The real-time service: who speaks, chunk by chunk, by gRPC.

https://www.deepaffects.com/docs describes it, and the vendor's package has its messages; what both
leave open is decided in docs/deepaffects.md.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Mapping
from functools import partial
from typing import Final, NoReturn, TypeVar

import anyio
import grpc
import numpy as np
from anyio.to_thread import run_sync
from numpy.typing import NDArray

from earmark.audio import SAMPLE_RATE
from earmark.dialects._grpc import ENDINGS, Context, admit, metadata_of, refusing
from earmark.dialects._live import LiveFeed
from earmark.dialects.deepaffects._chunks import FORMAT, Place, Places, decode
from earmark.dialects.deepaffects._names import NAME, STRANGER
from earmark.dialects.deepaffects._people import People
from earmark.dialects.deepaffects._realtime_pb2 import DESCRIPTOR, SegmentChunk, SegmentSpeaker
from earmark.dialects.deepaffects._requests import read_speaker_ids
from earmark.errors import Conflict, EarmarkError, Kind, SessionOver
from earmark.live import Ended, Flushed, LiveConfig, LiveView, TurnState
from earmark.service import Caller, IdentifyOptions, Scope, Service

__all__ = ["grpc_services"]

_SERVICE: Final = DESCRIPTOR.services_by_name["DeepAffectsRealtime"]
_OFFERED: Final = "IdentifySpeaker"
_PAUSE_S: Final = 0.2
"""Between the answers to a chunk and the next one: the vendor's client drops what it has not read
once it fails to make a chunk, as it does where a recording ends with less than 3 s, and it makes
one as soon as the one before it was taken."""
_AT_ONCE: Final = 4  # chunks of one tenant that are decoded at the same time

T = TypeVar("T")


def grpc_services(server: grpc.aio.Server, service: Service) -> tuple[str, ...]:
    """Add the service to a gRPC server; its full name."""
    realtime = _Realtime(service)
    handlers = {
        method.name: grpc.stream_stream_rpc_method_handler(
            realtime.identify_speaker if method.name == _OFFERED else partial(_refuse, method.name),
            request_deserializer=SegmentChunk.FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )
        for method in _SERVICE.methods
    }
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(_SERVICE.full_name, handlers),)
    )
    return (_SERVICE.full_name,)


async def _refuse(method: str, _: AsyncIterator[SegmentChunk], context: Context) -> NoReturn:
    await context.abort(
        grpc.StatusCode.UNIMPLEMENTED,
        f"This server does not offer {method}: it tells no emotions. It offers {_OFFERED}.",
    )


class _Realtime:
    def __init__(self, service: Service) -> None:
        self._service = service
        self._decoding: defaultdict[str, anyio.CapacityLimiter] = defaultdict(
            lambda: anyio.CapacityLimiter(_AT_ONCE)
        )  # by tenant

    async def identify_speaker(self, chunks: AsyncIterator[SegmentChunk], context: Context) -> None:
        """Answer each chunk with who speaks in it, before the next one is read."""
        async with refusing(context, say=_in_their_words):
            caller = await admit(self._service, context, _SERVICE.full_name, Scope.LIVE)
            named = metadata_of(context).get("speakerids", "")
            wanted, identify = await run_sync(self._wanted, caller, named)
            async with LiveFeed.open(
                self._service, caller, LiveConfig(format=FORMAT), identify=identify, dialect=NAME
            ) as feed:
                call = _Call(feed)
                try:
                    while (chunk := await call.during(anext(chunks, None))) is not None:
                        for answer in await self._answer(caller, chunk, call, wanted):
                            await call.during(context.write(answer))
                        await call.during(asyncio.sleep(_PAUSE_S))
                except _OverError as over:
                    await context.abort(ENDINGS[over.ended.reason], over.ended.message)
                finally:
                    call.close()

    def _wanted(self, caller: Caller, named: str) -> tuple[Mapping[str, str], IdentifyOptions]:
        """Id -> ``speakerId`` of those who are looked for, and how.

        Raises `InvalidInput` for names that are none or nobody's, `Conflict` for those whose
        enrolment is not complete.
        """
        gallery_id, wanted = People(self._service, caller).wanted(
            read_speaker_ids(named), incomplete=Conflict
        )
        return wanted, IdentifyOptions(galleries=(gallery_id,), speakers=tuple(wanted))

    async def _answer(
        self, caller: Caller, chunk: SegmentChunk, call: _Call, wanted: Mapping[str, str]
    ) -> list[SegmentSpeaker]:
        """Who speaks in a chunk, or what is wrong with it."""
        try:
            samples = await call.during(
                run_sync(
                    decode,
                    chunk.content,
                    self._service.settings,
                    limiter=self._decoding[caller.tenant_id],
                )
            )
            place = call.places.put(chunk.segmentOffset, len(samples))
        except EarmarkError as error:
            end = chunk.segmentOffset + chunk.duration
            return [
                SegmentSpeaker(
                    id=chunk.id, start=chunk.segmentOffset, end=end, Error=_in_their_words(error)
                )
            ]
        return _answers(chunk.id, place, await call.hear(samples, place), wanted)


class _Call:
    """The session of one call, which may end before the client does."""

    def __init__(self, feed: LiveFeed) -> None:
        self.places = Places()
        self._feed = feed
        self._flushed = asyncio.Event()
        self._ending = asyncio.create_task(self._listen())

    async def during(self, work: Awaitable[T]) -> T:
        """The result of ``work``. Raises `_OverError` when the session ends before."""
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait((task, self._ending), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise _OverError(self._ending.result())
        finally:
            task.cancel()

    async def hear(self, samples: NDArray[np.float32], place: Place) -> LiveView:
        """What is known once a chunk was analysed to its end. Raises `_OverError`."""
        self._flushed.clear()
        silence = np.zeros(round(place.silence_s * SAMPLE_RATE), np.float32)
        await self._feed.push(np.concatenate([silence, samples]).astype("<f4").tobytes())
        try:
            await self._feed.flush()
        except SessionOver:
            raise _OverError(await self._ending) from None
        await self.during(self._flushed.wait())
        return self._feed.stream.snapshot()

    def close(self) -> None:
        self._ending.cancel()

    async def _listen(self) -> Ended:
        """Take events as they come, up to the last."""
        async for event in self._feed:
            if isinstance(event, Flushed):
                self._flushed.set()
            if isinstance(event, Ended):
                return event
        raise AssertionError("nobody else can take over a session that has no token")


class _OverError(Exception):
    def __init__(self, ended: Ended) -> None:
        super().__init__(ended.message)
        self.ended = ended


def _answers(
    chunk_id: int, place: Place, view: LiveView, wanted: Mapping[str, str]
) -> list[SegmentSpeaker]:
    answers = []
    for turn in view.turns:
        cut = place.cut(turn.start, turn.end)
        if turn.state is TurnState.WITHDRAWN or cut is None:
            continue
        identity = view.identities.get(turn.speaker)
        name = None if identity is None else wanted.get(identity.speaker_id)
        answers.append(
            SegmentSpeaker(
                id=chunk_id,
                speaker_id=name or STRANGER,
                start=round(cut[0], 3),
                end=round(cut[1], 3),
                identification_score=0.0 if identity is None else identity.probability,
            )
        )
    return answers


def _in_their_words(error: EarmarkError) -> str:
    return "Invalid ApiKey" if error.kind is Kind.UNAUTHENTICATED else str(error)
