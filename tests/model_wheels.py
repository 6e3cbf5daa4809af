"""Small wheels, a catalogue of what is in them, and an index that serves them, for the tests of
the model store: pip, files and sockets are real, only the models are toys."""

from __future__ import annotations

import hashlib
import json
import os
import random
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from earmark.models import Catalogue, ModelStore, read_catalogue
from earmark.settings import Settings

# id -> content. The large one is past the size under which pip shows no progress.
TOYS: Mapping[str, bytes] = {
    "toy-small": b"a small model",
    "toy-large": random.Random(7).randbytes(2_000_000),
}
PURE = "py3-none-any"
FOREIGN = "cp312-cp312-manylinux_2_28_x86_64"


@dataclass(frozen=True, kw_only=True)
class ToyShop:
    """A wheel in ``folder`` with the toys in it, and the catalogue text that names them."""

    folder: Path
    wheel: Path
    text: str

    @property
    def catalogue(self) -> Catalogue:
        return read_catalogue(self.text)

    def store(self, models_dir: Path, **settings: object) -> ModelStore:
        return ModelStore(
            Settings.model_validate({"models_dir": models_dir, **settings}), models=self.catalogue
        )


def toy_shop(
    folder: Path,
    *,
    tag: str = PURE,
    carried: Mapping[str, bytes] = TOYS,
    url: str = "",
    derived: Sequence[tuple[str, str]] = (),
    wheel_sha256: str | None = None,
) -> ToyShop:
    """Write the wheel; the catalogue says TOYS is what it holds, whatever ``carried`` is.

    ``url`` is the base of a hub that has the toys by id. ``derived`` are pairs of (id, input); the
    builder of each has the id's name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"earmark_toys-1.0-{tag}.whl"
    files = {f"toys/{name}.bin": content for name, content in carried.items()}
    info = "earmark_toys-1.0.dist-info"
    files[f"{info}/METADATA"] = b"Metadata-Version: 2.1\nName: earmark-toys\nVersion: 1.0\n"
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n".encode()
    files[f"{info}/RECORD"] = b"".join(f"{name},,\n".encode() for name in files)
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    sha256 = wheel_sha256 or hashlib.sha256(wheel.read_bytes()).hexdigest()
    lines = ["[packages.earmark-toys]", 'version = "1.0"', f'sha256 = "{sha256}"']
    if tag == FOREIGN:
        implementation, abi, platform = tag.split("-")[0][:2], *tag.split("-")[1:]
        lines += [f'implementation = "{implementation}"', f'abi = "{abi}"']
        lines += [f'platform = "{platform}"']
    for name, content in TOYS.items():
        source = f'{{ package = "earmark-toys", member = "toys/{name}.bin" }}'
        if url:
            source += f', {{ url = "{url}/{name}" }}'
        lines += ["[[fetched]]", f'id = "{name}"', 'task = "test"', f'file = "{name}.bin"']
        lines += [f'sha256 = "{hashlib.sha256(content).hexdigest()}"', f"size = {len(content)}"]
        lines += ['licence = "MIT"', 'attribution = "nobody"', "default = true"]
        lines += [f"source = [{source}]"]
    for name, source in derived:
        lines += ["[[derived]]", f'id = "{name}"', 'task = "test"', 'format = "bin"']
        lines += [f'builder = "{name}"', f"inputs = {json.dumps([source])}", "default = true"]
    return ToyShop(folder=folder, wheel=wheel, text="\n".join(lines))


def set_up_pip(monkeypatch: pytest.MonkeyPatch, **options: str) -> None:
    """Let pip see these options (``no_index="1"``) and none of this machine's."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name, value in options.items():
        monkeypatch.setenv(f"PIP_{name.upper()}", value)


@dataclass
class Site:
    """A web server on this machine: files by path, and what happened.

    With ``stall`` set, a file breaks off halfway: ``halfway`` is set, and the rest goes out once
    ``go_on`` is.
    """

    url: str
    files: dict[str, bytes]
    asked: list[str] = field(default_factory=list)
    stall: bool = False
    cut: bool = False
    halfway: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)


@contextmanager
def web_site(files: Mapping[str, bytes]) -> Iterator[Site]:
    """Serve ``files`` on 127.0.0.1 until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = site.files.get(self.path)
            site.asked.append(self.path)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            page = self.path.endswith("/")
            self.send_header("Content-Type", "text/html" if page else "application/octet-stream")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            half = len(content) // 2
            try:
                self.wfile.write(content[:half])
                self.wfile.flush()
                if site.stall and not page:
                    site.halfway.set()
                    site.go_on.wait(60)
                if not site.cut or page:
                    self.wfile.write(content[half:])
            except ConnectionError:
                pass  # the client was killed, as the test wants

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False  # so that closing waits for every answer to end
    site = Site(url=f"http://127.0.0.1:{server.server_port}", files=dict(files))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield site
    finally:
        site.go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def index_of(shop: ToyShop) -> Iterator[Site]:
    """A package index, as pip knows them, with the shop's wheel; its URL is ``site.url/simple``."""
    name = shop.wheel.name
    page = f'<!DOCTYPE html><html><body><a href="/files/{name}">{name}</a></body></html>'.encode()
    files = {"/simple/earmark-toys/": page, f"/files/{name}": shop.wheel.read_bytes()}
    with web_site(files) as site:
        yield site
