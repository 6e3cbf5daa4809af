"""Which format of a result a request wants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from earmark.dialects.native._formats import FORMATS_OF, choose_format
from earmark.errors import InvalidOption
from earmark.service import JobKind


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/vtt", "text/vtt"),
        ("TEXT/VTT", "text/vtt"),
        ("text/*", "text/x-rttm"),
        ("text/html, text/csv;q=0.9, */*;q=0.1", "text/csv"),
        ("application/json;q=0.5, application/x-subrip", "application/x-subrip"),
        ("*/*, application/json;q=0", "text/x-rttm"),
        ("text/vtt;charset=utf-8", "text/vtt"),
        ("text/vtt;q=nonsense", "text/vtt"),
    ],
)
def test_what_accept_likes_best(accept: str | None, media_type: str) -> None:
    chosen = choose_format(JobKind.DIARIZE, name=None, accept=accept)
    assert chosen.media_type == media_type


@pytest.mark.parametrize("kind", JobKind)
def test_a_name_goes_before_accept(kind: JobKind) -> None:
    for name, each in FORMATS_OF[kind].items():
        assert choose_format(kind, name=name, accept="image/png") is each


def test_what_there_is_not_is_refused_with_what_there_is() -> None:
    with pytest.raises(InvalidOption, match="json, rttm, csv, audacity"):
        choose_format(JobKind.VOICE_ACTIVITY, name="srt", accept=None)
    with pytest.raises(HTTPException, match="text/csv") as refused:
        choose_format(JobKind.VOICE_ACTIVITY, name=None, accept="text/vtt, image/*")
    assert refused.value.status_code == 406


@given(st.text(max_size=60))
def test_any_header_is_answered(accept: str) -> None:
    formats = FORMATS_OF[JobKind.DIARIZE].values()
    try:
        chosen = choose_format(JobKind.DIARIZE, name=None, accept=f"text/vtt;q=0.001, {accept}")
    except HTTPException:
        assert "q=0" in accept.replace(" ", "").lower()
    else:
        assert chosen in list(formats)
