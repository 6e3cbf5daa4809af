"""A voiceprint as bytes that other programs keep: small, versioned, checked.

The layout, little-endian::

    4  magic, "EMVP"
    1  version, 1
    1  type of the numbers, 1: float32
    1  quality, 0: not known, then 1 to 4 from poor to high
    1  length of the model's id
    8  seconds of net speech, float64, at most a day
    2  how many numbers
       the model's id, ASCII
       the numbers
    8  the first bytes of the SHA-256 of all that stands before

What is read is checked from the front, before anything is made of it: what comes in was sent by
strangers.
"""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earmark.errors import VoiceprintError
from earmark.voiceprints._quality import Quality

__all__ = ["LONGEST", "Content", "pack", "pack_text", "unpack", "unpack_many", "unpack_text"]

LONGEST = 20_000
"""Most characters of a portable voiceprint."""

_HEADER = struct.Struct("<4sBBBBdH")
_MAGIC = b"EMVP"
_VERSION = 1
_FLOAT32 = 1
_CHECK = 8
_MOST_NUMBERS = 2048
_LONGEST_S = 86_400.0
_MODEL = re.compile(rb"[a-z0-9][a-z0-9._-]{0,63}")
_QUALITIES = (None, *Quality)
_UNIT_TOLERANCE = 1e-6  # that of Voiceprint: what is read is then what was written


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Content:
    """What the bytes hold; ``vector`` float32 [dim]."""

    vector: NDArray[np.float32]
    model: str
    net_speech_s: float
    quality: Quality | None


def pack(content: Content) -> bytes:
    """The bytes. Raises `VoiceprintError` for what they cannot hold."""
    model = content.model.encode("utf-8")
    if content.net_speech_s > _LONGEST_S:
        raise VoiceprintError(
            f"A voiceprint of {content.net_speech_s:g} s of speech has no portable form: make it"
            f" from {_LONGEST_S:g} s at most."
        )
    if not _MODEL.fullmatch(model) or not 0 < content.vector.size <= _MOST_NUMBERS:
        raise VoiceprintError(
            f"A voiceprint of model {content.model!r} with {content.vector.size} numbers has no"
            " portable form."
        )
    header = _HEADER.pack(
        _MAGIC,
        _VERSION,
        _FLOAT32,
        _QUALITIES.index(content.quality),
        len(model),
        content.net_speech_s,
        content.vector.size,
    )
    body = header + model + content.vector.astype("<f4").tobytes()
    return body + _checksum(body)


def unpack(data: bytes) -> Content:
    """What ``data`` holds. Raises `VoiceprintError`, which says what is wrong with it."""
    if len(data) < _HEADER.size or not data.startswith(_MAGIC):
        raise VoiceprintError("This is not a voiceprint of Earmark: send one as it was given out.")
    _, version, kind, quality, model_size, seconds, count = _HEADER.unpack_from(data)
    if version != _VERSION:
        raise VoiceprintError(
            f"The voiceprint is of version {version}, but this Earmark reads version {_VERSION}:"
            " update it, or make the voiceprint again."
        )
    if kind != _FLOAT32 or quality >= len(_QUALITIES) or not 0 < count <= _MOST_NUMBERS:
        raise VoiceprintError("The voiceprint is damaged: its header makes no sense.")
    vector_at = _HEADER.size + model_size
    checked = vector_at + 4 * count
    if len(data) != checked + _CHECK:
        raise VoiceprintError(
            f"The voiceprint is damaged: it has {len(data)} bytes and should have"
            f" {checked + _CHECK}; send it whole."
        )
    if _checksum(data[:checked]) != data[checked:]:
        raise VoiceprintError("The voiceprint is damaged: its checksum does not fit.")
    model = data[_HEADER.size : vector_at]
    vector = np.frombuffer(data, "<f4", count, vector_at).astype(np.float32)
    norm = float(np.linalg.norm(vector.astype(np.float64)))  # NaN and infinity end up in it
    fits = abs(norm - 1) <= _UNIT_TOLERANCE and 0 <= seconds <= _LONGEST_S  # NaN is in no range
    if not (fits and _MODEL.fullmatch(model)):
        raise VoiceprintError("The voiceprint is damaged: what it holds makes no sense.")
    return Content(
        vector=vector,
        model=model.decode("ascii"),
        net_speech_s=seconds,
        quality=_QUALITIES[quality],
    )


def unpack_many(
    data: Sequence[bytes], model: str, size: int
) -> tuple[NDArray[np.float32], NDArray[np.float64]] | None:
    """What many hold, of this model with ``size`` numbers: vectors [n, size] and seconds [n].

    Checked as `unpack` checks them, many times as fast. None when one does not pass or is of
    another model: `unpack` tells which, and why.
    """
    layout = np.dtype(
        [
            ("start", "V6"),  # up to the type of the numbers
            ("quality", "u1"),
            ("model_size", "u1"),
            ("seconds", "<f8"),
            ("count", "<u2"),
            ("model", f"V{len(model)}"),
            ("vector", "<f4", (size,)),
            ("check", f"V{_CHECK}"),
        ]
    )
    at = layout.itemsize - _CHECK
    if not all(len(each) == at + _CHECK and _checksum(each[:at]) == each[at:] for each in data):
        return None
    found = np.frombuffer(b"".join(data), layout)
    vectors, seconds = found["vector"].astype(np.float32), found["seconds"].astype(np.float64)
    unit = np.zeros(size, np.float32)
    unit[0] = 1.0
    right = pack(Content(vector=unit, model=model, net_speech_s=0.0, quality=None))
    same = np.frombuffer(right, layout)
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    fits = (
        *(found[name] == same[name] for name in ("start", "model_size", "count", "model")),
        found["quality"] < len(_QUALITIES),
        np.abs(norms - 1) <= _UNIT_TOLERANCE,
        (seconds >= 0) & (seconds <= _LONGEST_S),
    )
    return (vectors, seconds) if all(bool(each.all()) for each in fits) else None


def pack_text(content: Content) -> str:
    """The bytes as base64. Raises `VoiceprintError` as `pack` does."""
    return base64.b64encode(pack(content)).decode("ascii")


def unpack_text(text: str) -> Content:
    """What base64 holds; white space around it is no harm. Raises `VoiceprintError`."""
    text = text.strip()
    if len(text) > LONGEST:
        raise VoiceprintError(
            f"A voiceprint has at most {LONGEST} characters, and this has {len(text)}."
        )
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:  # binascii.Error, and text that is not ASCII
        raise VoiceprintError(
            "The voiceprint is not base64: send it as it was given out."
        ) from error
    return unpack(data)


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:_CHECK]
