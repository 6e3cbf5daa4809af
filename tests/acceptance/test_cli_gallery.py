"""A person's path: enrol, identify and verify from the command line, without a server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import earmark
from earmark.errors import ConsentRequired
from earmark.settings import Settings
from people import RATE, People, wav_of

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, people: People) -> Path:
    """Recordings: June and Carlo alone, both in conversation with Ira, and silence."""
    made = tmp_path_factory.mktemp("recordings")
    (made / "june.wav").write_bytes(people.wav("june", 15.0))
    (made / "june-later.wav").write_bytes(people.wav("june", 8.0, part=1))
    (made / "carlo.wav").write_bytes(people.wav("carlo", 15.0))
    meeting = [people.samples("june", 8.0, part=2), people.samples("ira", 8.0)]
    (made / "meeting.wav").write_bytes(wav_of(np.concatenate(meeting)))
    (made / "silence.wav").write_bytes(wav_of(np.zeros(10 * RATE, np.int16)))
    return made


@pytest.fixture(scope="module")
def run(folder: Path, models_dir: Path) -> Run:
    environment = os.environ | {
        "EARMARK_DATA_DIR": str(folder / "data"),
        "EARMARK_MODELS_DIR": str(models_dir),
        "EARMARK_OFFLINE": "true",
        "EARMARK_RESERVE_BYTES": "0",
    }

    def earmark(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "earmark", *arguments],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return earmark


@pytest.fixture(scope="module")
def enrolled(run: Run) -> str:
    """What is said at the enrolment of June and Carlo in the gallery "team"."""
    enrolled = run("enroll", "June", "june.wav", "-g", "team", "--consent", "June said yes.")
    assert enrolled.returncode == 0, enrolled.stderr
    assert run("enroll", "Carlo", "carlo.wav", "-g", "team", "--consent", "Yes.").returncode == 0
    return enrolled.stdout


def test_a_person_enrolled_once_is_found_and_a_stranger_is_unknown(run: Run, enrolled: str) -> None:
    assert "june.wav: " in enrolled
    assert "s of speech, quality " in enrolled

    found = run("identify", "meeting.wav", "-g", "team")
    assert found.returncode == 0, found.stderr
    first, second = found.stdout.splitlines()
    assert first.startswith("SPEAKER_00  June")
    assert "%" in first
    assert second.startswith("SPEAKER_01  unknown")

    rttm = run("identify", "meeting.wav", "-g", "team", "-f", "rttm").stdout
    assert " June " in rttm
    assert " SPEAKER_01 " in rttm


def test_who_is_enrolled_is_listed_exported_and_erased(run: Run, enrolled: str) -> None:
    assert run("gallery", "list", "-g", "team").stdout.startswith("Carlo (until 20")
    exported = json.loads(run("gallery", "export", "Carlo", "-g", "team").stdout)
    assert [each["text"] for each in exported["consents"]] == ["Yes."]
    renewed = run("gallery", "reembed", "-g", "team")
    assert (renewed.returncode, renewed.stdout[:14]) == (0, "0 voiceprints ")
    receipt = json.loads(run("gallery", "erase", "Carlo", "-g", "team").stdout)
    assert receipt["signature"]
    assert json.loads(receipt["document"])["schema"] == "earmark.erasure/1"
    assert run("gallery", "list", "-g", "team").stdout.startswith("June")
    again = run("gallery", "erase", "Carlo", "-g", "team")
    assert again.returncode == 1
    assert "Carlo" in again.stderr


def test_nobody_is_enrolled_without_consent(run: Run) -> None:
    refused = run("enroll", "Carlo", "carlo.wav", "-g", "others")
    assert refused.returncode == 1
    assert "consent" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("recording", "told"), [("silence.wav", "speech"), ("meeting.wav", "More than one person")]
)
def test_what_cannot_be_enrolled_is_refused_with_the_reason(
    run: Run, recording: str, told: str
) -> None:
    refused = run("enroll", "X", recording, "-g", "bad", "--consent", "x")
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"{recording}:\nError: ")
    assert told in refused.stderr


def test_an_unknown_gallery_is_named(run: Run) -> None:
    refused = run("identify", "carlo.wav", "-g", "nobody's")
    assert refused.returncode == 1
    assert "nobody's" in refused.stderr


def test_verify_tells_one_person_from_two(run: Run) -> None:
    same = run("verify", "june.wav", "june-later.wav")
    assert same.returncode == 0, same.stderr
    assert same.stdout.startswith("The same person: probability")
    other = run("verify", "june.wav", "carlo.wav", "--json")
    assert other.returncode == 1, other.stderr
    document = json.loads(other.stdout)
    assert document["same"] is False
    assert document["llr"] < 0
    refused = run("verify", "june.wav", "silence.wav")
    assert refused.returncode == 1
    assert refused.stderr.startswith("silence.wav:\nError: ")


def test_the_gallery_in_python(folder: Path, models_dir: Path) -> None:
    settings = Settings(
        data_dir=folder / "python", models_dir=models_dir, offline=True, reserve_bytes=0
    )
    with earmark.Gallery("team", settings=settings) as gallery:
        with pytest.raises(ConsentRequired):
            gallery.enroll("June", folder / "june.wav")
        gallery.enroll("June", folder / "june.wav", consent="June agreed on Monday.")
        gallery.enroll("June", folder / "june-later.wav")
        assert [each.name for each in gallery.speakers()] == ["June"]
        found = gallery.search(folder / "june-later.wav")
        assert found.match is not None
        assert found.match.label == "June"
        assert found.match.probability > 0.9
        assert gallery.search(folder / "carlo.wav").match is None
        speakers = gallery.identify(folder / "meeting.wav").speakers
        assert [each.named.match is not None for each in speakers] == [True, False]
        receipt = gallery.erase("June")
        assert "June" not in receipt.document
        assert gallery.search(folder / "june-later.wav").match is None
    with earmark.Gallery("team", settings=settings, create=False) as gallery:
        assert gallery.speakers() == ()
