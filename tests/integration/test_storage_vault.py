"""Sealing and opening, and that what is forgotten opens nowhere again."""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from earmark.errors import Gone, KeyringError
from earmark.settings import Settings
from earmark.storage import Database, Vault, jobs, migrate, tenants
from earmark.storage._schema import galleries, speakers, voiceprints

DAY = 86400.0


@pytest.fixture(params=["file", "postgresql"])
def keyring_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A keyring of each kind."""
    if request.param == "file":
        return f"file://{tmp_path / 'keys' / 'keyring.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def settings(keyring_url: str, tmp_path: Path) -> Settings:
    return Settings.model_validate({"keyring_url": keyring_url, "data_dir": tmp_path / "data"})


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(f"sqlite:///{tmp_path / 'data' / 'earmark.db'}")) as database:
        migrate(database)
        yield database


@pytest.fixture
def vault(settings: Settings, embedded: Database) -> Iterator[Vault]:
    with closing(Vault.unlock(settings, embedded)) as opened:
        yield opened


def enrolled(database: Database, vault: Vault, made_at: float = 0.0) -> str:
    """A speaker with a voiceprint, sealed."""
    speaker_id, tenant_id, gallery_id = (str(uuid.uuid4()) for _ in range(3))
    sealed = vault.seal(speaker_id, b"what a voice is like", purpose="voiceprint")
    dated = {"created_at": made_at, "updated_at": made_at}
    with database.write() as connection:
        tenants.insert(connection, tenant_id=tenant_id, name=tenant_id, webhook_secret="w", now=0.0)
        of = {"tenant_id": tenant_id, "details": {}}
        gallery = {"id": gallery_id, "dialect": "native", "name": "staff", **of, **dated}
        connection.execute(galleries.insert().values(gallery))
        person = {
            "id": speaker_id,
            "name": "june",
            "expires_at": 9e9,
            "expiry_fixed": False,
            **of,
            **dated,
        }
        connection.execute(speakers.insert().values(gallery_id=gallery_id, **person))
        connection.execute(
            voiceprints.insert().values(
                id=str(uuid.uuid4()),
                tenant_id=tenant_id,
                gallery_id=gallery_id,
                speaker_id=speaker_id,
                model="earmark-1",
                net_speech_s=9.0,
                sealed=sealed,
                created_at=made_at,
            )
        )
    return speaker_id


def voiceprint_of(database: Database, vault: Vault, speaker_id: str) -> bytes:
    with database.read() as connection:
        query = sa.select(voiceprints.c.sealed).filter_by(speaker_id=speaker_id)
        sealed = connection.execute(query).scalar_one()
    return vault.open(speaker_id, sealed, purpose="voiceprint")


def test_what_is_sealed_opens_for_its_owner_and_purpose_alone(vault: Vault) -> None:
    data = b"\x00\x01 a voice" * 100
    sealed = vault.seal("june", data, purpose="voiceprint")
    assert data not in sealed
    assert sealed != vault.seal("june", data, purpose="voiceprint")
    assert vault.open("june", sealed, purpose="voiceprint") == data
    vault.seal("carla", b"", purpose="voiceprint")
    for owner, purpose in (("carla", "voiceprint"), ("june", "sample")):
        with pytest.raises(Gone, match="another one by now"):
            vault.open(owner, sealed, purpose=purpose)
    for damaged in (b"", sealed[:20], sealed[:-1], b"\x02" + sealed[1:], sealed + b"\x00"):
        with pytest.raises(Gone):
            vault.open("june", damaged, purpose="voiceprint")


def test_many_are_opened_in_their_order_and_the_forgotten_are_none(vault: Vault) -> None:
    owners = [f"speaker-{i % 7}" for i in range(20)]
    items = [
        (owner, vault.seal(owner, f"{i}".encode(), purpose="voiceprint"))
        for i, owner in enumerate(owners)
    ]
    vault.forget("speaker-3", "nobody")
    expected = [None if owner == "speaker-3" else f"{i}".encode() for i, owner in enumerate(owners)]
    assert vault.open_many(iter(items), purpose="voiceprint") == expected
    assert vault.open_many([], purpose="voiceprint") == []
    vault.forget()


def test_what_is_forgotten_is_gone_for_every_process_and_a_new_key_does_not_open_it(
    vault: Vault, settings: Settings, embedded: Database
) -> None:
    sealed = vault.seal("june", b"a voice", purpose="voiceprint")
    with closing(Vault.unlock(settings, embedded)) as another:
        assert another.open("june", sealed, purpose="voiceprint") == b"a voice"
        vault.forget("june")
        with pytest.raises(Gone, match="'june'"):
            another.open("june", sealed, purpose="voiceprint")
        again = another.seal("june", b"a voice", purpose="voiceprint")
    assert vault.open("june", again, purpose="voiceprint") == b"a voice"
    with pytest.raises(Gone):
        vault.open("june", sealed, purpose="voiceprint")


def test_an_old_database_beside_todays_keyring_does_not_yield_an_erased_voiceprint(
    vault: Vault,
    embedded: Database,
    settings: Settings,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file, copy = tmp_path / "data" / "earmark.db", tmp_path / "old.db"
    erased, kept = enrolled(embedded, vault), enrolled(embedded, vault)
    assert voiceprint_of(embedded, vault, erased) == b"what a voice is like"
    with closing(sqlite3.connect(file)) as now, closing(sqlite3.connect(copy)) as then:
        now.backup(then)
    vault.forget(erased)
    old = Database(f"sqlite:///{copy}")
    with closing(old), closing(Vault.unlock(settings, old)) as beside:
        with pytest.raises(Gone):
            voiceprint_of(old, beside, erased)
        assert voiceprint_of(old, beside, kept) == b"what a voice is like"
        assert beside.status().lacking == 1
    (warning,) = [each.message for each in caplog.records if each.name.startswith("earmark")]
    assert "1 speakers have no data key" in warning


def test_another_keyring_is_told_of_at_the_start_and_never_used(
    settings: Settings, embedded: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Vault.unlock(settings, embedded)) as vault:
        speaker_id = enrolled(embedded, vault)
    new = settings.model_copy(update={"keyring_url": None})
    assert not caplog.records
    with closing(Vault.unlock(new, embedded)) as vault:
        (record,) = caplog.records
        assert record.levelname == "WARNING"
        assert "EARMARK_KEYRING_URL" in record.message
        assert str(tmp_path / "data.keyring" / "keyring.db") in record.message
        with pytest.raises(KeyringError, match="encrypted with another keyring"):
            voiceprint_of(embedded, vault, speaker_id)
        with pytest.raises(KeyringError, match="encrypted with another keyring"):
            vault.seal("carla", b"a voice", purpose="voiceprint")
        with pytest.raises(KeyringError):
            vault.forget(speaker_id)
        assert vault.status().foreign is not None
    with closing(Vault.unlock(settings, embedded)) as vault:
        assert voiceprint_of(embedded, vault, speaker_id) == b"what a voice is like"
    with closing(Vault.unlock(new, embedded)) as vault:
        vault.adopt()
        with pytest.raises(Gone):
            voiceprint_of(embedded, vault, speaker_id)
        vault.seal("carla", b"a voice", purpose="voiceprint")
        assert vault.status().foreign is None


def test_two_machines_with_keyrings_of_their_own_do_not_part_unnoticed(
    embedded: Database, tmp_path: Path
) -> None:
    def on(machine: str) -> Settings:
        return Settings(data_dir=tmp_path / machine)

    with (
        closing(Vault.unlock(on("one"), embedded)) as one,
        closing(Vault.unlock(on("two"), embedded)) as two,
    ):
        sealed = two.seal("june", b"a voice", purpose="voiceprint")
        with pytest.raises(KeyringError, match="give all the same EARMARK_KEYRING_URL"):
            one.seal("carla", b"a voice", purpose="voiceprint")
        assert two.open("june", sealed, purpose="voiceprint") == b"a voice"


def test_a_keyring_of_another_database_is_not_used(settings: Settings, tmp_path: Path) -> None:
    for name, theirs in (("one", None), ("two", "belongs to another database")):
        with closing(Database(f"sqlite:///{tmp_path / name / 'earmark.db'}")) as database:
            migrate(database)
            with closing(Vault.unlock(settings, database)) as vault:
                assert (vault.status().foreign is None) == (theirs is None)
                if theirs is None:
                    enrolled(database, vault)
                else:
                    with pytest.raises(KeyringError, match=theirs):
                        vault.sweep(time.time())


def test_keys_whose_owner_has_been_gone_for_a_week_are_swept(
    vault: Vault, embedded: Database
) -> None:
    speaker_id = enrolled(embedded, vault)
    job_id, expired_id = str(uuid.uuid4()), str(uuid.uuid4())
    with embedded.write() as connection:
        tenant_id = connection.scalar(sa.select(speakers.c.tenant_id))
        for each, state in ((job_id, "queued"), (expired_id, "expired")):
            values = {"id": each, "tenant_id": tenant_id, "dialect": "native", "kind": "compare"}
            values |= {"state": state, "stage": "queued", "options": {}, "render": {}}
            jobs.insert(
                connection, {**values, "fetched": True, "created_at": 0.0, "updated_at": 0.0}
            )
    for owner in (job_id, expired_id, "nobody"):
        vault.seal(owner, b"a voice", purpose="request")
    assert vault.status().unowned == 2
    now = time.time()
    assert vault.sweep(now) == 0
    assert vault.sweep(now + 30 * DAY) == 0  # they are found to be nobody's then
    assert vault.sweep(now + 36 * DAY) == 0
    assert vault.sweep(now + 37 * DAY) == 2
    status = vault.status()
    assert (status.data_keys, status.unowned, status.lacking) == (2, 0, 0)
    assert voiceprint_of(embedded, vault, speaker_id) == b"what a voice is like"


def test_an_older_copy_of_the_database_that_is_tried_costs_nobody_their_key(
    vault: Vault, embedded: Database, settings: Settings, tmp_path: Path
) -> None:
    now, copy = time.time(), tmp_path / "old.db"
    enrolled(embedded, vault)
    file = embedded.url.database or ""
    with closing(sqlite3.connect(file)) as new, closing(sqlite3.connect(copy)) as old:
        new.backup(old)
    late = enrolled(embedded, vault)
    older = Database(f"sqlite:///{copy}")
    with closing(older), closing(Vault.unlock(settings, older)) as trial:
        assert trial.sweep(now + 2 * DAY) == 0
        assert trial.sweep(now + 5 * DAY) == 0
    assert vault.sweep(now + 6 * DAY) == 0
    assert voiceprint_of(embedded, vault, late) == b"what a voice is like"
    assert vault.sweep(now + 30 * DAY) == 0
