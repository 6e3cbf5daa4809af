"""Documents of galleries, and of the people in them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from earmark.dialects.native._documents import Document, Stamp
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
]


class GalleryDocument(Document):
    """A set of speakers who are searched together."""

    schema_: Literal["earmark.gallery/1"] = Field(default="earmark.gallery/1", alias="schema")
    id: str
    name: str
    description: str
    dialect: str = Field(description="The API through which it came.")
    details: dict[str, Any] = Field(description="Whatever was given with it.")
    created_at: Stamp
    updated_at: Stamp


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
    withdrawn_at: Stamp | None = Field(
        description="When consent was withdrawn: nothing is matched with them from then on."
    )
    matched_at: Stamp | None = Field(description="When they were last recognised, to the hour.")
    expires_at: Stamp = Field(description="When they are erased, unless recognised before.")
    created_at: Stamp
    updated_at: Stamp


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
    given_at: Stamp
    withdrawn_at: Stamp | None
    created_at: Stamp


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
    duration: float = Field(validation_alias="duration_s", description="Seconds.")
    net_speech: float = Field(
        validation_alias="net_speech_s", description="Seconds of this person's clear speech."
    )
    quality: Quality
    kept: bool = Field(description="Whether the audio is still there.")
    created_at: Stamp


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
    net_speech: float = Field(
        validation_alias="net_speech_s", description="Seconds of speech behind it."
    )
    quality: Quality | None
    created_at: Stamp
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
    created_at: Stamp
