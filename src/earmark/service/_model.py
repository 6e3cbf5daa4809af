"""What the use cases speak of: callers, media, jobs and their deliveries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, Generic, TypeVar

from earmark.errors import Forbidden, Kind
from earmark.traits import TraitOptions

__all__ = [
    "Caller",
    "Idempotency",
    "IdentifyOptions",
    "Job",
    "JobError",
    "JobKind",
    "JobOptions",
    "JobState",
    "Leg",
    "Media",
    "Page",
    "Priority",
    "Scope",
    "SearchOptions",
    "Submission",
    "Submitted",
]

T = TypeVar("T")


class Scope(StrEnum):
    """What a key may be used for; ``admin`` includes the others."""

    JOBS = "jobs"
    GALLERIES = "galleries"
    LIVE = "live"
    ADMIN = "admin"


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Who asks: a tenant, by one of its keys or, where the settings allow it, by none."""

    tenant_id: str
    key_id: str | None
    scopes: frozenset[Scope]

    def require(self, *scopes: Scope) -> None:
        """Raise `Forbidden` unless the key has one of these scopes."""
        if self.scopes.isdisjoint((*scopes, Scope.ADMIN)):
            names = " or ".join(repr(scope.value) for scope in scopes)
            raise Forbidden(f"This key does not have the scope {names}: use one that has.")


class JobKind(StrEnum):
    """What is asked of a recording."""

    DIARIZE = "diarize"
    VOICE_ACTIVITY = "voice-activity"
    IDENTIFY = "identify"
    VOICEPRINT = "voiceprint"
    COMPARE = "compare"
    SPEAKER_SEARCH = "speaker-search"
    TRAITS = "traits"
    GENDER = "gender"


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


class Leg(StrEnum):
    """One side of a call."""

    CALLER = "caller"
    CALLEE = "callee"

    @property
    def channel(self) -> int:
        """Where it is in a recording of both sides."""
        return list(Leg).index(self)


class Priority(IntEnum):
    """Which of a tenant's own jobs goes first; tenants take turns whatever their priorities."""

    LOW = -1
    NORMAL = 0
    HIGH = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class IdentifyOptions:
    """Against whom the speakers of a recording are named, and how sure that has to be.

    ``galleries`` (ids) and, within them, ``speakers`` (ids; empty: all); both empty when the
    voiceprints came along, sealed (`Submission.sealed`). ``exclusive``: each candidate is given to
    one speaker of the recording at most. A match needs a log-likelihood ratio that a stranger
    reaches with probability ``false_accept_rate`` at most, and a probability of ``confidence``
    (0..1) at least. ``alternatives`` is how many candidates are told per speaker.
    """

    galleries: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()
    exclusive: bool = True
    false_accept_rate: float | None = 0.01  # None: any, as long as the confidence is reached
    confidence: float = 0.0
    alternatives: int = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchOptions:
    """Which side of a call is listened to, and in which gallery (id) the voice is searched."""

    gallery_id: str
    leg: Leg


@dataclass(frozen=True, kw_only=True, slots=True)
class JobOptions:
    """What the engine is asked, as `Diarizer.diarize` takes it, and what is made of its answer.

    ``channels`` is "mix", "split" or a tuple of channel indices. ``frame_confidence`` keeps the
    confidence per frame in the result. ``voiceprints`` has the engine make voiceprints that can be
    compared with those of a gallery; ``searchable`` keeps them with the job. ``limit_s`` and
    ``limit_bytes`` are how long and large the recording may be, if less than the settings say.
    ``sounds`` tells music and other sound apart, beside speech. ``traits`` are what is told over
    the time line, and with ``turns`` who speaks there. ``speech_s`` is how much speech the gender
    is told from at most, in seconds.
    """

    speakers: int | None = None
    min_speakers: int | None = None
    max_speakers: int | None = None
    channels: str | tuple[int, ...] = "mix"
    start: float | None = None
    end: float | None = None
    fast: bool = False
    tolerate_damage: bool = False
    frame_confidence: bool = False
    voiceprints: bool = False
    searchable: bool = False
    identify: IdentifyOptions | None = None
    search: SearchOptions | None = None  # of a job that listens to a call
    limit_s: float | None = None
    limit_bytes: int | None = None
    sounds: bool = False
    traits: TraitOptions | None = None
    turns: bool = False
    speech_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class JobError:
    """Why a job failed."""

    kind: Kind
    code: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A job as it stands. Times are seconds since 1970 (UTC)."""

    id: str
    tenant_id: str
    dialect: str
    kind: JobKind
    state: JobState
    stage: str
    progress: int
    priority: Priority
    options: JobOptions
    render: Mapping[str, Any]
    media_id: str | None
    url: str | None
    name: str | None
    webhook_id: str | None
    error: JobError | None
    created_at: float
    updated_at: float
    started_at: float | None
    finished_at: float | None
    audio_s: float | None
    timings: Mapping[str, float]
    result_blob: str | None
    result_sealed: bool
    sealed_blob: str | None
    findings: Mapping[str, Any] | None
    call_id: str | None
    key_id: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Media:
    """A recording in the blob store; an ``owned`` one goes with the job it came with."""

    id: str
    tenant_id: str
    dialect: str
    key: str | None
    name: str | None
    blob: str
    size: int
    sha256: str
    owned: bool
    created_at: float
    expires_at: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """A request for a job; one of ``media``, ``url`` and ``call_id`` says where the recording is.

    What is asked of voiceprints has none. ``sealed`` is what came with the request that must be
    encrypted, such as voiceprints (JSON); it goes with the job.
    ``render`` is what the dialect needs again to show the result, and is stored as it is (JSON).
    ``retention_s`` is how long the job is kept once over; None: as the tenant has set.
    """

    dialect: str
    kind: JobKind
    options: JobOptions = JobOptions()
    media: Media | None = None
    url: str | None = None
    call_id: str | None = None
    sealed: bytes | None = field(default=None, repr=False)
    name: str | None = None
    webhook: str | None = None
    priority: Priority = Priority.NORMAL
    retention_s: float | None = None
    render: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Idempotency:
    """A client's promise that requests with this key are one request.

    ``fingerprint`` is the SHA-256 (hex) of the route and of what was asked. ``on_replay`` is
    called when an earlier request has done it already.
    """

    key: str
    fingerprint: str
    on_replay: Callable[[], object] = field(default=lambda: None, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Submitted:
    """The job of a submission; ``replayed`` when an earlier request had made it."""

    job: Job
    replayed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Page(Generic[T]):
    """A part of a list, newest first; ``cursor`` leads to the next part, None at the end."""

    items: tuple[T, ...]
    cursor: str | None
    total: int
