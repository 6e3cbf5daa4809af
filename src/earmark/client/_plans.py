"""What the client does, apart from doing it: plans for a runner."""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import httpx

from earmark.client._events import EventReader
from earmark.client._recording import File, Recording, Source, is_address, open_recording
from earmark.client._steps import Do, HangUp, Listen, NextLine, Plan, Send, Sleep
from earmark.errors import ApiError, ServerUnreachable, WaitTimeout

__all__ = [
    "Document",
    "IdentifyOptions",
    "MatchOptions",
    "OnProgress",
    "OnUpload",
    "Options",
    "Plans",
    "Submitted",
]

Document = Mapping[str, Any]
"""A JSON document of the server."""

OnUpload = Callable[[int, int], object]
"""Called with the bytes sent so far and the bytes in all."""

OnProgress = Callable[[str, int], object]
"""Called with the stage of a job and its progress in percent."""

_RETRIED = frozenset({429, 502, 503, 504})
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.25, 8.0
_POLL_S = 1.0
_STREAM_TIMEOUT_S = 45.0  # three heartbeats of the server


class Options(TypedDict, total=False):
    """What may be asked of a recording; the API's description has the details.

    Of these, voice activity takes channels, start, end, on_damage, priority, name and webhook.
    """

    speakers: int
    min_speakers: int
    max_speakers: int
    channels: str | Sequence[int]
    start: float
    end: float
    exclusive: bool
    confidence: bool
    fast: bool
    searchable: bool
    on_damage: Literal["error", "warn"]
    priority: Literal["low", "normal", "high"]
    name: str
    webhook: str


class MatchOptions(TypedDict, total=False):
    """How sure a match has to be, and how many candidates are told."""

    false_accept_rate: float | None
    min_probability: float
    alternatives: int


class IdentifyOptions(Options, MatchOptions, total=False):
    """What may be asked of a recording whose speakers are to be named."""

    gallery_ids: Sequence[str]
    speaker_ids: Sequence[str]
    voiceprints: Sequence[Mapping[str, str]]
    one_to_one: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Submitted:
    """What the server made of a recording, such as a job.

    ``uploaded`` is the id of a recording that was sent for it before.
    """

    document: Document
    uploaded: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Plans:
    """The plans. ``patience_s`` is for how long a server that does not answer is asked again.

    All raise `ApiError` for what the server refuses, and `ServerUnreachable`.
    """

    patience_s: float
    part_size: int

    def request(self, send: Send) -> Plan[httpx.Response]:
        """Send a request, again where that is safe and may help.

        A POST gets an idempotency key, so that one which did arrive counts once.
        """
        headers = dict(send.headers)
        if send.method == "POST":
            headers.setdefault("Idempotency-Key", str(uuid.uuid4()))
        send = Send(
            method=send.method, path=send.path, params=send.params, headers=headers, body=send.body
        )
        until = time.monotonic() + self.patience_s
        wait = _FIRST_WAIT_S
        while True:
            failure: ApiError | ServerUnreachable
            try:
                response: httpx.Response = yield send
            except httpx.TransportError as error:
                failure = _unreachable(error)
            else:
                if response.is_success:
                    return response
                failure = _refused(response)
                if response.status_code not in _RETRIED:
                    raise failure
                wait = max(wait, _retry_after(response))
            if time.monotonic() + wait > until:
                raise failure
            yield Sleep(seconds=wait)
            wait = min(_LONGEST_WAIT_S, wait * 2) * random.uniform(0.75, 1.0)

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Plan[Document]:
        response = yield from self.request(Send(method="GET", path=path, params=params))
        return _json(response)

    def post(self, path: str, body: object = None) -> Plan[Document]:
        sent = {} if body is None else {"json": body}
        response = yield from self.request(Send(method="POST", path=path, body=sent))
        return _json(response)

    def change(self, method: str, path: str, body: object = None) -> Plan[Document]:
        """A PATCH or DELETE that is answered with a document."""
        sent = {} if body is None else {"json": body}
        return _json((yield from self.request(Send(method=method, path=path, body=sent))))

    def delete(self, path: str) -> Plan[None]:
        yield from self.request(Send(method="DELETE", path=path))

    def page(self, path: str, cursor: str | None, params: Mapping[str, Any]) -> Plan[Document]:
        """A part of a list; its ``cursor`` leads to the next one."""
        return self.get(path, {**params, "limit": 100} | ({"cursor": cursor} if cursor else {}))

    def ask(self, path: str, source: Source, options: Mapping[str, Any]) -> Plan[Document]:
        """Ask something of a recording that is answered at once, and not kept."""
        submitted = yield from self.submit(path, source, options)
        if submitted.uploaded is not None:
            yield from self.delete(f"/media/{submitted.uploaded}")
        return submitted.document

    def submit(
        self,
        path: str,
        source: Source,
        options: Mapping[str, Any],
        on_upload: OnUpload | None = None,
        idempotency_key: str | None = None,
    ) -> Plan[Submitted]:
        """Ask something of a recording; one that is larger than a part is sent in parts before."""
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        body: dict[str, Any]
        if is_address(source):
            body = {"json": {**options, "url": source}}
            return (yield from self._submit(path, body, headers))
        if isinstance(source, Mapping):
            body = {"json": {**options, **_named(source)}}
            return (yield from self._submit(path, body, headers))
        with open_recording(source) as recording:
            if recording.size > self.part_size:
                media = yield from self._send_parts(recording, on_upload)
                body = {"json": {**options, "media": media}}
                try:
                    return (yield from self._submit(path, body, headers, uploaded=media))
                except ApiError:
                    yield from self.delete(f"/media/{media}")
                    raise
            if on_upload is not None:
                on_upload(0, recording.size)
            data, _ = yield Do(work=lambda: recording.read(0, recording.size))
            form = {name: _form_value(value) for name, value in options.items()}
            body = {"data": form, "files": {"file": (recording.name or "recording", data)}}
            submitted = yield from self._submit(path, body, headers)
            if on_upload is not None:
                on_upload(recording.size, recording.size)
            return submitted

    def upload(self, source: File, on_upload: OnUpload | None) -> Plan[Document]:
        """Send a recording in parts; the document of what is then on the server."""
        with open_recording(source) as recording:
            media = yield from self._send_parts(recording, on_upload)
        return (yield from self.get(f"/media/{media}"))

    def wait(
        self,
        job: Document,
        seen: Callable[[Document], object],
        on_progress: OnProgress | None,
        timeout_s: float | None,
    ) -> Plan[Document]:
        """Follow a job until it is over, also through restarts of the server.

        ``seen`` is called with the job's document whenever there is a newer one. Raises
        `WaitTimeout`.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        told: tuple[str, int] | None = None
        events = EventReader()

        def tell(document: Document) -> bool:
            nonlocal told
            seen(document)
            stand = (document["stage"], document["progress"])
            if on_progress is not None and stand != told:
                on_progress(*stand)
            told = stand
            if until is not None and time.monotonic() >= until and not _is_over(document):
                raise WaitTimeout(
                    f"The job {job['id']} is not over after {timeout_s} s, but"
                    f" {document['state']}: wait again, or cancel it."
                )
            return _is_over(document)

        over = tell(job)
        while not over:
            heard = yield from self._listen(job, events, tell, until)
            # However the stream ended, the job itself is the truth; this waits for a restart too.
            document = yield from self.get(f"/jobs/{job['id']}")
            job, over = document, tell(document)
            if not over and not heard:
                yield Sleep(seconds=_POLL_S)
        return job

    def _submit(
        self,
        path: str,
        body: Mapping[str, Any],
        headers: Mapping[str, str],
        uploaded: str | None = None,
    ) -> Plan[Submitted]:
        send = Send(method="POST", path=path, headers=headers, body=body)
        response = yield from self.request(send)
        return Submitted(document=_json(response), uploaded=uploaded)

    def _send_parts(self, recording: Recording, on_upload: OnUpload | None) -> Plan[str]:
        """Send what the server does not have yet; the id of the recording there."""
        size = recording.size
        asked = {"size": size, "name": recording.name, "part_size": self.part_size}
        upload = yield from self.post("/uploads", asked)
        at, part_size = f"/uploads/{upload['id']}", upload["part_size"]
        for number in range(1, upload["parts_total"] + 1):
            offset = (number - 1) * part_size
            if on_upload is not None:
                on_upload(offset, size)
            data, digest = yield Do(
                work=lambda offset=offset: recording.read(offset, part_size)  # type: ignore[misc]
            )
            yield from self.request(
                Send(
                    method="PUT",
                    path=f"{at}/parts/{number}",
                    headers={"X-Content-SHA256": digest},
                    body={"content": data},
                )
            )
        if on_upload is not None:
            on_upload(size, size)
        media = yield from self.post(f"{at}/complete")
        return str(media["id"])

    def _listen(
        self,
        job: Document,
        events: EventReader,
        tell: Callable[[Document], bool],
        until: float | None,
    ) -> Plan[bool]:
        """Hear the job's events until the stream ends, however it does; whether any were heard."""
        heard = False
        events.restart()
        headers = {} if events.last_id is None else {"Last-Event-ID": events.last_id}
        try:
            left = _STREAM_TIMEOUT_S if until is None else max(0.1, until - time.monotonic())
            response = yield Listen(
                path=f"/jobs/{job['id']}/events",
                headers=headers,
                timeout_s=min(left, _STREAM_TIMEOUT_S),
            )
            while response.status_code == 200:
                line = yield NextLine()
                if line is None:
                    break
                event = events.feed(line)
                if event is not None and event.name == "closing":
                    break
                if event is not None:
                    heard = True
                    told = json.loads(event.data)
                    job = told if event.name == "state" else {**job, **_progress(told)}
                if tell(job):
                    break
        except httpx.TransportError:
            heard = False
        yield HangUp()
        return heard


def _named(source: Mapping[str, Any]) -> Mapping[str, Any]:
    """A recording or a voiceprint that the server has given out, as requests name it."""
    if source.get("voiceprint") is not None:
        return {"voiceprint": source["voiceprint"]}
    return {"media": source["id"]}


def _progress(told: Document) -> Document:
    return {"stage": told["stage"], "progress": told["progress"]}


def _is_over(job: Document) -> bool:
    return job["state"] not in ("queued", "running")


def _json(response: httpx.Response) -> Document:
    document: Document = response.json()
    return document


def _form_value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _refused(response: httpx.Response) -> ApiError:
    """The server's own words, or what can be said without any."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {}
    return ApiError(
        problem.get("detail") or f"The server answered {response.status_code}.",
        code=problem.get("code") or f"http.{response.status_code}",
        status=response.status_code,
        request_id=problem.get("request_id") or response.headers.get("x-request-id"),
    )


def _unreachable(error: httpx.TransportError) -> ServerUnreachable:
    at = error.request.url
    return ServerUnreachable(
        f"The server at {at.scheme}://{at.netloc.decode()} does not answer:"
        f" {str(error) or type(error).__name__}."
    )


def _retry_after(response: httpx.Response) -> float:
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdigit() else 0.0
