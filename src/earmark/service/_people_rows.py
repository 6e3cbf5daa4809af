"""Between the rows of galleries and speakers, and the values that the use cases speak of."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

import sqlalchemy as sa

from earmark.service._people import Consent, Gallery, Receipt, Sample, Speaker, StoredVoiceprint

__all__ = ["consent_of", "gallery_of", "receipt_of", "sample_of", "speaker_of", "voiceprint_of"]

T = TypeVar("T")


def gallery_of(row: sa.RowMapping) -> Gallery:
    return _made(Gallery, row)


def speaker_of(row: sa.RowMapping) -> Speaker:
    return _made(Speaker, row)


def consent_of(row: sa.RowMapping) -> Consent:
    return _made(Consent, row)


def voiceprint_of(row: sa.RowMapping) -> StoredVoiceprint:
    return _made(StoredVoiceprint, row)


def sample_of(row: sa.RowMapping) -> Sample:
    return _made(Sample, row, kept=row["blob"] is not None)


def receipt_of(row: sa.RowMapping) -> Receipt:
    return _made(Receipt, row)


def _made(kind: type[T], row: sa.RowMapping, **more: Any) -> T:
    """A value of this class, whose fields the row's columns are."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: more[name] if name in more else row[name] for name in names})
