"""A disk that is really full: a small file system that a process has for itself."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import json, sys
from collections.abc import Callable
from pathlib import Path
from earmark.errors import EarmarkError
from earmark.settings import Settings
from earmark.storage import Blobs, Database, migrate, tenants

small = Path(sys.argv[1])
settings = Settings(data_dir=small / "data")
database, blobs = Database.open(settings), Blobs.open(settings)
migrate(database)
told = {}

def attempt(name: str, use: Callable[[], object]) -> None:
    try:
        use()
        told[name] = "done"
    except EarmarkError as error:
        told[name] = error.code

def add(name: str) -> None:
    with database.write() as connection:
        tenants.insert(connection, tenant_id=name, name=name, webhook_secret="w", now=0.0)

add("before")
attempt("a blob larger than the disk", lambda: blobs.put("media/t/large", bytes(8 << 20)))
try:
    with (small / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
except OSError:
    pass
attempt("a small blob", lambda: blobs.put("media/t/small", b"x"))
attempt("a row", lambda: add("meanwhile"))
attempt("reading", database.check)
attempt("another database", lambda: migrate(Database(f"sqlite:///{small / 'other.db'}")))
(small / "filler").unlink()
attempt("a blob, with room", lambda: blobs.put("media/t/small", b"x"))
attempt("a row, with room", lambda: add("after"))
with database.read() as connection:
    told["rows"] = sorted(connection.exec_driver_sql("SELECT name FROM tenants").scalars())
told["blobs"] = sorted(blob.path for blob in blobs.list("media"))
told["left"] = blobs.sweep_partial(-60)
print(json.dumps(told))
"""


def test_a_full_disk_is_refused_clearly_and_recovered_from(tmp_path: Path) -> None:
    unshare = [shutil.which("unshare") or "unshare", "-Urm", "sh", "-c"]
    mount = 'mount -t tmpfs -o size=3m none "$1"'
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run([*unshare, mount, "sh", small], check=False, capture_output=True).returncode:
        pytest.skip("This machine lets nobody mount a small file system: a full disk")
    done = subprocess.run(
        [*unshare, f'{mount} && exec "$2" -c "$3" "$1"', "sh", small, sys.executable, _PROGRAM],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "a blob larger than the disk": "disk.full",
        "a small blob": "disk.full",
        "a row": "disk.full",
        "reading": "done",
        "another database": "disk.full",
        "a blob, with room": "done",
        "a row, with room": "done",
        "rows": ["after", "before"],
        "blobs": ["media/t/small"],
        "left": 0,
    }
