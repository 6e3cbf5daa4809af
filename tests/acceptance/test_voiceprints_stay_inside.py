"""No log, answer, webhook or file, not even a temporary one, holds a voiceprint in the clear."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from earmark.voiceprints import Voiceprint
from people import People
from raw_server import serve as receiving
from server import Server, running
from waiting import until

TAKEN = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_RUN = 8  # numbers of a vector in a row that nobody writes by chance


class Seen:
    """What the outside gets to see: bytes by where they were found."""

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        self._done = threading.Event()
        self.found: dict[str, set[bytes]] = {}

    def note(self, where: str, content: bytes) -> None:
        self.found.setdefault(where, set()).add(content)

    def look(self) -> None:
        """Read every file that is there now."""
        for folder in self._folders:
            for path in folder.rglob("*"):
                try:
                    if path.is_file() and path.stat().st_size < 1 << 24:
                        self.note(str(path), path.read_bytes())
                except FileNotFoundError:  # it was temporary
                    continue

    @contextmanager
    def watching(self, folder: Path) -> Iterator[None]:
        """Read the temporary files in a folder all the time, for they do not last."""

        def watch() -> None:
            temporary = Seen(folder)
            temporary.found = self.found
            while not self._done.is_set():
                temporary.look()

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            thread.join()


def needles(voiceprint: Voiceprint) -> list[bytes]:
    """How a part of the vector may look: as numbers of two widths, and those as base64."""
    made = []
    for dtype in ("<f4", ">f4", "<f8", "<f2"):
        vector = voiceprint.vector.astype(dtype)
        for i in range(0, len(vector) - _RUN, _RUN // 2):
            raw = vector[i : i + _RUN].tobytes()
            made.append(raw)
            for shift in range(3):
                encoded = base64.b64encode(b"\0" * shift + raw)
                made.append(encoded[4:-4])  # what is the same whatever stands around it
    return made


def rows_of_numbers(value: object) -> Iterator[list[float]]:
    """Every list in a JSON document that could be a vector."""
    if isinstance(value, dict):
        for each in value.values():
            yield from rows_of_numbers(each)
    elif isinstance(value, list):
        if len(value) > 50 and all(isinstance(each, float) for each in value):
            yield value
        for each in value:
            yield from rows_of_numbers(each)


def test_nobody_outside_gets_to_see_a_voiceprint(
    tmp_path: Path, models_dir: Path, people: People
) -> None:
    data, temporary = tmp_path / "data", tmp_path / "temporary"
    temporary.mkdir()
    seen = Seen(tmp_path)
    settings = {
        "EARMARK_MODELS_DIR": str(models_dir),
        "EARMARK_ALLOW_HTTP": "1",
        "EARMARK_ALLOW_ADDRESSES": "127.0.0.1",
        "EARMARK_KEEP_ENROLMENT_AUDIO": "1",
        "EARMARK_SEARCHABLE": "1",
        "EARMARK_STANDING_CONSENT": "They agreed.",
        "EARMARK_LOG_LEVEL": "debug",
        "TMPDIR": str(temporary),
    }
    with (
        running(data, settings=settings) as server,
        receiving(TAKEN) as hook,
        seen.watching(temporary),
    ):
        voiceprints = _use_everything(server, seen, hook.url("/"), people)
        until(lambda: len(hook.requests) >= 3, what="the webhooks")
        for request in hook.requests:
            seen.note("a webhook", request)
        seen.look()
    seen.look()
    assert any("/temporary/" not in where and "/data/" in where for where in seen.found)
    assert any(where.endswith(".err") for where in seen.found), "no log was read"
    for voiceprint in voiceprints:
        for needle in needles(voiceprint):
            for where, contents in seen.found.items():
                assert not any(needle in content for content in contents), where
    for where, contents in seen.found.items():
        for content in contents:
            for row in _json_rows(content):
                pytest.fail(f"{where} holds a row of {len(row)} numbers.")


def _use_everything(server: Server, seen: Seen, hook: str, people: People) -> list[Voiceprint]:
    """Enrol, search and identify in all ways; the voiceprints, as the one export gives them."""
    june, other = people.wav("june", 13.0), people.wav("june", 8.0, part=1)
    with server.client() as client:

        def ask(method: str, path: str, **request: Any) -> httpx.Response:
            answer = client.request(method, path, **request)
            seen.note(f"{method} {path}", answer.content + repr(answer.headers).encode())
            assert answer.status_code < 300, answer.text
            return answer

        def finished(job: httpx.Response) -> None:
            path = f"/api/v1/jobs/{job.json()['id']}"
            until(lambda: ask("GET", path).json()["state"] == "succeeded", what=path)
            ask("GET", f"{path}/result")

        api = "/api/v1"
        gallery = ask("POST", f"{api}/galleries", json={"name": "team"}).json()["id"]
        consent = json.dumps({"subject": "June", "text": "Yes.", "purpose": "tests"})
        enrolled = ask(
            "POST",
            f"{api}/galleries/{gallery}/enrolments",
            files={"file": ("june.wav", june)},
            data={"name": "June", "consent": consent},
        ).json()
        speaker = f"{api}/speakers/{enrolled['speaker']['id']}"
        clip = {"file": ("clip.wav", other)}
        found = ask("POST", f"{api}/galleries/{gallery}/search", files=clip).json()
        assert found["match"]["label"] == "June"
        asked = {"webhook": hook}
        finished(ask("POST", f"{api}/diarizations", files=clip, data=asked))
        finished(
            ask(
                "POST",
                f"{api}/identifications",
                files=clip,
                data={"gallery_ids": gallery, **asked},
            )
        )
        voices = ask("POST", f"{api}/voiceprints", files=clip, data=asked)
        until(
            lambda: client.get(f"{api}/jobs/{voices.json()['id']}").json()["state"] == "succeeded",
            what="the voiceprints",
        )
        ask("GET", f"{speaker}/voiceprints")
        ask("GET", f"{speaker}/recordings")
        ask("GET", f"{api}/audit")
        # What the vendor's enrolment and identification leave behind.
        affects = "/audio/generic/api/v2/sync/diarization"
        content = {"encoding": "wav", "sampleRate": 8000, "languageCode": "en-US"}
        key = {"apikey": server.key}
        body = {**content, "content": base64.b64encode(june).decode(), "speakerId": "june"}
        ask("POST", f"{affects}/enroll", params=key, json=body)
        body = {**content, "content": base64.b64encode(other).decode(), "speakerIds": ["june"]}
        ask("POST", f"{affects}/identify", params=key, json=body)

        exported = client.get(f"{speaker}/export").json()  # here, and only here, they are told
        result = client.get(f"{api}/jobs/{voices.json()['id']}/result").json()
    texts = [each["voiceprint"] for each in exported["voiceprints"]]
    texts += [each["voiceprint"] for row in result["channels"] for each in row["speakers"]]
    assert len(texts) == 2
    voiceprints = [Voiceprint.from_base64(text) for text in texts]
    for text, voiceprint in zip(texts, voiceprints, strict=True):  # it would be noticed
        assert any(needle in text.encode() for needle in needles(voiceprint))
    return voiceprints


def _json_rows(content: bytes) -> Iterator[list[float]]:
    try:
        document = json.loads(content)
    except ValueError:  # no JSON
        return
    yield from rows_of_numbers(document)
