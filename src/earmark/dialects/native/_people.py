"""Documents of galleries, and of the people in them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from earmark.dialects._http import iso
from earmark.dialects.native._documents import Document, maybe_iso
from earmark.service import (
    Consent,
    Enrolled,
    Gallery,
    Receipt,
    Sample,
    Speaker,
    StoredVoiceprint,
)
from earmark.voiceprints import Quality

__all__ = [
    "ConsentDocument",
    "ConsentsDocument",
    "EnrolmentDocument",
    "GalleriesDocument",
    "GalleryDocument",
    "ReceiptDocument",
    "SampleDocument",
    "SamplesDocument",
    "SpeakerDocument",
    "SpeakersDocument",
    "VoiceprintDocument",
    "VoiceprintsDocument",
    "consent_document",
    "enrolment_document",
    "gallery_document",
    "receipt_document",
    "sample_document",
    "speaker_document",
    "voiceprint_document",
]


class GalleryDocument(Document):
    """A set of speakers who are searched together."""

    schema_: Literal["earmark.gallery/1"] = Field(default="earmark.gallery/1", alias="schema")
    id: str
    name: str
    description: str
    dialect: str = Field(description="The API through which it came.")
    details: dict[str, Any] = Field(description="Whatever was given with it.")
    created_at: str
    updated_at: str


class GalleriesDocument(Document):
    """A part of the list of galleries, newest first."""

    schema_: Literal["earmark.galleries/1"] = Field(default="earmark.galleries/1", alias="schema")
    items: list[GalleryDocument]
    cursor: str | None = Field(description="Leads to the next part; null at the end.")
    total: int


class SpeakerDocument(Document):
    """An enrolled person."""

    schema_: Literal["earmark.speaker/1"] = Field(default="earmark.speaker/1", alias="schema")
    id: str
    gallery_id: str
    name: str
    details: dict[str, Any] = Field(description="Whatever was given with them.")
    merged_into: str | None = Field(
        description="The speaker whom this one's voiceprints count for."
    )
    split_from: str | None = Field(description="The speaker whose voiceprints these were.")
    withdrawn_at: str | None = Field(
        description="When consent was withdrawn: nothing is matched with them from then on."
    )
    matched_at: str | None = Field(description="When they were last recognised, to the hour.")
    expires_at: str = Field(description="When they are erased, unless recognised before.")
    created_at: str
    updated_at: str


class SpeakersDocument(Document):
    """A part of the list of a gallery's speakers, newest first."""

    schema_: Literal["earmark.speakers/1"] = Field(default="earmark.speakers/1", alias="schema")
    items: list[SpeakerDocument]
    cursor: str | None = Field(description="Leads to the next part; null at the end.")
    total: int


class ConsentDocument(Document):
    """A record of consent."""

    schema_: Literal["earmark.consent/1"] = Field(default="earmark.consent/1", alias="schema")
    id: str
    speaker_id: str
    subject: str = Field(description="Who consented.")
    text: str = Field(description="To what.")
    purpose: str
    method: str = Field(description="How, such as `written` or `recorded`.")
    given_at: str
    withdrawn_at: str | None
    created_at: str


class ConsentsDocument(Document):
    """All records of consent of one person."""

    schema_: Literal["earmark.consents/1"] = Field(default="earmark.consents/1", alias="schema")
    items: list[ConsentDocument]


class SampleDocument(Document):
    """A recording that somebody was enrolled from."""

    schema_: Literal["earmark.sample/1"] = Field(default="earmark.sample/1", alias="schema")
    id: str
    speaker_id: str
    name: str | None = Field(description="The file's name.")
    sha256: str
    duration: float = Field(description="Seconds.")
    net_speech: float = Field(description="Seconds of this person's clear speech.")
    quality: Quality
    kept: bool = Field(description="Whether the audio is still there.")
    created_at: str


class SamplesDocument(Document):
    """All samples of one person."""

    schema_: Literal["earmark.samples/1"] = Field(default="earmark.samples/1", alias="schema")
    items: list[SampleDocument]


class VoiceprintDocument(Document):
    """A voiceprint of a speaker."""

    schema_: Literal["earmark.voiceprint/1"] = Field(default="earmark.voiceprint/1", alias="schema")
    id: str
    speaker_id: str
    sample_id: str | None = Field(description="What it was made from; null: it came as it is.")
    model: str
    net_speech: float = Field(description="Seconds of speech behind it.")
    quality: Quality | None
    created_at: str
    voiceprint: str | None = Field(
        default=None, description="The voiceprint itself, as base64, only where it was asked for."
    )


class VoiceprintsDocument(Document):
    """All voiceprints of one person."""

    schema_: Literal["earmark.speaker-voiceprints/1"] = Field(
        default="earmark.speaker-voiceprints/1", alias="schema"
    )
    items: list[VoiceprintDocument]


class EnrolmentDocument(Document):
    """What an enrolment came to."""

    schema_: Literal["earmark.enrolment/1"] = Field(default="earmark.enrolment/1", alias="schema")
    speaker: SpeakerDocument
    voiceprint: VoiceprintDocument
    sample: SampleDocument | None = Field(description="Null: a voiceprint was sent.")


class ReceiptDocument(Document):
    """Proof of an erasure; it holds no name."""

    schema_: Literal["earmark.receipt/1"] = Field(default="earmark.receipt/1", alias="schema")
    id: str
    speaker_id: str
    document: str = Field(description="What was signed: JSON, to the byte.")
    signature: str = Field(description="Ed25519, base64; `GET /receipts/key` has the public key.")
    created_at: str


def gallery_document(gallery: Gallery) -> GalleryDocument:
    return GalleryDocument(
        id=gallery.id,
        name=gallery.name,
        description=gallery.description,
        dialect=gallery.dialect,
        details=dict(gallery.details),
        created_at=iso(gallery.created_at),
        updated_at=iso(gallery.updated_at),
    )


def speaker_document(speaker: Speaker) -> SpeakerDocument:
    return SpeakerDocument(
        id=speaker.id,
        gallery_id=speaker.gallery_id,
        name=speaker.name,
        details=dict(speaker.details),
        merged_into=speaker.merged_into,
        split_from=speaker.split_from,
        withdrawn_at=maybe_iso(speaker.withdrawn_at),
        matched_at=maybe_iso(speaker.matched_at),
        expires_at=iso(speaker.expires_at),
        created_at=iso(speaker.created_at),
        updated_at=iso(speaker.updated_at),
    )


def consent_document(consent: Consent) -> ConsentDocument:
    return ConsentDocument(
        id=consent.id,
        speaker_id=consent.speaker_id,
        subject=consent.subject,
        text=consent.text,
        purpose=consent.purpose,
        method=consent.method,
        given_at=iso(consent.given_at),
        withdrawn_at=maybe_iso(consent.withdrawn_at),
        created_at=iso(consent.created_at),
    )


def sample_document(sample: Sample) -> SampleDocument:
    return SampleDocument(
        id=sample.id,
        speaker_id=sample.speaker_id,
        name=sample.name,
        sha256=sample.sha256,
        duration=sample.duration_s,
        net_speech=sample.net_speech_s,
        quality=Quality(sample.quality),
        kept=sample.kept,
        created_at=iso(sample.created_at),
    )


def voiceprint_document(
    stored: StoredVoiceprint, portable: str | None = None
) -> VoiceprintDocument:
    return VoiceprintDocument(
        id=stored.id,
        speaker_id=stored.speaker_id,
        sample_id=stored.sample_id,
        model=stored.model,
        net_speech=stored.net_speech_s,
        quality=None if stored.quality is None else Quality(stored.quality),
        created_at=iso(stored.created_at),
        voiceprint=portable,
    )


def enrolment_document(enrolled: Enrolled) -> EnrolmentDocument:
    sample = enrolled.sample
    return EnrolmentDocument(
        speaker=speaker_document(enrolled.speaker),
        voiceprint=voiceprint_document(enrolled.voiceprint),
        sample=None if sample is None else sample_document(sample),
    )


def receipt_document(receipt: Receipt) -> ReceiptDocument:
    return ReceiptDocument(
        id=receipt.id,
        speaker_id=receipt.speaker_id,
        document=receipt.document,
        signature=receipt.signature,
        created_at=iso(receipt.created_at),
    )
