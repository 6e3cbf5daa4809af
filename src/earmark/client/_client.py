"""The clients: one that waits, and one for asyncio."""

from __future__ import annotations

import ssl
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, Unpack

import httpx

from earmark.client._galleries import AsyncGallery, Gallery
from earmark.client._job import AsyncJob, Job
from earmark.client._live import LiveLine, LiveOptions, Sound, follow, follow_waiting
from earmark.client._plans import (
    Document,
    IdentifyOptions,
    OnUpload,
    Options,
    Plans,
    Submitted,
)
from earmark.client._recording import File, Source
from earmark.client._runners import AsyncRunner, SyncRunner
from earmark.client._speakers import AsyncSpeaker, Speaker
from earmark.client._steps import Plan

__all__ = ["AsyncClient", "Client"]

PART_BYTES = 8 << 20


class _Client(ABC):
    """What both clients are told, and plan."""

    def __init__(
        self,
        base_url: str,
        key: str | None = None,
        *,
        patience_s: float = 60.0,
        timeout_s: float = 60.0,
        part_size: int = PART_BYTES,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        self._plans = Plans(patience_s=patience_s, part_size=part_size)
        address = base_url.rstrip("/") + "/api/v1"
        headers = {"User-Agent": "earmark-client"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        self._line = LiveLine(
            url=address.replace("http", "ws", 1) + "/live",
            headers=headers,
            verify=verify,
            timeout_s=timeout_s,
            patience_s=patience_s,
        )
        self._open(
            {"base_url": address, "headers": headers, "timeout": timeout_s, "verify": verify}
        )

    @abstractmethod
    def _open(self, settings: Mapping[str, Any]) -> None:
        """Make the HTTP client, with these arguments, and the runner."""

    def _job(self, job_id: str) -> Plan[Submitted]:
        return Submitted(document=(yield from self._plans.get(f"/jobs/{job_id}")))

    def _page(
        self, states: Sequence[str], kinds: Sequence[str], cursor: str | None
    ) -> Plan[Document]:
        return self._plans.page("/jobs", cursor, {"state": list(states), "kind": list(kinds)})

    def _make_gallery(self, name: str, description: str) -> Plan[Document]:
        return self._plans.post("/galleries", {"name": name, "description": description})


class Client(_Client):
    """Speaks to the Earmark server at ``base_url`` with an API key.

    A server that does not answer is asked again for ``patience_s`` seconds; that is safe, for
    requests carry idempotency keys. ``timeout_s`` is for one answer. Recordings larger than
    ``part_size`` bytes are sent in parts of that size. ``verify`` is as httpx takes it: an
    `ssl.SSLContext` that knows a certificate of your own.

    Methods raise `errors.ApiError` for what the server refuses, and `errors.ServerUnreachable`.
    """

    def _open(self, settings: Mapping[str, Any]) -> None:
        self._http = httpx.Client(**settings)
        self._runner = SyncRunner(self._http)

    def diarize(
        self,
        source: Source,
        *,
        on_upload: OnUpload | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[Options],
    ) -> Job:
        """Ask who spoke when.

        ``source`` is a path, the bytes of a file, a binary file object, an http(s) address that
        the server fetches, or what `upload` returned. ``on_upload(sent, total)`` is called while
        the recording is sent.
        """
        plan = self._plans.submit("/diarizations", source, options, on_upload, idempotency_key)
        return self._hold(self._runner.run(plan))

    def voice_activity(
        self,
        source: Source,
        *,
        on_upload: OnUpload | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[Options],
    ) -> Job:
        """Ask where speech is; see `diarize`."""
        plan = self._plans.submit("/voice-activities", source, options, on_upload, idempotency_key)
        return self._hold(self._runner.run(plan))

    def identify(
        self,
        source: Source,
        *,
        on_upload: OnUpload | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[IdentifyOptions],
    ) -> Job:
        """Ask who spoke when, by name: in galleries, or among voiceprints sent along."""
        plan = self._plans.submit("/identifications", source, options, on_upload, idempotency_key)
        return self._hold(self._runner.run(plan))

    def voiceprints(
        self,
        source: Source,
        *,
        on_upload: OnUpload | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[Options],
    ) -> Job:
        """Ask for the voiceprints of all who speak; nobody is enrolled."""
        plan = self._plans.submit("/voiceprints", source, options, on_upload, idempotency_key)
        return self._hold(self._runner.run(plan))

    def live(self, sound: Iterable[bytes], **options: Unpack[LiveOptions]) -> Iterator[Document]:
        """Ask who is speaking now: the events of a live session, as they come.

        ``sound`` gives raw samples as they are recorded, in pieces of any length; it is read on
        another thread. A connection that breaks is made again and the session goes on, without
        loss or repetition, as long as that takes no longer than the server waits. Who stops
        iterating ends the session.
        """
        return follow_waiting(self._line, sound, options)

    def create_gallery(self, name: str, *, description: str = "") -> Gallery:
        """Make a gallery; a name that another one has is refused."""
        made = self._runner.run(self._make_gallery(name, description))
        return Gallery(self._runner, self._plans, made)

    def gallery(self, gallery_id: str) -> Gallery:
        """A gallery that was made before."""
        found = self._runner.run(self._plans.get(f"/galleries/{gallery_id}"))
        return Gallery(self._runner, self._plans, found)

    def galleries(self) -> Iterator[Gallery]:
        """All galleries of the key's tenant, newest first."""
        cursor = None
        while True:
            page = self._runner.run(self._plans.page("/galleries", cursor, {}))
            for document in page["items"]:
                yield Gallery(self._runner, self._plans, document)
            cursor = page["cursor"]
            if cursor is None:
                return

    def speaker(self, speaker_id: str) -> Speaker:
        """Somebody who was enrolled before."""
        found = self._runner.run(self._plans.get(f"/speakers/{speaker_id}"))
        return Speaker(self._runner, self._plans, found)

    def job(self, job_id: str) -> Job:
        """A job that was asked for before."""
        return self._hold(self._runner.run(self._job(job_id)))

    def jobs(self, *, states: Sequence[str] = (), kinds: Sequence[str] = ()) -> Iterator[Job]:
        """All jobs of the key's tenant, newest first, or those in some states or of some kinds."""
        cursor = None
        while True:
            page = self._runner.run(self._page(states, kinds, cursor))
            for document in page["items"]:
                yield self._hold(Submitted(document=document))
            cursor = page["cursor"]
            if cursor is None:
                return

    def upload(self, source: File, *, on_upload: OnUpload | None = None) -> Document:
        """Keep a recording on the server, for several jobs: what this returns is a source."""
        return self._runner.run(self._plans.upload(source, on_upload))

    def limits(self) -> Document:
        """What the server accepts."""
        return self._runner.run(self._plans.get("/limits"))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _hold(self, submitted: Submitted) -> Job:
        return Job(self._runner, self._plans, submitted)


class AsyncClient(_Client):
    """As `Client`, for asyncio."""

    def _open(self, settings: Mapping[str, Any]) -> None:
        self._http = httpx.AsyncClient(**settings)
        self._runner = AsyncRunner(self._http)

    async def diarize(
        self,
        source: Source,
        *,
        on_upload: OnUpload | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[Options],
    ) -> AsyncJob:
        """Ask who spoke when: see `Client.diarize`."""
        plan = self._plans.submit("/diarizations", source, options, on_upload, idempotency_key)
        return self._hold(await self._runner.run(plan))

    async def voice_activity(
        self,
        source: Source,
        *,
        on_upload: OnUpload | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[Options],
    ) -> AsyncJob:
        """Ask where speech is; see `diarize`."""
        plan = self._plans.submit("/voice-activities", source, options, on_upload, idempotency_key)
        return self._hold(await self._runner.run(plan))

    async def identify(
        self,
        source: Source,
        *,
        on_upload: OnUpload | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[IdentifyOptions],
    ) -> AsyncJob:
        """Ask who spoke when, by name: in galleries, or among voiceprints sent along."""
        plan = self._plans.submit("/identifications", source, options, on_upload, idempotency_key)
        return self._hold(await self._runner.run(plan))

    async def voiceprints(
        self,
        source: Source,
        *,
        on_upload: OnUpload | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[Options],
    ) -> AsyncJob:
        """Ask for the voiceprints of all who speak; nobody is enrolled."""
        plan = self._plans.submit("/voiceprints", source, options, on_upload, idempotency_key)
        return self._hold(await self._runner.run(plan))

    def live(self, sound: Sound, **options: Unpack[LiveOptions]) -> AsyncIterator[Document]:
        """Ask who is speaking now: see `Client.live`. ``sound`` may be an async iterable."""
        return follow(self._line, sound, options)

    async def create_gallery(self, name: str, *, description: str = "") -> AsyncGallery:
        """Make a gallery; a name that another one has is refused."""
        made = await self._runner.run(self._make_gallery(name, description))
        return AsyncGallery(self._runner, self._plans, made)

    async def gallery(self, gallery_id: str) -> AsyncGallery:
        """A gallery that was made before."""
        found = await self._runner.run(self._plans.get(f"/galleries/{gallery_id}"))
        return AsyncGallery(self._runner, self._plans, found)

    async def galleries(self) -> AsyncIterator[AsyncGallery]:
        """All galleries of the key's tenant, newest first."""
        cursor = None
        while True:
            page = await self._runner.run(self._plans.page("/galleries", cursor, {}))
            for document in page["items"]:
                yield AsyncGallery(self._runner, self._plans, document)
            cursor = page["cursor"]
            if cursor is None:
                return

    async def speaker(self, speaker_id: str) -> AsyncSpeaker:
        """Somebody who was enrolled before."""
        found = await self._runner.run(self._plans.get(f"/speakers/{speaker_id}"))
        return AsyncSpeaker(self._runner, self._plans, found)

    async def job(self, job_id: str) -> AsyncJob:
        """A job that was asked for before."""
        return self._hold(await self._runner.run(self._job(job_id)))

    async def jobs(
        self, *, states: Sequence[str] = (), kinds: Sequence[str] = ()
    ) -> AsyncIterator[AsyncJob]:
        """All jobs of the key's tenant, newest first, or those in some states or of some kinds."""
        cursor = None
        while True:
            page = await self._runner.run(self._page(states, kinds, cursor))
            for document in page["items"]:
                yield self._hold(Submitted(document=document))
            cursor = page["cursor"]
            if cursor is None:
                return

    async def upload(self, source: File, *, on_upload: OnUpload | None = None) -> Document:
        """Keep a recording on the server: see `Client.upload`."""
        return await self._runner.run(self._plans.upload(source, on_upload))

    async def limits(self) -> Document:
        """What the server accepts."""
        return await self._runner.run(self._plans.get("/limits"))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _hold(self, submitted: Submitted) -> AsyncJob:
        return AsyncJob(self._runner, self._plans, submitted)
