"""The gRPC server: who calls, what refusals look like, how long messages are, how calls end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from earmark.dialects._grpc import STATUS, Context, admit, refusing
from earmark.errors import Kind, NotFound
from earmark.server._dialects import Dialect
from earmark.server._grpc import GrpcServer
from earmark.server._metrics import Metrics
from earmark.service import Scope, Service
from earmark.settings import Settings

SERVICE = "earmark.test.Door"
LONGEST = 1 << 20

Channel = grpc.aio.Channel


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    settings = Settings(
        data_dir=tmp_path, anonymous_tenant="nobody", grpc_message_bytes=LONGEST, rate_limit="4/day"
    )
    service = Service.open(settings)
    yield service
    service.close()


@pytest.fixture
def key(service: Service) -> str:
    return service.keys.create("ann", [Scope.LIVE], "a test's").token


class Door:
    """A service that tells who calls, refuses, and holds calls open."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.canceled = asyncio.Event()

    async def who(self, request: bytes, context: Context) -> bytes:
        async with refusing(context):
            caller = await admit(
                self._service, context, "Who", Scope.LIVE, anonymous=request == b"anyone"
            )
        return (caller.key_id or "nobody").encode()

    async def fail(self, request: bytes, context: Context) -> AsyncIterator[bytes]:
        async with refusing(context, say=lambda error: f"{error} äöü" + 5000 * "!"):
            yield request
            raise NotFound("There is no such thing.")

    async def break_(self, _: bytes, __: Context) -> bytes:
        raise ValueError("secrets of the inside")

    async def hold(self, request: bytes, _: Context) -> AsyncIterator[bytes]:
        try:
            yield request
            await asyncio.Event().wait()
        finally:
            self.canceled.set()

    def add(self, server: grpc.aio.Server, _: Service) -> tuple[str, ...]:
        handlers = {
            "Who": grpc.unary_unary_rpc_method_handler(self.who),
            "Fail": grpc.unary_stream_rpc_method_handler(self.fail),
            "Break": grpc.unary_unary_rpc_method_handler(self.break_),
            "Hold": grpc.unary_stream_rpc_method_handler(self.hold),
        }
        generic = grpc.method_handlers_generic_handler(SERVICE, handlers)
        server.add_generic_rpc_handlers((generic,))
        return (SERVICE,)


@asynccontextmanager
async def serving(service: Service, door: Door) -> AsyncIterator[tuple[GrpcServer, Channel]]:
    dialect = Dialect(name="test", mounts=lambda _: {}, grpc=door.add)
    server = GrpcServer(service, [dialect], Metrics(service))
    address = await server.start("127.0.0.1", 0, None)
    options = (("grpc.max_receive_message_length", -1),)
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        yield server, channel
    await server.stop(0.0)


def run(service: Service, program: Callable[[GrpcServer, Channel, Door], Awaitable[None]]) -> None:
    async def main() -> None:
        door = Door(service)
        async with serving(service, door) as (server, channel):
            await program(server, channel, door)

    asyncio.run(main())


def trailers(error: grpc.aio.AioRpcError) -> dict[str, str]:
    told: Any = error.trailing_metadata()
    return dict(told)


async def refused(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return raised.value


def test_who_calls(service: Service, key: str) -> None:
    key_id = service.keys.authenticate(key).key_id
    other = service.keys.create("ann", [Scope.JOBS], "another").token

    async def program(_: GrpcServer, channel: Channel, __: Door) -> None:
        who = channel.unary_unary(f"/{SERVICE}/Who", None, None)
        for name, value in (
            ("authorization", f"Bearer {key}"),
            ("x-api-key", key),
            ("apikey", key),
        ):
            assert await who(b"", metadata=((name, value),)) == str(key_id).encode()
        assert await who(b"anyone") == b"nobody"

        error = await refused(who(b""))
        assert error.code() is grpc.StatusCode.UNAUTHENTICATED
        assert trailers(error)["earmark-code"] == "key.unknown"
        error = await refused(who(b"anyone", metadata=(("authorization", "Basic eA=="),)))
        assert error.code() is grpc.StatusCode.UNAUTHENTICATED
        error = await refused(who(b"", metadata=(("apikey", other),)))
        assert error.code() is grpc.StatusCode.PERMISSION_DENIED
        assert "'live'" in str(error.details())

        await who(b"", metadata=(("apikey", key),))
        error = await refused(who(b"", metadata=(("apikey", key),)))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert trailers(error)["earmark-code"] == "rate.limited"
        assert int(trailers(error)["retry-after"]) > 0

    run(service, program)


def test_an_error_ends_a_call_after_what_it_has_told(service: Service) -> None:
    async def program(_: GrpcServer, channel: Channel, __: Door) -> None:
        call = channel.unary_stream(f"/{SERVICE}/Fail", None, None)(b"told")
        assert await call.read() == b"told"
        error = await refused(call.read())
        assert error.code() is grpc.StatusCode.NOT_FOUND
        assert str(error.details()).startswith("There is no such thing. äöü!!")
        assert len(str(error.details())) == 1000

    run(service, program)


def test_a_defect_is_told_without_its_inside(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    async def program(_: GrpcServer, channel: Channel, __: Door) -> None:
        error = await refused(channel.unary_unary(f"/{SERVICE}/Break", None, None)(b""))
        assert error.code() is grpc.StatusCode.INTERNAL
        assert "secrets" not in str(error.details())

    run(service, program)
    assert "secrets of the inside" in caplog.text


def test_the_longest_message(service: Service) -> None:
    async def program(_: GrpcServer, channel: Channel, __: Door) -> None:
        fail = channel.unary_stream(f"/{SERVICE}/Fail", None, None)
        assert await fail(bytes(LONGEST)).read() == bytes(LONGEST)
        error = await refused(fail(bytes(LONGEST + 1)).read())
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED

    run(service, program)


def test_a_call_that_is_canceled_lets_go_at_once(service: Service) -> None:
    async def program(_: GrpcServer, channel: Channel, door: Door) -> None:
        call = channel.unary_stream(f"/{SERVICE}/Hold", None, None)(b"on")
        assert await call.read() == b"on"
        assert not door.canceled.is_set()
        call.cancel()
        await asyncio.wait_for(door.canceled.wait(), 30)

    run(service, program)


def test_a_deadline_lets_go_at_once(service: Service) -> None:
    async def program(_: GrpcServer, channel: Channel, door: Door) -> None:
        call = channel.unary_stream(f"/{SERVICE}/Hold", None, None)(b"on", timeout=0.3)
        assert await call.read() == b"on"
        assert (await refused(call.read())).code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await asyncio.wait_for(door.canceled.wait(), 30)

    run(service, program)


def test_a_server_that_stops_says_so_to_open_calls(service: Service) -> None:
    async def program(server: GrpcServer, channel: Channel, door: Door) -> None:
        call = channel.unary_stream(f"/{SERVICE}/Hold", None, None)(b"on")
        assert await call.read() == b"on"
        await server.stop(0.0)
        error = await refused(call.read())
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert error.details() == "The server is shutting down: call again in a moment."
        assert door.canceled.is_set()

    run(service, program)


def test_every_kind_of_error_has_a_status() -> None:
    assert STATUS.keys() == set(Kind)
    assert grpc.StatusCode.OK not in STATUS.values()
