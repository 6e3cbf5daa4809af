from __future__ import annotations

import multiprocessing
import re
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from earmark.errors import Forbidden, InvalidOption, StorageUnavailable
from earmark.service._links import Links
from earmark.service._secret import keyed_hash, read_secret
from earmark.settings import Settings

_SECRET = b"0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def links() -> Links:
    return Links(_SECRET)


@given(claims=st.dictionaries(st.text(), st.text()))
def test_what_was_signed_is_read(links: Links, claims: dict[str, str]) -> None:
    token = links.sign(claims, ttl_s=60)
    assert links.read(token) == claims
    assert re.fullmatch(r"[A-Za-z0-9_-]+", token)


def test_no_character_can_be_changed(links: Links) -> None:
    token = links.sign({"media": "a", "tenant": "b"}, ttl_s=60)
    for place, character in enumerate(token[:-1]):
        forged = token[:place] + ("A" if character != "A" else "B") + token[place + 1 :]
        with pytest.raises(Forbidden, match="not one of this server"):
            links.read(forged)


@pytest.mark.parametrize("token", ["", "x", "é", "====", "a b", "A" * 43, "A" * 200])
def test_what_is_no_link_is_refused(links: Links, token: str) -> None:
    with pytest.raises(Forbidden, match="not one of this server"):
        links.read(token)


def test_another_secret_signs_nothing_here(links: Links) -> None:
    with pytest.raises(Forbidden):
        links.read(Links(_SECRET[::-1]).sign({"a": "b"}, ttl_s=60))


def test_a_link_ends(links: Links) -> None:
    with pytest.raises(Forbidden, match="is over"):
        links.read(links.sign({"a": "b"}, ttl_s=0))


def test_hashes_of_different_purposes_differ() -> None:
    assert keyed_hash(_SECRET, "key", b"x") != keyed_hash(_SECRET, "link", b"x")
    assert len(keyed_hash(_SECRET, "key", b"x")) == 32


def test_the_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    secret = read_secret(settings)
    path = tmp_path / "data" / "secret.key"
    assert len(secret) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_secret(settings) == secret
    assert [each.name for each in path.parent.iterdir()] == ["secret.key"]
    moved = Settings(
        data_dir=tmp_path / "elsewhere", secret_key=SecretStr(path.read_text().strip())
    )
    assert read_secret(moved) == secret
    assert not (tmp_path / "elsewhere").exists()


def _read(settings: Settings) -> bytes:
    return read_secret(settings)


def test_processes_that_start_together_share_one_secret(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(4) as pool:
        for round_ in range(5):
            settings = Settings(data_dir=tmp_path / str(round_))
            assert len(set(pool.map(_read, [settings] * 8, chunksize=1))) == 1


def test_a_damaged_secret_is_told(tmp_path: Path) -> None:
    (tmp_path / "secret.key").write_bytes(b"short\n")
    with pytest.raises(InvalidOption, match="holds 5 bytes"):
        read_secret(Settings(data_dir=tmp_path))


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageUnavailable, match="EARMARK_SECRET_KEY"):
        read_secret(Settings(data_dir=tmp_path / "file"))
