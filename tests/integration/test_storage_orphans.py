"""Blobs that no row refers to are swept, and no others; on both databases and stores."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from earmark.settings import Settings
from earmark.storage import Blobs, Database, jobs, media, migrate, sweep_orphans, tenants, uploads

_HOUR = 3600.0


@pytest.fixture(params=["folder", "objects"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    url = None
    if request.param == "objects":
        url = request.getfixturevalue("object_store").url
    return Blobs.open(Settings(data_dir=tmp_path / "data", blob_url=url))


def _refer(database: Database, *, recording: str, part: str, result: str) -> None:
    with database.write() as connection:
        tenants.insert(connection, tenant_id="t", name="t", webhook_secret="w", now=0.0)
        recorded = {"id": "m", "tenant_id": "t", "dialect": "native", "key": None, "owned": False}
        content = {"size": 1, "sha256": "0" * 64}
        media.insert(connection, {**recorded, **content, "blob": recording, "created_at": 0.0})
        upload = {"id": "u", "tenant_id": "t", "size": 2, "part_size": 1}
        uploads.insert(connection, {**upload, "created_at": 0.0, "expires_at": 1.0})
        uploads.put_part(connection, {"upload_id": "u", "number": 1, **content, "blob": part})
        job = {"id": "j", "tenant_id": "t", "dialect": "native", "kind": "diarize"}
        state = {
            "state": "succeeded",
            "stage": "done",
            "options": {},
            "render": {},
            "fetched": True,
        }
        times = {"created_at": 0.0, "updated_at": 0.0}
        jobs.insert(connection, {**job, **state, **times, "result_blob": result})


def test_what_no_row_refers_to_is_swept(
    database: Database, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earmark.storage._orphans._AT_ONCE", 2)
    kept = {"recording": "media/t/m", "part": "uploads/u/1-a", "result": "results/t/j-a"}
    _refer(database, **kept)
    orphans = [f"{folder}/t/{n}" for folder in ("media", "uploads", "results") for n in range(3)]
    for path in [*kept.values(), *orphans, "other/t/a"]:
        blobs.put(path, b"x")
    now = time.time()
    assert sweep_orphans(database, blobs, now + 0.9 * _HOUR) == 0
    assert sweep_orphans(database, blobs, now + 1.1 * _HOUR) == len(orphans)
    left = {blob.path for folder in ("media", "uploads", "results") for blob in blobs.list(folder)}
    assert left == set(kept.values())
    assert blobs.get("other/t/a") == b"x"
    assert sweep_orphans(database, blobs, now + 1.1 * _HOUR) == 0


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_result_stays_while_its_job_may_still_end_with_it(
    state: str, database: Database, blobs: Blobs
) -> None:
    _refer(database, recording="media/t/m", part="uploads/u/1-a", result="results/t/j-0")
    with database.write() as connection:
        assert jobs.update(connection, "j", {"state": state, "result_blob": None})
    blobs.put("results/t/j-a", b"x")
    later = time.time() + 100 * _HOUR
    assert sweep_orphans(database, blobs, later) == 0
    with database.write() as connection:
        assert jobs.update(connection, "j", {"state": "failed"})
    assert sweep_orphans(database, blobs, later) == 1


def test_what_killed_writers_left_is_swept(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'earmark.db'}")
    migrate(database)
    blobs = Blobs.open(Settings(data_dir=tmp_path))
    left = tmp_path / "blobs" / ".partial" / "left"
    left.write_bytes(b"half")
    assert sweep_orphans(database, blobs, time.time()) == 0
    long_ago = time.time() - 1.1 * _HOUR
    os.utime(left, (long_ago, long_ago))
    assert sweep_orphans(database, blobs, time.time()) == 1
    assert not left.exists()
    database.close()
