"""The Python client of Earmark's API: recordings, jobs, galleries of speakers."""

from __future__ import annotations

from earmark.client._client import AsyncClient, Client
from earmark.client._galleries import AsyncGallery, Gallery
from earmark.client._job import AsyncJob, Job
from earmark.client._live import LiveOptions
from earmark.client._plans import IdentifyOptions, MatchOptions, Options
from earmark.client._speakers import AsyncSpeaker, Consent, SampleOptions, Speaker

__all__ = [
    "AsyncClient",
    "AsyncGallery",
    "AsyncJob",
    "AsyncSpeaker",
    "Client",
    "Consent",
    "Gallery",
    "IdentifyOptions",
    "Job",
    "LiveOptions",
    "MatchOptions",
    "Options",
    "SampleOptions",
    "Speaker",
]
