"""gRPC: health, reflection, and what dialects add."""

from __future__ import annotations

import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

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


class GrpcServer:
    """A grpc.aio server with the standard health and reflection services."""

    def __init__(self, service: Service, dialects: Iterable[Dialect], metrics: Metrics) -> None:
        self._server = grpc.aio.server(
            interceptors=(_Clock(metrics),),
            options=(("grpc.so_reuseport", 0),),  # a port in use is an error
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
        """Take no more calls; open ones have so long to end."""
        await self._server.stop(grace_s)


class _Clock(grpc.aio.ServerInterceptor):  # type: ignore[type-arg] # generic only in its stubs
    """Times every call of a known method, which must be a coroutine or an async generator."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

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
        timed = self._generator if inspect.isasyncgenfunction(behaviour) else self._coroutine
        make = getattr(grpc, f"{kind}_rpc_method_handler")
        made: _Handler = make(
            timed(behaviour, details.method),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )
        return made

    def _coroutine(self, behaviour: Any, method: str) -> Any:
        async def call(request: Any, context: Any) -> Any:
            began = time.perf_counter()
            try:
                return await behaviour(request, context)
            finally:
                self._note(method, context, began)

        return call

    def _generator(self, behaviour: Any, method: str) -> Any:
        async def call(request: Any, context: Any) -> AsyncIterator[Any]:
            began = time.perf_counter()
            try:
                async for answer in behaviour(request, context):
                    yield answer
            finally:
                self._note(method, context, began)

        return call

    def _note(self, method: str, context: Any, began: float) -> None:
        code = context.code() or grpc.StatusCode.OK
        name = code.name if isinstance(code, grpc.StatusCode) else str(code)
        self._metrics.grpc_call(method=method, code=name, duration_s=time.perf_counter() - began)
