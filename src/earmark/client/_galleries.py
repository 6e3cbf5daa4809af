"""A gallery on the server, as the client holds it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Self, Unpack

from earmark.client._plans import Document, MatchOptions, Plans
from earmark.client._recording import Source
from earmark.client._runners import AsyncRunner, SyncRunner
from earmark.client._speakers import AsyncSpeaker, Consent, SampleOptions, Speaker, consent_body
from earmark.client._steps import Plan
from earmark.errors import ApiError, AudioNotFound

__all__ = ["AsyncGallery", "Gallery"]


class _Gallery:
    """What a gallery knows and plans, whoever runs the plans."""

    def __init__(self, plans: Plans, document: Document) -> None:
        self._plans = plans
        self.document: Document = document
        """The gallery as last seen, as the API describes it."""

    @property
    def id(self) -> str:
        return str(self.document["id"])

    @property
    def name(self) -> str:
        return str(self.document["name"])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}: {self.name}>"

    @property
    def _path(self) -> str:
        return f"/galleries/{self.id}"

    def _change(self, name: str | None, description: str | None) -> Plan[None]:
        given = {"name": name, "description": description}
        body = {key: value for key, value in given.items() if value is not None}
        self.document = yield from self._plans.change("PATCH", self._path, body)

    def _enroll(
        self,
        name: str,
        audio: Sequence[Source],
        consent: Consent | None,
        details: Mapping[str, str] | None,
        options: SampleOptions,
    ) -> Plan[Document]:
        new: dict[str, Any] = {"name": name}
        if details is not None:
            new["details"] = dict(details)
        if consent is not None:
            new["consent"] = consent_body(consent, name)
        if not audio:
            return (yield from self._plans.post(f"{self._path}/speakers", new))
        first, *others = audio
        enrolments = f"{self._path}/enrolments"
        enrolled = yield from self._plans.ask(enrolments, first, {**new, **options})
        speaker: Document = enrolled["speaker"]
        at = f"/speakers/{speaker['id']}"
        try:
            for source in others:
                yield from self._plans.ask(f"{at}/samples", source, options)
        except (ApiError, AudioNotFound):
            yield from self._plans.change("DELETE", at)  # all of it, or nothing
            raise
        return speaker

    def _search(self, source: Source, options: MatchOptions) -> Plan[Document]:
        return self._plans.ask(f"{self._path}/search", source, options)

    def _page(self, cursor: str | None, search: str | None) -> Plan[Document]:
        params = {} if search is None else {"search": search}
        return self._plans.page(f"{self._path}/speakers", cursor, params)

    def _delete(self) -> Plan[None]:
        return self._plans.delete(self._path)


class Gallery(_Gallery):
    """People who are searched together. All methods raise `ApiError` and `ServerUnreachable`."""

    def __init__(self, runner: SyncRunner, plans: Plans, document: Document) -> None:
        super().__init__(plans, document)
        self._runner = runner
        self._run = runner.run

    def enroll(
        self,
        name: str,
        *audio: Source,
        consent: Consent | None = None,
        details: Mapping[str, str] | None = None,
        **options: Unpack[SampleOptions],
    ) -> Speaker:
        """Add somebody, who is from now on recognised by recordings of theirs, or by voiceprints.

        ``consent`` is the text that they have agreed to, or the whole record; a server that is set
        up strictly enrols nobody without. When one recording is refused, nobody is added.
        """
        return self._hold(self._run(self._enroll(name, audio, consent, details, options)))

    def search(self, source: Source, **options: Unpack[MatchOptions]) -> Document:
        """Whom the one voice in a short recording, or a voiceprint, is taken for."""
        return self._run(self._search(source, options))

    def speakers(self, *, search: str | None = None) -> Iterator[Speaker]:
        """All people, newest first, or those whose name holds ``search``."""
        cursor = None
        while True:
            page = self._run(self._page(cursor, search))
            yield from map(self._hold, page["items"])
            cursor = page["cursor"]
            if cursor is None:
                return

    def change(self, *, name: str | None = None, description: str | None = None) -> Self:
        """Rename or describe it."""
        self._run(self._change(name, description))
        return self

    def delete(self) -> None:
        """Erase everybody in it, then the gallery."""
        self._run(self._delete())

    def _hold(self, document: Document) -> Speaker:
        return Speaker(self._runner, self._plans, document)


class AsyncGallery(_Gallery):
    """As `Gallery`, for asyncio."""

    def __init__(self, runner: AsyncRunner, plans: Plans, document: Document) -> None:
        super().__init__(plans, document)
        self._runner = runner
        self._run = runner.run

    async def enroll(
        self,
        name: str,
        *audio: Source,
        consent: Consent | None = None,
        details: Mapping[str, str] | None = None,
        **options: Unpack[SampleOptions],
    ) -> AsyncSpeaker:
        """Add somebody: see `Gallery.enroll`."""
        plan = self._enroll(name, audio, consent, details, options)
        return self._hold(await self._run(plan))

    async def search(self, source: Source, **options: Unpack[MatchOptions]) -> Document:
        """Whom the one voice in a short recording is taken for: see `Gallery.search`."""
        return await self._run(self._search(source, options))

    async def speakers(self, *, search: str | None = None) -> AsyncIterator[AsyncSpeaker]:
        """All people, newest first, or those whose name holds ``search``."""
        cursor = None
        while True:
            page = await self._run(self._page(cursor, search))
            for document in page["items"]:
                yield self._hold(document)
            cursor = page["cursor"]
            if cursor is None:
                return

    async def change(self, *, name: str | None = None, description: str | None = None) -> Self:
        """Rename or describe it."""
        await self._run(self._change(name, description))
        return self

    async def delete(self) -> None:
        """Erase everybody in it, then the gallery."""
        await self._run(self._delete())

    def _hold(self, document: Document) -> AsyncSpeaker:
        return AsyncSpeaker(self._runner, self._plans, document)
