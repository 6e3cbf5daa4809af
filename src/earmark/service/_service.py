"""All use cases of one installation, for the dialects to call."""

from __future__ import annotations

from functools import cached_property
from typing import Self

from earmark.service._analyst import Analyst
from earmark.service._audit import Audit
from earmark.service._call_media import CallMedia
from earmark.service._calls import Calls
from earmark.service._enrolment import Enrolment
from earmark.service._galleries import Galleries
from earmark.service._http import Http
from earmark.service._jobs import Jobs
from earmark.service._keys import Keys
from earmark.service._limits import RateLimits
from earmark.service._links import Links
from earmark.service._live import LiveSessions
from earmark.service._media import MediaLibrary
from earmark.service._receipts import Receipts
from earmark.service._search import Search
from earmark.service._speaker_search import SpeakerSearch
from earmark.service._speakers import Speakers
from earmark.service._store import Store
from earmark.service._tags import Tags
from earmark.service._task_enrolment import TaskEnrolment
from earmark.service._tenants import Tenants
from earmark.service._tickets import Tickets
from earmark.service._uploads import Uploads
from earmark.service._voice_connectors import VoiceConnectors
from earmark.service._webhooks import Webhooks
from earmark.settings import Settings

__all__ = ["Service"]


class Service:
    """The use cases that every dialect shares; all methods may be called from any thread."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.settings = store.settings
        self.tenants = Tenants(store)
        self.keys = Keys(store)
        self.limits = RateLimits(store.settings)
        self.links = Links(store.secret)
        self.tickets = Tickets(store, self.keys, self.links)
        self.media = MediaLibrary(store)
        self.uploads = Uploads(store)
        self.jobs = Jobs(store)
        self.webhooks = Webhooks(store)
        self.calls = Calls(store)
        self.tags = Tags(store)
        self.voice_connectors = VoiceConnectors(store)
        self.speaker_search = SpeakerSearch(self)
        self.task_enrolment = TaskEnrolment(self)
        self.analyst = Analyst(store)
        self.galleries = Galleries(store)
        self.speakers = Speakers(store)
        self.enrolment = Enrolment(store, self.analyst)
        self.audit = Audit(store)
        self.receipts = Receipts(store)
        self.search = Search(store)
        self.live = LiveSessions(store, self.search)
        self.call_media = CallMedia(self)

    @cached_property
    def http(self) -> Http:
        """The client for addresses that users name; to make it takes a while."""
        return Http(self.settings)

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Open the storage that the settings name; see `Store.open` for what it raises."""
        return cls(Store.open(settings))

    @property
    def draining(self) -> bool:
        """Whether the process is about to end: no jobs are taken, streams are to be closed."""
        return self.jobs.draining

    def drain(self) -> None:
        """Take nothing new from now on, and end what lasts."""
        self.jobs.drain()
        self.live.drain()

    def close(self) -> None:
        self.live.close()
        self.call_media.close()
        self.analyst.close()
        self.store.close()
