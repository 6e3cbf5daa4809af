"""The portable form of voiceprints: whole and exact, or refused with the reason."""

from __future__ import annotations

import base64
import hashlib
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.errors import ForeignVoiceprint, VoiceprintError
from earmark.voiceprints import DEFAULT_MODEL, Quality, Voiceprint, require_model
from results import voiceprint


def made(seed: int = 0, *, model: str = DEFAULT_MODEL, dimensions: int = 448) -> Voiceprint:
    return Voiceprint(
        vector=np.random.default_rng(seed).normal(size=dimensions).astype(np.float32),
        model=model,
        net_speech_s=12.345,
        quality=Quality.GOOD,
    )


def sealed(body: bytes) -> bytes:
    """``body`` with the checksum that fits."""
    return body + hashlib.sha256(body).digest()[:8]


def rewritten(at: int, layout: str, value: object) -> bytes:
    """A voiceprint with another value in its header, and the checksum that fits."""
    body = bytearray(made().to_bytes()[:-8])
    struct.pack_into(layout, body, at, value)
    return sealed(bytes(body))


@pytest.mark.parametrize("quality", [None, *Quality])
def test_it_comes_back_as_it_was(quality: Quality | None) -> None:
    one = Voiceprint(vector=made().vector, model="m-2", net_speech_s=0.1, quality=quality)
    assert Voiceprint.from_bytes(one.to_bytes()) == one
    assert Voiceprint.from_base64(one.to_base64()) == one


def test_text_is_short_and_may_have_white_space_around_it() -> None:
    text = made().to_base64()
    assert len(text) < 20_000
    assert Voiceprint.from_base64(f"\n {text}\n") == made()


def test_any_bit_that_changes_is_noticed() -> None:
    data = made().to_bytes()
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 1 << at % 8
        with pytest.raises(VoiceprintError):
            Voiceprint.from_bytes(bytes(damaged))


def test_any_part_of_it_is_refused() -> None:
    data = made(dimensions=8).to_bytes()
    for size in range(len(data)):
        with pytest.raises(VoiceprintError):
            Voiceprint.from_bytes(data[:size])
    with pytest.raises(VoiceprintError, match="send it whole"):
        Voiceprint.from_bytes(data + b"\0")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a voiceprint of Earmark"),
        (b"RIFF" + bytes(100), "not a voiceprint of Earmark"),
        (rewritten(4, "B", 2), "version 2, but this Earmark reads version 1"),
        (rewritten(5, "B", 9), "header makes no sense"),
        (rewritten(6, "B", 5), "header makes no sense"),
        (rewritten(8, "<d", float("nan")), "holds makes no sense"),
        (rewritten(8, "<d", -1.0), "holds makes no sense"),
        (rewritten(8, "<d", 86_401.0), "holds makes no sense"),
        (rewritten(8, "<d", 1e308), "holds makes no sense"),
        (rewritten(16, "<H", 0), "header makes no sense"),
        (rewritten(16, "<H", 65535), "header makes no sense"),
        (rewritten(16, "<H", 447), "has 1827 bytes and should have 1823"),
        (rewritten(18, "4s", b"\xff\n e"), "holds makes no sense"),
        (rewritten(39, "<f", float("inf")), "holds makes no sense"),
        (rewritten(39, "<f", 1e30), "holds makes no sense"),
        (sealed(made().to_bytes()[:27] + bytes(448 * 4)), "holds makes no sense"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(data: bytes, why: str) -> None:
    with pytest.raises(VoiceprintError, match=why):
        Voiceprint.from_bytes(data)


@pytest.mark.parametrize("text", ["not base64!", "ÄÖÜ=", "AAA", "A" * 20_001, "", "\0"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(VoiceprintError):
        Voiceprint.from_base64(text)


@given(st.binary(max_size=600))
def test_no_bytes_do_harm(data: bytes) -> None:
    header = made(dimensions=8).to_bytes()
    for each in (data, b"EMVP" + data, header[:18] + data, sealed(header[:18] + data)):
        try:
            read = Voiceprint.from_bytes(each)
        except VoiceprintError:
            continue
        assert read.to_bytes() == each  # nothing but what was once given out


@given(st.text(max_size=200))
def test_no_text_does_harm(text: str) -> None:
    with pytest.raises(VoiceprintError):
        Voiceprint.from_base64(text)


def test_a_voiceprint_of_another_model_is_told_from_a_damaged_one() -> None:
    foreign = Voiceprint.from_base64(made(model="earmark-0").to_base64())
    with pytest.raises(ForeignVoiceprint, match="model earmark-0, but earmark-1 is used"):
        require_model(foreign)
    with pytest.raises(ForeignVoiceprint):
        foreign.cosine(made())
    assert require_model(made()) == made()


def test_a_voiceprint_that_only_says_that_it_is_of_the_model_is_refused() -> None:
    with pytest.raises(VoiceprintError, match="has 8 numbers") as caught:
        require_model(made(dimensions=8))
    assert not isinstance(caught.value, ForeignVoiceprint)


def test_more_than_a_day_of_speech_has_no_portable_form() -> None:
    vector = made().vector
    day = Voiceprint(vector=vector, model=DEFAULT_MODEL, net_speech_s=86_400.0)
    assert Voiceprint.from_bytes(day.to_bytes()) == day
    longer = Voiceprint(vector=vector, model=DEFAULT_MODEL, net_speech_s=1e308)
    with pytest.raises(VoiceprintError, match="no portable form"):
        longer.to_bytes()


def test_a_model_that_the_form_cannot_name_has_none() -> None:
    with pytest.raises(VoiceprintError, match="no portable form"):
        voiceprint(1, model="Möbius 1").to_bytes()
    with pytest.raises(VoiceprintError, match="no portable form"):
        voiceprint(*range(1, 3000)).to_bytes()


def test_the_text_is_plain_base64_of_the_bytes() -> None:
    assert base64.b64decode(made().to_base64()) == made().to_bytes()
