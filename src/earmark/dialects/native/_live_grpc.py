"""``earmark.v1.Live``: live sessions by gRPC, the same as by WebSocket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Final

import grpc
from google.protobuf.json_format import MessageToDict, ParseDict
from pydantic import BaseModel

from earmark.dialects import MAX_MESSAGE_BYTES
from earmark.dialects._grpc import ENDINGS, Context, admit, refusing
from earmark.dialects.native._live_conversation import Conversation, parsed
from earmark.dialects.native._live_pb2 import DESCRIPTOR, FromClient, FromServer
from earmark.dialects.native._live_requests import Finish, Resume
from earmark.dialects.native._live_requests import FromClient as Said
from earmark.errors import InvalidInput
from earmark.live import CloseReason
from earmark.service import Caller, Scope, Service

__all__ = ["grpc_services"]

_SERVICE: Final = DESCRIPTOR.services_by_name["Live"].full_name
_EVERY_MESSAGE: Final = ("received_bytes", "number", "at")


def grpc_services(server: grpc.aio.Server, service: Service) -> tuple[str, ...]:
    """Add what this API has by gRPC to a server; the full names."""

    async def listen(said: AsyncIterator[FromClient], context: Context) -> None:
        async with refusing(context):
            caller = await admit(service, context, _SERVICE, Scope.LIVE)
            ended = await _Call(service, caller, said, context).hold()
        if ended.reason is not CloseReason.FINISHED:
            await context.abort(ENDINGS[ended.reason], ended.message)

    handler = grpc.stream_stream_rpc_method_handler(
        listen,
        request_deserializer=FromClient.FromString,
        response_serializer=FromServer.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(_SERVICE, {"Listen": handler}),)
    )
    return (_SERVICE,)


class _Call(Conversation):
    """A conversation by gRPC."""

    def __init__(
        self, service: Service, caller: Caller, said: AsyncIterator[FromClient], context: Context
    ) -> None:
        super().__init__(service, caller)
        self._said = said
        self._context = context
        self._saying = asyncio.Lock()  # gRPC sends one message at a time
        self._finished = False

    async def _receive(self) -> bytes | Said:
        message = await anext(self._said, None)
        if message is not None:
            said = _read(message)
            # Who resumes may have finished already.
            self._finished = self._finished or isinstance(said, Finish | Resume)
            return said
        if not self._finished:  # this is also how a call that breaks off looks at first
            raise InvalidInput("The messages ended without 'finish'.")
        never: asyncio.Future[Said] = asyncio.get_running_loop().create_future()
        return await never  # the events are still to come

    async def _say(self, message: BaseModel) -> None:
        async with self._saying:
            await self._context.write(_message(message))


def _read(message: FromClient) -> bytes | Said:
    """What a client says. Raises `InvalidInput`."""
    kind = message.WhichOneof("message")
    if kind is None:
        raise InvalidInput(
            "A message has one of start, resume, sound, acknowledge, flush, finish and ping."
        )
    if kind == "sound":
        if len(message.sound) > MAX_MESSAGE_BYTES:
            raise InvalidInput(
                f"A message has at most {MAX_MESSAGE_BYTES} bytes of sound, not"
                f" {len(message.sound)}: send it in more messages."
            )
        return message.sound
    fields = MessageToDict(
        getattr(message, kind),
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )
    if fields.get("false_accept_rate") == 0:
        fields["false_accept_rate"] = None
    return parsed(json.dumps({"type": kind, **fields}))


def _message(message: BaseModel) -> FromServer:
    """A message of the server: its type is the name of the field that holds the rest."""
    said = message.model_dump(mode="json", by_alias=False, exclude={"schema_"})
    kind = said.pop("type")
    shared = {name: said.pop(name) for name in _EVERY_MESSAGE if name in said}
    return ParseDict(shared | {kind: said}, FromServer())
