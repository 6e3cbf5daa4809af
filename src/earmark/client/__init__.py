"""The Python client of Earmark's API: send recordings to a server, follow jobs, fetch results."""

from __future__ import annotations

from earmark.client._client import AsyncClient, Client
from earmark.client._job import AsyncJob, Job
from earmark.client._plans import Options

__all__ = ["AsyncClient", "AsyncJob", "Client", "Job", "Options"]
