"""An environment per peer, made by pip."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from earmark.bench import Peer, environment
from earmark.errors import PeerFailed


def write_wheel(folder: Path) -> Path:
    wheel = folder / "toy_peer-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("toy_peer/__init__.py", "")
        archive.writestr("toy_peer/lib/cuda_only.so", "not for this machine")
        info = "toy_peer-1.0.dist-info"
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: toy-peer\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return wheel


def test_an_environment_is_made_once_and_anew_for_other_pins(tmp_path: Path) -> None:
    wheel = str(write_wheel(tmp_path))
    peer = Peer(name="toy", licence="MIT", installs=((wheel,),), discards=("toy_peer/lib/cuda*",))
    steps: list[str] = []
    python = environment(peer, folder=tmp_path / "peers", on_step=steps.append)
    (package,) = python.parents[1].glob("**/site-packages/toy_peer")
    assert python.exists()
    assert [file.name for file in package.rglob("*.so")] == []
    assert len(steps) == 2
    environment(peer, folder=tmp_path / "peers", on_step=steps.append)
    assert len(steps) == 2
    other = Peer(name="toy", licence="MIT", installs=())
    environment(other, folder=tmp_path / "peers", on_step=steps.append)
    assert not package.exists()


def test_a_peer_that_cannot_be_installed_gives_pips_reason(tmp_path: Path) -> None:
    peer = Peer(name="toy", licence="MIT", installs=(("--no-index", "no-such-diarizer==1.0"),))
    with pytest.raises(PeerFailed, match=r"toy could not be installed: ERROR: .*no-such-diarizer"):
        environment(peer, folder=tmp_path)
    mended = Peer(name="toy", licence="MIT", installs=())
    steps: list[str] = []
    assert environment(mended, folder=tmp_path, on_step=steps.append).exists()
    assert steps  # what was left half made was not taken for whole
