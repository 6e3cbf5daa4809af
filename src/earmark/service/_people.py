"""What the use cases of galleries speak of: galleries, speakers, consents, samples, matches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Candidate",
    "Consent",
    "Enrolled",
    "Gallery",
    "Named",
    "NewConsent",
    "NewSpeaker",
    "Receipt",
    "Sample",
    "Speaker",
    "StoredVoiceprint",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Gallery:
    """A set of speakers who are searched together.

    ``key`` is unique in the tenant and dialect, where the dialect's names are; ``details`` is what
    the dialect needs to show it again.
    """

    id: str
    tenant_id: str
    dialect: str
    key: str | None
    name: str
    description: str
    details: Mapping[str, Any]
    revision: int
    created_at: float
    updated_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Speaker:
    """An enrolled person. ``key`` is unique in the gallery, where the dialect's names are.

    ``merged_into`` is the speaker that this one's voiceprints count for; ``withdrawn_at`` is when
    consent was withdrawn, from when on nobody is matched with them. Times: seconds since 1970.
    """

    id: str
    tenant_id: str
    gallery_id: str
    key: str | None
    name: str
    details: Mapping[str, Any]
    merged_into: str | None
    split_from: str | None
    withdrawn_at: float | None
    matched_at: float | None
    expires_at: float
    created_at: float
    updated_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class NewSpeaker:
    """Somebody who is to be in a gallery; ``id`` None: one is made up.

    ``key`` is unique in the gallery, where a dialect's names are. They expire at ``expires_at``
    whatever comes, or, when that is None, as the settings say after their last match.
    """

    gallery_id: str
    name: str
    key: str | None = None
    details: Mapping[str, Any] | None = None
    expires_at: float | None = None
    id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class NewConsent:
    """Consent as it is told at an enrolment: who agreed to what text, for what, how and when.

    ``given_at`` None means now.
    """

    subject: str
    text: str
    purpose: str = "speaker recognition"
    method: str = "written"
    given_at: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Consent:
    """A record of consent."""

    id: str
    speaker_id: str
    subject: str
    text: str
    purpose: str
    method: str
    given_at: float
    withdrawn_at: float | None
    created_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """A recording that somebody was enrolled from; ``kept`` says that its audio is still there."""

    id: str
    speaker_id: str
    name: str | None
    sha256: str
    duration_s: float
    net_speech_s: float
    quality: str
    kept: bool
    created_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredVoiceprint:
    """A voiceprint as a speaker holds it, without its vector; ``sample_id`` None: it was sent."""

    id: str
    speaker_id: str
    sample_id: str | None
    model: str
    net_speech_s: float
    quality: str | None
    created_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Enrolled:
    """What an enrolment came to: the speaker now, and what was added to them."""

    speaker: Speaker
    voiceprint: StoredVoiceprint
    sample: Sample | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """Proof of an erasure: ``document`` (JSON) as it was signed, ``signature`` Ed25519, base64."""

    id: str
    speaker_id: str
    document: str
    signature: str
    created_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """Somebody whom a voice was compared with.

    ``speaker_id`` is the enrolled speaker, None where the voiceprint came with the request;
    ``label`` is the name there. ``cosine`` -1..1, ``llr`` the natural log-likelihood ratio,
    ``probability`` 0..1 that it is the same person.
    """

    speaker_id: str | None
    label: str
    cosine: float
    llr: float
    probability: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """Whom a voice is taken for: ``match`` None means unknown.

    ``alternatives`` are the best candidates, best first, the match included; ``margin`` is how
    much the best one's log-likelihood ratio is above the next one's, None when there is none.
    ``threshold`` is the log-likelihood ratio that a match needed.
    """

    match: Candidate | None
    alternatives: tuple[Candidate, ...]
    margin: float | None
    threshold: float
