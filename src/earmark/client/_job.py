"""A job on the server, as the client holds it."""

from __future__ import annotations

from typing import Any

from earmark.client._plans import Document, OnProgress, Plans, Submitted
from earmark.client._runners import AsyncRunner, SyncRunner
from earmark.client._steps import Plan, Send
from earmark.errors import ApiError

__all__ = ["AsyncJob", "Job"]


class _Job:
    """What a job knows and plans, whoever runs the plans."""

    def __init__(self, plans: Plans, submitted: Submitted) -> None:
        self._plans = plans
        self._uploaded = submitted.uploaded
        self.document: Document = submitted.document
        """The job as it was last seen, as the API describes it."""

    @property
    def id(self) -> str:
        return str(self.document["id"])

    @property
    def state(self) -> str:
        """queued, running, succeeded, failed, canceled or expired, when it was last seen."""
        return str(self.document["state"])

    @property
    def stage(self) -> str:
        return str(self.document["stage"])

    @property
    def progress(self) -> int:
        """Percent."""
        return int(self.document["progress"])

    @property
    def error(self) -> ApiError | None:
        """Why it failed, if it did."""
        error = self.document["error"]
        return error and ApiError(error["message"], code=error["code"], status=409, request_id=None)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}: {self.state}, {self.progress} %>"

    def _see(self, document: Document) -> None:
        self.document = document

    def _refresh(self) -> Plan[None]:
        self._see((yield from self._plans.get(f"/jobs/{self.id}")))

    def _wait(self, on_progress: OnProgress | None, timeout_s: float | None) -> Plan[None]:
        yield from self._plans.wait(self.document, self._see, on_progress, timeout_s)

    def _result(self) -> Plan[dict[str, Any]]:
        return dict((yield from self._plans.get(f"/jobs/{self.id}/result", {"format": "json"})))

    def _export(self, format_name: str, exclusive: bool | None) -> Plan[str]:
        params: dict[str, Any] = {"format": format_name}
        if exclusive is not None:
            params["exclusive"] = exclusive
        send = Send(method="GET", path=f"/jobs/{self.id}/result", params=params)
        response = yield from self._plans.request(send)
        return response.content.decode()

    def _cancel(self) -> Plan[None]:
        self._see((yield from self._plans.post(f"/jobs/{self.id}/cancel")))

    def _delete(self) -> Plan[None]:
        yield from self._plans.request(Send(method="DELETE", path=f"/jobs/{self.id}"))
        if self._uploaded is not None:
            yield from self._plans.request(Send(method="DELETE", path=f"/media/{self._uploaded}"))


class Job(_Job):
    """A job on the server. All methods raise `ApiError` and `ServerUnreachable`."""

    def __init__(self, runner: SyncRunner, plans: Plans, submitted: Submitted) -> None:
        super().__init__(plans, submitted)
        self._run = runner.run

    def refresh(self) -> Job:
        """See how it stands now."""
        self._run(self._refresh())
        return self

    def wait(self, *, on_progress: OnProgress | None = None, timeout_s: float | None = None) -> Job:
        """Wait until it is over, also through restarts of the server; this job.

        ``on_progress(stage, percent)`` is called as the work goes on. Raises `WaitTimeout`.
        """
        self._run(self._wait(on_progress, timeout_s))
        return self

    def result(self) -> dict[str, Any]:
        """The result document. Raises `ApiError` when there is none: not over yet, or failed."""
        return self._run(self._result())

    def export(self, format: str, *, exclusive: bool | None = None) -> str:  # noqa: A002
        """The result as text: json, rttm, srt, vtt, textgrid, csv or audacity.

        ``exclusive`` is as the job was asked for, unless given.
        """
        return self._run(self._export(format, exclusive))

    def cancel(self) -> Job:
        """Stop it. Raises `ApiError` when it is over."""
        self._run(self._cancel())
        return self

    def delete(self) -> None:
        """Remove it, with its result and the recording that was sent for it."""
        self._run(self._delete())


class AsyncJob(_Job):
    """As `Job`, for asyncio."""

    def __init__(self, runner: AsyncRunner, plans: Plans, submitted: Submitted) -> None:
        super().__init__(plans, submitted)
        self._run = runner.run

    async def refresh(self) -> AsyncJob:
        """See how it stands now."""
        await self._run(self._refresh())
        return self

    async def wait(
        self, *, on_progress: OnProgress | None = None, timeout_s: float | None = None
    ) -> AsyncJob:
        """Wait until it is over: see `Job.wait`."""
        await self._run(self._wait(on_progress, timeout_s))
        return self

    async def result(self) -> dict[str, Any]:
        """The result document: see `Job.result`."""
        return await self._run(self._result())

    async def export(self, format: str, *, exclusive: bool | None = None) -> str:  # noqa: A002
        """The result as text: see `Job.export`."""
        return await self._run(self._export(format, exclusive))

    async def cancel(self) -> AsyncJob:
        """Stop it. Raises `ApiError` when it is over."""
        await self._run(self._cancel())
        return self

    async def delete(self) -> None:
        """Remove it, with its result and the recording that was sent for it."""
        await self._run(self._delete())
