"""The peers: what each needs, and an environment of its own to run it in."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from earmark.errors import InvalidOption, PeerFailed

__all__ = ["PEERS", "Peer", "environment", "peers_folder", "peers_named"]

_TORCH = "torch==2.13.0"


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """Another diarizer.

    ``installs`` are the argument lists of one ``pip install`` after the other. ``discards`` are
    files, as globs below site-packages, removed afterwards. ``models`` are ids of the catalogue
    that it is given because it could not fetch its own. ``note`` says what was not as shipped.
    """

    name: str
    licence: str
    installs: tuple[tuple[str, ...], ...]
    discards: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    note: str = ""

    @property
    def runner(self) -> str:
        """The module below `earmark.bench` that runs it."""
        return f"peers.{self.name.replace('-', '_')}"


# torchaudio's wheel holds compiled operators that only load beside a CUDA build of torch. What is
# used of it here, the Kaldi features and resampling, is plain torch; without the file it says so.
_NO_CUDA = ("torchaudio/lib/_torchaudio*",)

PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            name="senko",
            licence="MIT",
            installs=((_TORCH, "senko==0.2.2", "silero-vad==6.2.3"),),
            note="as shipped; takes no speaker count",
        ),
        Peer(
            name="diarize",
            licence="Apache-2.0",
            installs=(
                (_TORCH, "silero-vad==6.2.3", "onnxruntime", "numpy", "scikit-learn", "pydantic"),
                ("soundfile", "kaldiio", "tqdm"),
                # It asks for torch < 2.9, which is not needed by what it calls.
                ("--no-deps", "diarize==0.1.2", "wespeakerruntime==1.0.1", "torchaudio==2.11.0"),
            ),
            discards=_NO_CUDA,
            models=("wespeaker-resnet34",),
            note="given the WeSpeaker weights it downloads; WAV read by soundfile",
        ),
        Peer(
            name="sherpa-onnx",
            licence="Apache-2.0",
            installs=(("sherpa-onnx==2.0.1", "onnx", "soundfile"),),
            models=("segmentation-3.0", "campplus"),
            note="given segmentation-3.0 and CAM++, clustering threshold tuned (0.8)",
        ),
        Peer(
            name="pyannote",
            licence="MIT",
            installs=(
                (_TORCH, "torchaudio==2.11.0", "pyannote.audio==4.0.7", "onnxruntime", "soundfile"),
                ("--no-deps", "senko==0.2.2"),  # carries the segmentation checkpoint
            ),
            discards=_NO_CUDA,
            models=("wespeaker-resnet34",),
            note="its code with segmentation-3.0, WeSpeaker ONNX and the 3.1 hyper-parameters",
        ),
    )
}


def peers_folder() -> Path:
    """Where the environments are kept."""
    return user_cache_path("earmark") / "peers"


def peers_named(names: str) -> list[Peer]:
    """The peers of a comma-separated list. Raises `InvalidOption` for a name that is none."""
    chosen = [name.strip() for name in names.split(",") if name.strip()]
    for name in chosen:
        if name not in PEERS:
            raise InvalidOption(f"There is no peer {name!r}; there are {', '.join(PEERS)}.")
    return [PEERS[name] for name in dict.fromkeys(chosen)]


def environment(
    peer: Peer, *, folder: Path | None = None, on_step: Callable[[str], None] | None = None
) -> Path:
    """The Python of the peer's environment, which is made when it is not there.

    pip takes the packages from wherever it is set up to (its configuration file, ``PIP_INDEX_URL``,
    ``PIP_FIND_LINKS``); when a CPU build of torch is among what it finds, that one is taken. An
    environment made from other pins is made anew. ``folder`` is `peers_folder` unless given.

    Raises `PeerFailed` with pip's own words when that does not work out.
    """
    folder = folder or peers_folder()
    folder.mkdir(parents=True, exist_ok=True)
    home = folder / peer.name
    stamp = home / "earmark-installed"
    recipe = _recipe(peer)
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    with FileLock(folder / f"{peer.name}.lock"):
        if stamp.is_file() and stamp.read_text() == recipe:
            return python
        if home.exists():
            shutil.rmtree(home)
        _say(on_step, f"Making an environment for {peer.name} in {home}")
        _run(peer, [sys.executable, "-m", "venv", "--without-pip", str(home)])
        pip = [sys.executable, "-m", "pip", "--python", str(python)]
        for packages in peer.installs:
            _say(on_step, f"Installing {', '.join(p for p in packages if not p.startswith('-'))}")
            _run(peer, [*pip, "install", "--quiet", *packages])
        for pattern in peer.discards:
            for file in home.glob(f"**/site-packages/{pattern}"):
                file.unlink()
        stamp.write_text(recipe)
    return python


def _say(on_step: Callable[[str], None] | None, step: str) -> None:
    if on_step is not None:
        on_step(step)


def _recipe(peer: Peer) -> str:
    parts = [sys.version, peer.installs, peer.discards]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _run(peer: Peer, command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines()]
        errors = [line for line in lines if line.startswith("ERROR")] or lines
        why = errors[0] if errors else f"exit code {done.returncode}"
        raise PeerFailed(f"{peer.name} could not be installed: {why}")
