"""Requests that take long, beside quick ones and those of others."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from anyio.to_thread import current_default_thread_limiter

from audio_samples import make
from earmark.dialects._http import at_length
from earmark.errors import Unavailable
from earmark.server import create_app
from earmark.service import Caller, Scope, Service
from earmark.settings import Settings
from earmark.storage._schema import media
from voices import a_voice

WAV = make("wav-s16", 1.0)
CONTENT = base64.b64encode(WAV).decode()
DEEPAFFECTS = "/audio/generic/api/v2/sync"
CONSENT = {"subject": "Ada Ito", "text": "You may know me by my voice."}
FEW = 6
MANY = 66


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("lengthy")
    opened = Service.open(
        Settings(data_dir=folder, reserve_bytes=0, allow_http=True, allow_addresses=("127.0.0.1",))
    )
    yield opened
    opened.close()


class Tenant:
    """A tenant of the server, with a gallery and a call."""

    def __init__(self, service: Service, app: Any, name: str) -> None:
        self._app = app
        self._key = service.keys.create(
            name, [Scope.JOBS, Scope.GALLERIES, Scope.ADMIN], "test"
        ).token
        self.caller: Caller = service.keys.authenticate(self._key)
        found = service.galleries.list(self.caller).items
        gallery = found[0] if found else service.galleries.create(self.caller, name="staff")
        self.gallery = f"/api/v1/galleries/{gallery.id}"
        self.speaker = service.speakers.create(self.caller, gallery.id, name="Ada")

    async def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self._app)
        headers = {"Authorization": f"Bearer {self._key}"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://testserver", headers=headers
        ) as client:
            return await client.request(method, path, **request)


@pytest.fixture(scope="module")
def app(service: Service) -> Any:
    return create_app(service)


@pytest.fixture
def one(service: Service, app: Any) -> Tenant:
    return Tenant(service, app, "one")


@pytest.fixture
def other(service: Service, app: Any) -> Tenant:
    return Tenant(service, app, "other")


@asynccontextmanager
async def lengthy(caller: Caller, count: int) -> AsyncIterator[list[int]]:
    """So many requests that take long; the list grows by one with each that is worked on."""
    begun: list[int] = []
    release = threading.Event()

    def work() -> None:
        begun.append(1)
        release.wait()

    async with anyio.create_task_group() as group:
        try:
            for _ in range(count):
                group.start_soon(at_length, caller, work)
            await anyio.wait_all_tasks_blocked()
            yield begun
        finally:
            release.set()


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(main(), 60))


def test_lengthy_work_leaves_threads_to_others(one: Tenant, other: Tenant) -> None:
    async def main() -> None:
        current_default_thread_limiter().total_tokens = 1
        async with lengthy(one.caller, MANY) as begun:
            assert await at_length(other.caller, int, "5") == 5
            assert (await one.ask("GET", "/api/v1/galleries")).status_code == 200
            assert len(begun) == FEW
            with pytest.raises(Unavailable, match="60 requests of yours"):
                await at_length(one.caller, int, "5")
        assert len(begun) == MANY
        assert await at_length(one.caller, int, "5") == 5

    run(main)


def test_a_slow_address_stops_nobody_else(one: Tenant, other: Tenant) -> None:
    """One that takes the connection and never answers."""

    async def main() -> None:
        current_default_thread_limiter().total_tokens = 2
        with socket.create_server(("127.0.0.1", 0)) as slow:
            slow.setblocking(False)
            url = f"http://127.0.0.1:{slow.getsockname()[1]}/a.wav"
            body = {"url": url, "encoding": "WAV", "sampleRate": 16000}
            asking = [
                asyncio.create_task(one.ask("POST", f"{DEEPAFFECTS}/vad", json=body))
                for _ in range(2)
            ]
            loop = asyncio.get_running_loop()
            reached = [(await loop.sock_accept(slow))[0] for _ in asking]
            assert (await other.ask("GET", "/api/v1/galleries")).status_code == 200
            assert not any(each.done() for each in asking)
            for connection in reached:
                connection.close()
        for answer in await asyncio.gather(*asking):
            assert answer.status_code >= 400

    run(main)


Asked = Callable[[Tenant], Awaitable[httpx.Response]]


def _enrolment(tenant: Tenant, **body: Any) -> Awaitable[httpx.Response]:
    return tenant.ask("POST", f"{tenant.gallery}/enrolments", **body)


def _search(tenant: Tenant, **body: Any) -> Awaitable[httpx.Response]:
    return tenant.ask("POST", f"{tenant.gallery}/search", **body)


LENGTHY: dict[str, Asked] = {
    "search": lambda tenant: _search(tenant, files={"file": WAV}),
    "search everywhere": lambda tenant: tenant.ask(
        "POST",
        "/api/v1/search",
        files={"file": WAV},
        data={"gallery_ids": tenant.gallery.rpartition("/")[2]},
    ),
    "enrolment": lambda tenant: _enrolment(
        tenant, files={"file": WAV}, data={"name": "Bo", "consent": json.dumps(CONSENT)}
    ),
    "sample": lambda tenant: tenant.ask(
        "POST", f"/api/v1/speakers/{tenant.speaker.id}/samples", files={"file": WAV}
    ),
    "deletion of a gallery": lambda tenant: tenant.ask("DELETE", tenant.gallery),
    "check of the audit log": lambda tenant: tenant.ask("GET", "/api/v1/audit/verify"),
    "vad": lambda tenant: tenant.ask("POST", f"{DEEPAFFECTS}/vad", json=_sound()),
    "enroll": lambda tenant: tenant.ask(
        "POST", f"{DEEPAFFECTS}/diarization/enroll", json=_sound(speakerId="ann")
    ),
}


def _sound(**more: str) -> dict[str, Any]:
    return {"content": CONTENT, "encoding": "WAV", "sampleRate": 16000, **more}


@pytest.mark.parametrize("asked", LENGTHY.values(), ids=LENGTHY)
def test_where_too_many_wait_one_more_is_refused(
    service: Service, one: Tenant, asked: Asked
) -> None:
    async def main() -> None:
        async with lengthy(one.caller, MANY):
            answer = await asked(one)
            assert answer.status_code == 503, answer.text
            assert "requests of yours" in answer.text

    run(main)
    with service.store.database.read() as connection:
        assert connection.execute(media.select()).first() is None


def test_what_needs_no_engine_is_not_refused_with_it(one: Tenant) -> None:
    voiceprint = a_voice(1).to_base64()

    async def main() -> None:
        async with lengthy(one.caller, MANY):
            body = {"name": "Bo", "consent": CONSENT, "voiceprint": voiceprint}
            assert (await _enrolment(one, json=body)).status_code == 201
            assert (await _search(one, json={"voiceprint": voiceprint})).status_code == 200

    run(main)


def test_pieces_of_a_call_that_are_decoded_take_long(service: Service, one: Tenant) -> None:
    details = {"region": "r", "require_encryption": False, "integration_type": None}
    connector = service.voice_connectors.create(
        one.caller, dialect="chime", name="v", details={**details, "network_type": "IPV4_ONLY"}
    )
    call = f"/api/v1/calls/{connector.id}/1"
    raw = {"leg": "caller", "encoding": "mulaw", "sample_rate": 8000}

    async def main() -> None:
        assert (await one.ask("PUT", call)).status_code == 201
        async with lengthy(one.caller, MANY):
            sent = await one.ask("POST", f"{call}/audio", params={"leg": "caller"}, content=WAV)
            assert sent.status_code == 503, sent.text
            sent = await one.ask("POST", f"{call}/audio", params=raw, content=bytes(8000))
            assert sent.json()["pieces"] == 1

    run(main)
