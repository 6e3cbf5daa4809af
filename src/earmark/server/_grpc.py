"""gRPC: health, reflection, and what dialects add."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from earmark.server._dialects import Dialect
from earmark.server._http import port_taken
from earmark.server._metrics import Metrics
from earmark.server._tls import Tls
from earmark.service import Service

__all__ = ["GrpcServer"]

if TYPE_CHECKING:
    _Handler = grpc.RpcMethodHandler[Any, Any]

_log = logging.getLogger(__name__)

_DEFECT: Final = "The server met a defect: its log tells more."
_STOPPING: Final = "The server is shutting down: call again in a moment."
_AHEAD_BYTES: Final = 256 << 10
_TIDY_S: Final = 1.0  # for calls that are ended with the sentence above


class GrpcServer:
    """A grpc.aio server with the standard health and reflection services."""

    def __init__(self, service: Service, dialects: Iterable[Dialect], metrics: Metrics) -> None:
        self._calls = _Calls(metrics)
        longest = service.settings.grpc_message_bytes
        self._server = grpc.aio.server(
            interceptors=(self._calls,),
            options=(
                ("grpc.so_reuseport", 0),  # a port in use is an error
                ("grpc.max_receive_message_length", longest),
                ("grpc.max_send_message_length", longest),
                # What clients send ahead of what is read, which would grow to megabytes.
                ("grpc.http2.bdp_probe", 0),
                ("grpc.http2.lookahead_bytes", _AHEAD_BYTES),
            ),
        )
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined] # not in its stubs
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._names = tuple(
            name for each in dialects if each.grpc for name in each.grpc(self._server, service)
        )
        reflection.enable_server_reflection(
            (health.SERVICE_NAME, reflection.SERVICE_NAME, *self._names), self._server
        )

    async def start(self, host: str, port: int, tls: Tls | None) -> str:
        """Serve; the address that was bound. Raises `Unavailable`."""
        wanted = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if tls is None:
                bound = self._server.add_insecure_port(wanted)
            else:
                pair = (tls.key.read_bytes(), tls.cert.read_bytes())
                bound = self._server.add_secure_port(wanted, grpc.ssl_server_credentials([pair]))
        except RuntimeError as error:
            raise port_taken(host, port, "gRPC") from error
        await self._server.start()
        for name in ("", *self._names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        return f"{wanted.rpartition(':')[0]}:{bound}"

    async def drain(self) -> None:
        """Tell who watches the health that nothing new should come here."""
        await self._health.enter_graceful_shutdown()

    async def stop(self, grace_s: float) -> None:
        """Take no more calls; open ones have so long to end, and then are told why they are."""
        stopping = asyncio.create_task(self._server.stop(grace_s + _TIDY_S))
        await asyncio.wait((stopping,), timeout=grace_s)
        self._calls.end()
        await stopping


class _Calls(grpc.aio.ServerInterceptor):  # type: ignore[type-arg] # generic only in its stubs
    """Times every call of a known method, which must be a coroutine or an async generator.

    A call that is ended here, canceled, or past its deadline is canceled where its handler waits.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._open: set[asyncio.Task[Any]] = set()
        self._over = False

    def end(self) -> None:
        """End all open calls with UNAVAILABLE."""
        self._over = True
        for task in self._open:
            task.cancel()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Handler]],
        details: grpc.HandlerCallDetails,
    ) -> _Handler:
        handler: Any = await continuation(details)
        if handler is None:  # no such method
            return handler  # type: ignore[return-value] # as its documentation asks
        kind = "_".join(
            "stream" if streaming else "unary"
            for streaming in (handler.request_streaming, handler.response_streaming)
        )
        behaviour = getattr(handler, kind)
        watched = self._generator if inspect.isasyncgenfunction(behaviour) else self._coroutine
        make = getattr(grpc, f"{kind}_rpc_method_handler")
        made: _Handler = make(
            watched(behaviour, details.method),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )
        return made

    def _coroutine(self, behaviour: Any, method: str) -> Any:
        async def call(request: Any, context: Any) -> Any:
            async with self._watched(method, context):
                return await behaviour(request, context)

        return call

    def _generator(self, behaviour: Any, method: str) -> Any:
        # As a coroutine that writes, so that whatever cancels the call reaches the generator.
        async def call(request: Any, context: Any) -> None:
            async with (
                self._watched(method, context),
                aclosing(behaviour(request, context)) as answers,
            ):
                async for answer in answers:
                    await context.write(answer)

        return call

    @asynccontextmanager
    async def _watched(self, method: str, context: Any) -> AsyncIterator[None]:
        began = time.perf_counter()
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if not self._over:
                raise
            await context.abort(grpc.StatusCode.UNAVAILABLE, _STOPPING)
        except grpc.aio.AbortError:
            raise
        except Exception:  # noqa: BLE001 - else gRPC tells the client what it says
            _log.exception("A gRPC call of %s met a defect.", method)
            await context.abort(grpc.StatusCode.INTERNAL, _DEFECT)
        finally:
            self._open.discard(task)
            code = context.code() or grpc.StatusCode.OK
            name = code.name if isinstance(code, grpc.StatusCode) else str(code)
            duration_s = time.perf_counter() - began
            self._metrics.grpc_call(method=method, code=name, duration_s=duration_s)
