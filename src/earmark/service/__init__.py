"""The use cases that every dialect shares: tenants and keys, media, jobs, webhooks, workers.

A dialect parses a request, calls a method of `Service`, and renders what it gives; nothing here
knows of any protocol. The names below are loaded when first used: a command that makes a key needs
no job engine.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from earmark.service._addresses import AddressRules as AddressRules
    from earmark.service._analyst import Analyst as Analyst
    from earmark.service._archive import Appearance as Appearance
    from earmark.service._archive import Appearances as Appearances
    from earmark.service._archive import HeardVoice as HeardVoice
    from earmark.service._audit import Audit as Audit
    from earmark.service._audit import AuditEntry as AuditEntry
    from earmark.service._audit import Verification as Verification
    from earmark.service._call_media import CallMedia as CallMedia
    from earmark.service._call_media import CallMediaStream as CallMediaStream
    from earmark.service._calls import Call as Call
    from earmark.service._calls import Calls as Calls
    from earmark.service._calls import CallWriter as CallWriter
    from earmark.service._consents import standing_consent as standing_consent
    from earmark.service._courier import Courier as Courier
    from earmark.service._delivery import Attempt as Attempt
    from earmark.service._delivery import Delivery as Delivery
    from earmark.service._delivery import DeliveryState as DeliveryState
    from earmark.service._delivery import Event as Event
    from earmark.service._delivery import Webhook as Webhook
    from earmark.service._delivery import WebhookFormat as WebhookFormat
    from earmark.service._delivery import event_of as event_of
    from earmark.service._download import download as download
    from earmark.service._enrolment import LONGEST_S as LONGEST_S
    from earmark.service._enrolment import Enrolment as Enrolment
    from earmark.service._galleries import Galleries as Galleries
    from earmark.service._identification import Comparison as Comparison
    from earmark.service._identification import Identification as Identification
    from earmark.service._identification import NamedSpeaker as NamedSpeaker
    from earmark.service._identification import Voice as Voice
    from earmark.service._identification import Voices as Voices
    from earmark.service._identification import identify_speakers as identify_speakers
    from earmark.service._jobs import Jobs as Jobs
    from earmark.service._keys import Key as Key
    from earmark.service._keys import Keys as Keys
    from earmark.service._keys import NewKey as NewKey
    from earmark.service._limits import Allowance as Allowance
    from earmark.service._limits import RateLimits as RateLimits
    from earmark.service._links import Links as Links
    from earmark.service._live import LiveSessions as LiveSessions
    from earmark.service._live_stream import Hosted as Hosted
    from earmark.service._live_stream import LiveStream as LiveStream
    from earmark.service._local import LocalGallery as LocalGallery
    from earmark.service._media import MediaLibrary as MediaLibrary
    from earmark.service._media import MediaWriter as MediaWriter
    from earmark.service._model import Caller as Caller
    from earmark.service._model import Idempotency as Idempotency
    from earmark.service._model import IdentifyOptions as IdentifyOptions
    from earmark.service._model import Job as Job
    from earmark.service._model import JobError as JobError
    from earmark.service._model import JobKind as JobKind
    from earmark.service._model import JobOptions as JobOptions
    from earmark.service._model import JobState as JobState
    from earmark.service._model import Leg as Leg
    from earmark.service._model import Media as Media
    from earmark.service._model import Page as Page
    from earmark.service._model import Priority as Priority
    from earmark.service._model import Scope as Scope
    from earmark.service._model import SearchOptions as SearchOptions
    from earmark.service._model import Submission as Submission
    from earmark.service._model import Submitted as Submitted
    from earmark.service._observe import Observer as Observer
    from earmark.service._people import Candidate as Candidate
    from earmark.service._people import Consent as Consent
    from earmark.service._people import Enrolled as Enrolled
    from earmark.service._people import Gallery as Gallery
    from earmark.service._people import Named as Named
    from earmark.service._people import NewConsent as NewConsent
    from earmark.service._people import NewSpeaker as NewSpeaker
    from earmark.service._people import Receipt as Receipt
    from earmark.service._people import Sample as Sample
    from earmark.service._people import Speaker as Speaker
    from earmark.service._people import StoredVoiceprint as StoredVoiceprint
    from earmark.service._queue import Queue as Queue
    from earmark.service._receipts import Receipts as Receipts
    from earmark.service._reembedding import Reembedded as Reembedded
    from earmark.service._search import Search as Search
    from earmark.service._search_findings import Match as Match
    from earmark.service._search_findings import SearchFindings as SearchFindings
    from earmark.service._service import Service as Service
    from earmark.service._speaker_search import SpeakerSearch as SpeakerSearch
    from earmark.service._speakers import Speakers as Speakers
    from earmark.service._store import Store as Store
    from earmark.service._sweeper import Sweeper as Sweeper
    from earmark.service._tags import MAX_TAGS as MAX_TAGS
    from earmark.service._tags import Tags as Tags
    from earmark.service._task_enrolment import TaskEnrolment as TaskEnrolment
    from earmark.service._tenants import UNCHANGED as UNCHANGED
    from earmark.service._tenants import Tenant as Tenant
    from earmark.service._tenants import Tenants as Tenants
    from earmark.service._text import iso as iso
    from earmark.service._tickets import Ticket as Ticket
    from earmark.service._tickets import Tickets as Tickets
    from earmark.service._token import generate_token as generate_token
    from earmark.service._uploads import Upload as Upload
    from earmark.service._uploads import Uploads as Uploads
    from earmark.service._voice_connectors import VoiceConnector as VoiceConnector
    from earmark.service._voice_connectors import VoiceConnectors as VoiceConnectors
    from earmark.service._voiceprint_genders import VoiceprintGenders as VoiceprintGenders
    from earmark.service._webhooks import Webhooks as Webhooks
    from earmark.service._worker import Worker as Worker

_HOMES = {
    "_addresses": ("AddressRules",),
    "_analyst": ("Analyst",),
    "_audit": ("Audit", "AuditEntry", "Verification"),
    "_call_media": ("CallMedia", "CallMediaStream"),
    "_calls": ("Call", "CallWriter", "Calls"),
    "_consents": ("standing_consent",),
    "_archive": ("Appearance", "Appearances", "HeardVoice"),
    "_courier": ("Courier",),
    "_delivery": (
        *("Attempt", "Delivery", "DeliveryState", "Event", "Webhook", "WebhookFormat"),
        "event_of",
    ),
    "_download": ("download",),
    "_enrolment": ("LONGEST_S", "Enrolment"),
    "_galleries": ("Galleries",),
    "_identification": (
        *("Comparison", "Identification", "NamedSpeaker", "Voice", "Voices"),
        "identify_speakers",
    ),
    "_jobs": ("Jobs",),
    "_keys": ("Key", "Keys", "NewKey"),
    "_limits": ("Allowance", "RateLimits"),
    "_links": ("Links",),
    "_live": ("LiveSessions",),
    "_live_stream": ("Hosted", "LiveStream"),
    "_local": ("LocalGallery",),
    "_media": ("MediaLibrary", "MediaWriter"),
    "_model": (
        *("Caller", "Idempotency", "IdentifyOptions", "Job", "JobError", "JobKind"),
        *("JobOptions", "JobState", "Leg", "Media", "Page", "Priority", "Scope"),
        *("SearchOptions", "Submission", "Submitted"),
    ),
    "_observe": ("Observer",),
    "_people": (
        *("Candidate", "Consent", "Enrolled", "Gallery", "Named", "NewConsent", "NewSpeaker"),
        *("Receipt", "Sample", "Speaker", "StoredVoiceprint"),
    ),
    "_queue": ("Queue",),
    "_receipts": ("Receipts",),
    "_search": ("Search",),
    "_reembedding": ("Reembedded",),
    "_search_findings": ("Match", "SearchFindings"),
    "_service": ("Service",),
    "_speaker_search": ("SpeakerSearch",),
    "_speakers": ("Speakers",),
    "_store": ("Store",),
    "_sweeper": ("Sweeper",),
    "_tags": ("MAX_TAGS", "Tags"),
    "_task_enrolment": ("TaskEnrolment",),
    "_tenants": ("UNCHANGED", "Tenant", "Tenants"),
    "_text": ("iso",),
    "_tickets": ("Ticket", "Tickets"),
    "_token": ("generate_token",),
    "_uploads": ("Upload", "Uploads"),
    "_voice_connectors": ("VoiceConnector", "VoiceConnectors"),
    "_voiceprint_genders": ("VoiceprintGenders",),
    "_webhooks": ("Webhooks",),
    "_worker": ("Worker",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF, key=lambda name: (not name.isupper(), name))


def __getattr__(name: str) -> object:
    """Load a public name on first use (PEP 562)."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value
