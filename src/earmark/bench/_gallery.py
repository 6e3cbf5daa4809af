"""How fast many people are searched, read from the encrypted store, added and erased."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import SecretStr

from earmark.bench._diarization import OnStep, silence
from earmark.bench._machine import Machine, this_machine
from earmark.errors import InvalidOption
from earmark.settings import Settings
from earmark.storage import Database, Vault, galleries, speakers, tenants, voiceprints
from earmark.voiceprints import DEFAULT_MODEL, DIMENSIONS, Voiceprint

__all__ = ["GalleryReport", "Taken", "bench_gallery", "gallery_document"]

_SECONDS = 10.0  # of net speech, said of the voiceprints made up here
_SEALED_AT_ONCE = 1000
_PROBES = 300
_CHANGES = 200
_VOICES = 10  # of one recording
_NAME = "bench"


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """Seconds of each call: that passed, and of CPU time, which busy machines change less."""

    wall_s: tuple[float, ...]
    cpu_s: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class GalleryReport:
    """What each operation takes in a gallery of ``people`` with one voiceprint each.

    ``load`` is from the database and the keyring to an index in memory. ``asked`` are searches for
    one voice as a caller has them, with names, and an entry in the audit log that is on the disk;
    ``search`` is what the index does of it, ``voices`` the same for ten voices at once. ``seal``
    encrypts and ``forget`` deletes a data key, each on the disk when it is over; ``put`` and
    ``remove`` change the index.
    """

    people: int
    load: Taken
    asked: Taken
    search: Taken
    voices: Taken
    seal: Taken
    put: Taken
    forget: Taken
    remove: Taken
    machine: Machine


def bench_gallery(
    people: int, *, settings: Settings, on_step: OnStep | None = None
) -> GalleryReport:
    """Time a gallery of so many people, whose voiceprints are random numbers.

    Runs on a temporary database with a keyring of its own. Raises `InvalidOption` without people.
    """
    from earmark.service import Caller, Scope, Service, Store

    if people < 1:
        raise InvalidOption(f"A gallery to be measured has one person or more, not {people}.")
    say = on_step or silence
    random = np.random.default_rng(0)
    with (
        tempfile.TemporaryDirectory(prefix="earmark-") as folder,
        closing(Store.open(_apart(settings, Path(folder)))) as store,
    ):
        _fill(store.database, store.vault, random, people, say)
        search, vault = Service(store).search, store.vault
        caller = Caller(tenant_id=_NAME, key_id=None, scopes=frozenset({Scope.GALLERIES}))
        say("reading them")
        index_now = partial(search.indexes.current, _NAME, 0, time.time())
        loading = _timed(index_now)
        index = index_now()
        say("searching")
        probes = [_made_up(random) for _ in range(_PROBES)]
        groups = [probes[i : i + _VOICES] for i in range(0, _PROBES, _VOICES)]
        asked = _each(partial(search.search, caller, [_NAME]), probes)
        searches = _each(index.search, probes)
        together = _each(index.search_many, groups)
        say("adding and erasing")
        new = [f"new-{i}" for i in range(_CHANGES)]
        whole = probes[0]
        return GalleryReport(
            people=people,
            load=loading,
            asked=asked,
            search=searches,
            voices=together,
            seal=_each(lambda one: _seal(vault, one, whole), new),
            put=_each(lambda one: index.put(one, [whole]), new),
            forget=_each(vault.forget, new),
            remove=_each(index.remove, new),
            machine=this_machine(settings),
        )


def gallery_document(report: GalleryReport) -> dict[str, Any]:
    """The document ``earmark.bench.gallery/1``; seconds."""
    return {"schema": "earmark.bench.gallery/1"} | asdict(report)


def _apart(settings: Settings, folder: Path) -> Settings:
    """Settings for a database and a keyring below ``folder``."""
    return settings.model_copy(
        update={
            "data_dir": folder / "data",
            "database_url": None,
            "keyring_url": SecretStr(f"file://{folder}/keyring.db"),
            "master_key": None,
        }
    )


def _fill(
    database: Database, vault: Vault, random: np.random.Generator, people: int, say: OnStep
) -> None:
    now = time.time()
    place = {"tenant_id": _NAME, "gallery_id": _NAME, "created_at": now}
    with database.write() as connection:
        tenants.insert(connection, tenant_id=_NAME, name=_NAME, webhook_secret="", now=now)
        galleries.insert(
            connection,
            {
                "id": _NAME,
                "tenant_id": _NAME,
                "dialect": "native",
                "name": _NAME,
                "details": {},
                "created_at": now,
                "updated_at": now,
            },
        )
    for start in range(0, people, _SEALED_AT_ONCE):
        say(f"enrolling {start} of {people} people")
        names = [f"person-{i}" for i in range(start, min(start + _SEALED_AT_ONCE, people))]
        sealed = [_seal(vault, name, _made_up(random)) for name in names]
        with database.write() as connection:
            for name, data in zip(names, sealed, strict=True):
                speaker = {
                    "id": name,
                    "name": name,
                    "details": {},
                    "expires_at": now + 1e9,
                    "expiry_fixed": False,
                    "updated_at": now,
                }
                speakers.insert(connection, place | speaker)
                voiceprint = {
                    "id": name,
                    "speaker_id": name,
                    "model": DEFAULT_MODEL,
                    "net_speech_s": _SECONDS,
                    "sealed": data,
                }
                voiceprints.insert(connection, place | voiceprint)


def _seal(vault: Vault, owner: str, voiceprint: Voiceprint) -> bytes:
    return vault.seal(owner, voiceprint.to_bytes(), purpose="voiceprint")


def _made_up(random: np.random.Generator) -> Voiceprint:
    return Voiceprint(
        vector=random.standard_normal(DIMENSIONS, np.float32),
        model=DEFAULT_MODEL,
        net_speech_s=_SECONDS,
    )


def _each(call: Callable[[Any], object], items: Sequence[Any]) -> Taken:
    """How long each call but the first takes."""
    call(items[0])
    each = [_timed(partial(call, item)) for item in items[1:]]
    return Taken(
        wall_s=tuple(one.wall_s[0] for one in each), cpu_s=tuple(one.cpu_s[0] for one in each)
    )


def _timed(call: Callable[[], object]) -> Taken:
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return Taken(wall_s=(time.perf_counter() - wall,), cpu_s=(time.process_time() - cpu,))
