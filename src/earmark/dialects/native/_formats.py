"""The formats that results are given in, and which of them a request wants."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.exceptions import HTTPException

from earmark.diarization import FORMATS, Diarization, SpeechActivity
from earmark.errors import InvalidOption
from earmark.service import Identification, JobKind

__all__ = ["FORMATS_OF", "ResultFormat", "choose_format"]

_MEDIA_TYPES = {
    "json": "application/json",
    "rttm": "text/x-rttm",
    "srt": "application/x-subrip",
    "vtt": "text/vtt",
    "textgrid": "text/x-textgrid",
    "csv": "text/csv",
    "audacity": "text/x-audacity-labels",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultFormat:
    """A format: its media type, its file name extension, and how it is made.

    ``write(document, exclusive)`` makes it from the stored JSON document.
    """

    media_type: str
    extension: str
    write: Callable[[bytes, bool], bytes]


def _stored(document: bytes, _: bool) -> bytes:
    return document


def _turns(name: str) -> Callable[[bytes, bool], bytes]:
    return lambda document, exclusive: (
        FORMATS[name].write(Diarization.from_json(document), exclusive).encode()
    )


def _named(name: str) -> Callable[[bytes, bool], bytes]:
    return lambda document, exclusive: (
        FORMATS[name].write(Identification.from_json(document).named(), exclusive).encode()
    )


def _speech(write: Callable[[SpeechActivity], str]) -> Callable[[bytes, bool], bytes]:
    return lambda document, _: write(SpeechActivity.from_json(document)).encode()


def _formats(
    writers: Mapping[str, Callable[[bytes, bool], bytes]],
) -> Mapping[str, ResultFormat]:
    return {
        name: ResultFormat(
            media_type=media_type, extension=FORMATS[name].extension, write=writers[name]
        )
        for name, media_type in _MEDIA_TYPES.items()
        if name in writers
    }


_JSON = _formats({"json": _stored})

FORMATS_OF: Mapping[JobKind, Mapping[str, ResultFormat]] = {
    JobKind.DIARIZE: _formats({**{name: _turns(name) for name in FORMATS}, "json": _stored}),
    JobKind.VOICE_ACTIVITY: _formats(
        {
            "json": _stored,
            "rttm": _speech(SpeechActivity.to_rttm),
            "csv": _speech(SpeechActivity.to_csv),
            "audacity": _speech(SpeechActivity.to_audacity),
        }
    ),
    JobKind.IDENTIFY: _formats({**{name: _named(name) for name in FORMATS}, "json": _stored}),
    JobKind.VOICEPRINT: _JSON,
    JobKind.COMPARE: _JSON,
    JobKind.SPEAKER_SEARCH: _JSON,
    JobKind.TRAITS: _JSON,
    JobKind.GENDER: _JSON,
}
"""Kind of job -> name of the format -> the format; the first one is given if none is named."""


def choose_format(kind: JobKind, *, name: str | None, accept: str | None) -> ResultFormat:
    """The format with this name, else the one that the header ``Accept`` likes best.

    Raises `InvalidOption` for a name that is none, and an HTTP 406 when nothing is acceptable.
    """
    formats = FORMATS_OF[kind]
    if name is not None:
        if name not in formats:
            raise InvalidOption(
                f"format={name[:100]!r} is none of the formats of this result: take one of"
                f" {', '.join(formats)}."
            )
        return formats[name]
    wanted = {
        each: quality
        for each in formats.values()
        if (quality := _quality(each.media_type, accept or "*/*")) > 0
    }
    if not wanted:
        known = ", ".join(each.media_type for each in formats.values())
        raise HTTPException(
            406, f"There is no result as {(accept or '')[:200]!r}: accept one of {known}."
        )
    return max(wanted, key=lambda each: wanted[each])


def _quality(media_type: str, accept: str) -> float:
    """How much ``Accept`` wants a media type, 0..1; the most specific range decides (RFC 9110)."""
    major = media_type.partition("/")[0]
    found: dict[str, float] = {}
    for part in accept.lower().split(","):
        media_range, *parameters = (each.strip() for each in part.split(";"))
        quality = next((each[2:] for each in parameters if each.startswith("q=")), "1")
        found[media_range] = float(quality) if re.fullmatch(r"[01](\.\d{0,3})?", quality) else 1.0
    return next((found[r] for r in (media_type, f"{major}/*", "*/*") if r in found), 0.0)
