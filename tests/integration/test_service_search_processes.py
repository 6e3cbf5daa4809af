"""Two processes, one gallery: whoever goes in the one is gone in the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from callers import new_caller
from earmark.service import Caller, NewConsent, Scope, Service
from earmark.settings import Settings
from voices import a_voice

_SEARCHER = """
import json, sys
from earmark.service import Caller, Scope, Service
from earmark.settings import get_settings
from voices import a_voice
service = Service.open(get_settings())
tenant, gallery = sys.argv[1:]
caller = Caller(tenant_id=tenant, key_id="EK1", scopes=frozenset({Scope.GALLERIES}))
for line in sys.stdin:
    match = service.search.search(caller, [gallery], a_voice(int(line))).match
    print(json.dumps(match and match.speaker_id), flush=True)
service.close()
"""

AGREED = NewConsent(subject="the person", text="You may recognise me by my voice.")


@contextmanager
def another_process(
    settings: Settings, caller: Caller, gallery_id: str
) -> Iterator[Callable[[int], str | None]]:
    """Asks another process whose voice the one of a number is."""
    assert settings.database_url is not None
    here = {
        "EARMARK_DATABASE_URL": settings.database_url.get_secret_value(),
        "EARMARK_DATA_DIR": str(settings.data_dir),
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", _SEARCHER, caller.tenant_id, gallery_id],
        env=os.environ | here,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def ask(number: int) -> str | None:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{number}\n")
        process.stdin.flush()
        answer: str | None = json.loads(process.stdout.readline())
        return answer

    try:
        yield ask
        process.stdin.close()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_what_one_process_writes_the_other_searches(database_url: str, tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {"database_url": database_url, "data_dir": tmp_path / "data"}
    )
    with closing(Service.open(settings)) as service:
        caller = new_caller(service.store, "acme", Scope.GALLERIES)
        gallery = service.galleries.create(caller, name="staff")

        def enrol(number: int) -> str:
            speaker = service.speakers.create(
                caller, gallery.id, name=f"person {number}", consent=AGREED
            )
            service.enrolment.enroll_voiceprint(caller, speaker.id, a_voice(number))
            return speaker.id

        first, second = enrol(1), enrol(2)
        with another_process(settings, caller, gallery.id) as ask:
            assert (ask(1), ask(2), ask(3)) == (first, second, None)
            third = enrol(3)
            assert ask(3) == third
            service.speakers.withdraw(caller, second)
            assert ask(2) is None
            service.speakers.erase(caller, first)
            assert ask(1) is None
            assert ask(3) == third
        assert service.search.search(caller, [gallery.id], a_voice(1)).match is None
