"""Which comparisons are taken, and what is wrong with the others."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from fastapi.exceptions import RequestValidationError

from earmark.dialects.phonexia import _room
from earmark.dialects.phonexia._lists import MAX_BODY_BYTES, ComparisonRequest
from earmark.errors import InvalidInput, Unavailable
from earmark.voiceprints import Voiceprint


def voiceprint(model: str = "earmark-1", *, seed: int = 0) -> str:
    vector = np.random.default_rng(seed).normal(size=448).astype(np.float32)
    return Voiceprint(vector=vector, model=model, net_speech_s=9.0).to_base64()


A, B = voiceprint(), voiceprint(seed=1)


def read(a: Any, b: Any) -> ComparisonRequest:
    return ComparisonRequest.read(json.dumps({"voiceprints_a": a, "voiceprints_b": b}).encode())


def wrong(body: Any) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(RequestValidationError) as caught:
        ComparisonRequest.read(json.dumps(body).encode())
    assert A[200:240] not in str(caught.value.errors())
    return [(each["loc"], each["type"]) for each in caught.value.errors()]


def test_that_both_lists_are_sealed_as_they_came() -> None:
    asked = read([A, B, A], [B])
    assert json.loads(asked.sealed()) == {"a": [A, B, A], "b": [B]}
    assert A[200:240] not in repr(asked)


@pytest.mark.parametrize(
    ("body", "place", "kind"),
    [
        ({"voiceprints_a": [A]}, ("voiceprints_b",), "missing"),
        ({"voiceprints_a": [], "voiceprints_b": [B]}, ("voiceprints_a",), "too_short"),
        ({"voiceprints_a": A, "voiceprints_b": [B]}, ("voiceprints_a",), "list_type"),
        ({"voiceprints_a": [A], "voiceprints_b": [B, 7]}, ("voiceprints_b", 1), "string_type"),
        ([A, B], (), "model_type"),
        (
            {"voiceprints_a": [""] * 50_001, "voiceprints_b": [B]},
            ("voiceprints_a",),
            "too_long",
        ),
        (
            {"voiceprints_a": ["x"] * 1001, "voiceprints_b": ["y"] * 1000},
            (),
            "comparison.too-large",
        ),
        (
            {"voiceprints_a": [A], "voiceprints_b": [B, "AAA="]},
            ("voiceprints_b", 1),
            "voiceprint.invalid",
        ),
        (
            {"voiceprints_a": [A, A[:-4]], "voiceprints_b": [B]},
            ("voiceprints_a", 1),
            "voiceprint.invalid",
        ),
        (
            {"voiceprints_a": [A, voiceprint("xl-5.4.0")], "voiceprints_b": [B]},
            ("voiceprints_a", 1),
            "voiceprint.model",
        ),
    ],
)
def test_what_is_wrong_is_named(body: Any, place: tuple[str | int, ...], kind: str) -> None:
    assert wrong(body) == [(("body", *place), kind)]


def test_that_not_every_bad_voiceprint_is_told_of() -> None:
    assert [where for where, _ in wrong({"voiceprints_a": [A], "voiceprints_b": ["x"] * 5000})] == [
        ("body", "voiceprints_b", i) for i in range(10)
    ]


@pytest.mark.parametrize("body", [b"", b"{", b"no JSON", b"\xff"])
def test_what_is_no_json(body: bytes) -> None:
    with pytest.raises(InvalidInput, match="The body is not JSON"):
        ComparisonRequest.read(body)


def test_that_the_largest_comparison_fits() -> None:
    assert (50_000 + 20) * (len(A) + len('"",  ')) < MAX_BODY_BYTES


def test_that_requests_share_the_memory_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_room, "MAX_HELD_BYTES", 100)
    room = _room.Room()
    with room.share() as one, room.share() as other:
        one.take(60)
        other.take(40)
        with pytest.raises(Unavailable, match="busy with other large requests"):
            other.take(1)
    with room.share() as third:
        third.take(100)
