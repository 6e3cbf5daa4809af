"""An enrolled person, as the client holds them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Literal, Self, TypedDict, Unpack

from earmark.client._plans import Document, Plans
from earmark.client._recording import Source
from earmark.client._runners import AsyncRunner, SyncRunner
from earmark.client._steps import Plan

__all__ = ["AsyncSpeaker", "Consent", "SampleOptions", "Speaker", "consent_body"]

Consent = str | Mapping[str, str]
"""The text that somebody has agreed to, or all of the record as the API describes it."""


class SampleOptions(TypedDict, total=False):
    """What part of a recording somebody is enrolled from, and how."""

    start: float
    end: float
    channels: str
    several: Literal["refuse", "loudest"]


def consent_body(consent: Consent, subject: str) -> Mapping[str, str]:
    """A record of consent as requests have it; a text alone is the person's own."""
    return {"subject": subject, "text": consent} if isinstance(consent, str) else consent


class _Speaker:
    """What an enrolled person is known by, and the plans."""

    def __init__(self, plans: Plans, document: Document) -> None:
        self._plans = plans
        self.document: Document = document
        """The speaker as last seen, as the API describes them."""

    @property
    def id(self) -> str:
        return str(self.document["id"])

    @property
    def name(self) -> str:
        return str(self.document["name"])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"

    @property
    def _path(self) -> str:
        return f"/speakers/{self.id}"

    def _see(self, plan: Plan[Document]) -> Plan[None]:
        self.document = yield from plan

    def _refresh(self) -> Plan[None]:
        return self._see(self._plans.get(self._path))

    def _change(self, name: str | None, details: Mapping[str, str] | None) -> Plan[None]:
        given = {"name": name, "details": details}
        body = {key: value for key, value in given.items() if value is not None}
        return self._see(self._plans.change("PATCH", self._path, body))

    def _add(
        self, source: Source, consent: Consent | None, replace: bool, options: SampleOptions
    ) -> Plan[Document]:
        asked: dict[str, Any] = dict(options)
        if consent is not None:
            asked["consent"] = consent_body(consent, self.name)
        if replace:
            asked["replace"] = True
        added = yield from self._plans.ask(f"{self._path}/samples", source, asked)
        self.document = added["speaker"]
        return added

    def _items(self, what: str) -> Plan[list[Document]]:
        return list((yield from self._plans.get(f"{self._path}/{what}"))["items"])

    def _agree(self, consent: Consent) -> Plan[Document]:
        body = consent_body(consent, self.name)
        added = yield from self._plans.post(f"{self._path}/consents", body)
        yield from self._refresh()
        return added

    def _withdraw(self) -> Plan[None]:
        return self._see(self._plans.post(f"{self._path}/consents/withdraw"))

    def _merge(self, into: _Speaker | str) -> Plan[None]:
        return self._see(self._plans.post(f"{self._path}/merge", {"into": _id(into)}))

    def _unmerge(self) -> Plan[None]:
        return self._see(self._plans.post(f"{self._path}/unmerge"))

    def _split(self, name: str, voiceprint_ids: Sequence[str]) -> Plan[Document]:
        body = {"name": name, "voiceprint_ids": list(voiceprint_ids)}
        return self._plans.post(f"{self._path}/split", body)

    def _export(self) -> Plan[dict[str, Any]]:
        return dict((yield from self._plans.get(f"{self._path}/export")))

    def _erase(self) -> Plan[Document]:
        return self._plans.change("DELETE", self._path)

    def _page(self, cursor: str | None, params: Mapping[str, Any]) -> Plan[Document]:
        return self._plans.page(f"{self._path}/recordings", cursor, params)


class Speaker(_Speaker):
    """An enrolled person. All methods raise `ApiError` and `ServerUnreachable`."""

    def __init__(self, runner: SyncRunner, plans: Plans, document: Document) -> None:
        super().__init__(plans, document)
        self._runner = runner
        self._run = runner.run

    def refresh(self) -> Self:
        """See what is known of them now."""
        self._run(self._refresh())
        return self

    def change(self, *, name: str | None = None, details: Mapping[str, str] | None = None) -> Self:
        """Rename them, or keep other details with them."""
        self._run(self._change(name, details))
        return self

    def add(
        self,
        source: Source,
        *,
        consent: Consent | None = None,
        replace: bool = False,
        **options: Unpack[SampleOptions],
    ) -> Document:
        """Learn their voice from a recording, or take a voiceprint for it; the enrolment.

        ``replace`` forgets what they were known by before.
        """
        return self._run(self._add(source, consent, replace, options))

    def samples(self) -> list[Document]:
        """The recordings that they were enrolled from."""
        return self._run(self._items("samples"))

    def voiceprints(self) -> list[Document]:
        """What is known of each of their voiceprints."""
        return self._run(self._items("voiceprints"))

    def consents(self) -> list[Document]:
        """The records of their consent."""
        return self._run(self._items("consents"))

    def agree(self, consent: Consent) -> Document:
        """Note a consent; who had withdrawn theirs is matched again."""
        return self._run(self._agree(consent))

    def withdraw(self) -> Self:
        """Withdraw their consent: nothing is matched with them from now on."""
        self._run(self._withdraw())
        return self

    def merge(self, into: Speaker | str) -> Self:
        """Let their voiceprints count for another speaker of the gallery, until unmerged."""
        self._run(self._merge(into))
        return self

    def unmerge(self) -> Self:
        """Let their voiceprints count for themselves again."""
        self._run(self._unmerge())
        return self

    def split(self, name: str, voiceprint_ids: Sequence[str]) -> Speaker:
        """Give some of the voiceprints to a new speaker of the gallery, who is returned."""
        return Speaker(self._runner, self._plans, self._run(self._split(name, voiceprint_ids)))

    def recordings(self, *, false_accept_rate: float = 0.001) -> Iterator[Document]:
        """The searchable recordings in which they speak, fetched as you iterate."""
        params, cursor = {"false_accept_rate": false_accept_rate}, None
        while True:
            page = self._run(self._page(cursor, params))
            yield from page["items"]
            cursor = page["cursor"]
            if cursor is None:
                return

    def export(self) -> dict[str, Any]:
        """All that is held of them."""
        return self._run(self._export())

    def erase(self) -> Document:
        """Erase all that is held of them; the signed receipt."""
        return self._run(self._erase())


class AsyncSpeaker(_Speaker):
    """As `Speaker`, for asyncio."""

    def __init__(self, runner: AsyncRunner, plans: Plans, document: Document) -> None:
        super().__init__(plans, document)
        self._runner = runner
        self._run = runner.run

    async def refresh(self) -> Self:
        """See what is known of them now."""
        await self._run(self._refresh())
        return self

    async def change(
        self, *, name: str | None = None, details: Mapping[str, str] | None = None
    ) -> Self:
        """Rename them, or keep other details with them."""
        await self._run(self._change(name, details))
        return self

    async def add(
        self,
        source: Source,
        *,
        consent: Consent | None = None,
        replace: bool = False,
        **options: Unpack[SampleOptions],
    ) -> Document:
        """Learn their voice from a recording: see `Speaker.add`."""
        return await self._run(self._add(source, consent, replace, options))

    async def samples(self) -> list[Document]:
        """The recordings that they were enrolled from."""
        return await self._run(self._items("samples"))

    async def voiceprints(self) -> list[Document]:
        """What is known of each of their voiceprints."""
        return await self._run(self._items("voiceprints"))

    async def consents(self) -> list[Document]:
        """The records of their consent."""
        return await self._run(self._items("consents"))

    async def agree(self, consent: Consent) -> Document:
        """Note a consent: see `Speaker.agree`."""
        return await self._run(self._agree(consent))

    async def withdraw(self) -> Self:
        """Withdraw their consent: see `Speaker.withdraw`."""
        await self._run(self._withdraw())
        return self

    async def merge(self, into: AsyncSpeaker | str) -> Self:
        """Let their voiceprints count for another speaker: see `Speaker.merge`."""
        await self._run(self._merge(into))
        return self

    async def unmerge(self) -> Self:
        """Let their voiceprints count for themselves again."""
        await self._run(self._unmerge())
        return self

    async def split(self, name: str, voiceprint_ids: Sequence[str]) -> AsyncSpeaker:
        """Give some of the voiceprints to a new speaker: see `Speaker.split`."""
        made = await self._run(self._split(name, voiceprint_ids))
        return AsyncSpeaker(self._runner, self._plans, made)

    async def recordings(self, *, false_accept_rate: float = 0.001) -> AsyncIterator[Document]:
        """The searchable recordings in which they speak, fetched as you iterate."""
        params, cursor = {"false_accept_rate": false_accept_rate}, None
        while True:
            page = await self._run(self._page(cursor, params))
            for each in page["items"]:
                yield each
            cursor = page["cursor"]
            if cursor is None:
                return

    async def export(self) -> dict[str, Any]:
        """All that is held of them."""
        return await self._run(self._export())

    async def erase(self) -> Document:
        """Erase all that is held of them; the signed receipt."""
        return await self._run(self._erase())


def _id(speaker: _Speaker | str) -> str:
    return speaker if isinstance(speaker, str) else speaker.id
