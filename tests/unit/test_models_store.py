"""The models folder: what is taken as it is, what is refused, what is built."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.errors import (
    Canceled,
    EarmarkError,
    ModelCorrupt,
    ModelMissing,
    UnknownModel,
)
from earmark.models import ModelStore, PullProgress, State
from earmark.models._files import read_record, write_verified
from model_wheels import TOYS, ToyShop, set_up_pip, toy_shop

SMALL = TOYS["toy-small"]


@pytest.fixture
def shop(tmp_path: Path) -> ToyShop:
    return toy_shop(tmp_path / "shop")


def place_by_hand(folder: Path, names: Mapping[str, bytes] = TOYS) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in names.items():
        (folder / f"{name}.bin").write_bytes(content)


def test_a_file_placed_by_hand_is_taken_as_it_is(shop: ToyShop, tmp_path: Path) -> None:
    place_by_hand(tmp_path / "models")
    store = shop.store(tmp_path / "models", offline=True)
    assert store.path("toy-small").read_bytes() == SMALL
    record = read_record(store.file("toy-small"))
    assert record is not None
    assert record.size == len(SMALL)


@pytest.mark.parametrize("content", [b"a small m0del", b"a small", b""], ids=str)
def test_a_wrong_file_is_refused(shop: ToyShop, tmp_path: Path, content: bytes) -> None:
    place_by_hand(tmp_path / "models", {"toy-small": content})
    store = shop.store(tmp_path / "models", offline=True)
    with pytest.raises(
        ModelCorrupt, match=r"toy-small\.bin is not .*`earmark models pull toy-small`"
    ):
        store.path("toy-small")
    assert store.file("toy-small").read_bytes() == content


def test_a_folder_in_the_place_of_a_file_is_refused(shop: ToyShop, tmp_path: Path) -> None:
    store = shop.store(tmp_path / "models", offline=True)
    store.file("toy-small").mkdir(parents=True)
    with pytest.raises(ModelCorrupt):
        store.path("toy-small")


def test_a_file_that_changed_is_hashed_again(shop: ToyShop, tmp_path: Path) -> None:
    place_by_hand(tmp_path / "models")
    shop.store(tmp_path / "models").path("toy-small")
    file = tmp_path / "models" / "toy-small.bin"
    file.write_bytes(SMALL[::-1])
    os.utime(file, (1, 1))
    with pytest.raises(ModelCorrupt):
        shop.store(tmp_path / "models").path("toy-small")


def test_verify_hashes_what_looks_unchanged(shop: ToyShop, tmp_path: Path) -> None:
    place_by_hand(tmp_path / "models")
    store = shop.store(tmp_path / "models", offline=True)
    file = store.path("toy-small")
    before = file.stat()
    file.write_bytes(SMALL[::-1])  # a bit rots: same size, same time
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert store.path("toy-small") == file
    assert [(s.model.id, s.state) for s in store.verify()] == [
        ("toy-small", State.CORRUPT),
        ("toy-large", State.PRESENT),
    ]


def test_the_record_outlives_a_copy_that_drops_fractions_of_seconds(
    shop: ToyShop, tmp_path: Path
) -> None:
    place_by_hand(tmp_path / "models")
    file = shop.store(tmp_path / "models").path("toy-small")
    os.utime(file, (1, int(file.stat().st_mtime)))
    damaged = SMALL[::-1]
    with file.open("rb+") as opened:  # only a record that still holds lets this pass
        opened.write(damaged)
    os.utime(file, (1, read_mtime(file)))
    assert shop.store(tmp_path / "models").path("toy-small").read_bytes() == damaged


def read_mtime(file: Path) -> int:
    record = read_record(file)
    assert record is not None
    return record.mtime


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sha256": 1}', '{"other": 1}'])
def test_a_damaged_record_is_as_good_as_none(shop: ToyShop, tmp_path: Path, text: str) -> None:
    place_by_hand(tmp_path / "models")
    (tmp_path / "models" / "toy-small.bin.json").write_text(text)
    assert shop.store(tmp_path / "models").path("toy-small").read_bytes() == SMALL


def test_a_missing_model_when_offline(shop: ToyShop, tmp_path: Path) -> None:
    store = shop.store(tmp_path / "models", offline=True)
    with pytest.raises(ModelMissing, match=r"toy-small is not in .*EARMARK_OFFLINE"):
        store.path("toy-small")
    assert not (tmp_path / "models").exists()


def test_an_unknown_model_names_the_known_ones(shop: ToyShop, tmp_path: Path) -> None:
    store = shop.store(tmp_path / "models")
    for ask in (store.path, store.file, lambda name: store.pull([name])):
        with pytest.raises(UnknownModel, match="'toy-smal'; choose from: toy-small, toy-large"):
            ask("toy-smal")


def test_states_of_what_is_there(shop: ToyShop, tmp_path: Path) -> None:
    place_by_hand(tmp_path / "models", {"toy-large": b"no"})
    states = shop.store(tmp_path / "models", offline=True).states()
    assert [(s.model.id, s.state, s.size) for s in states] == [
        ("toy-small", State.MISSING, len(SMALL)),
        ("toy-large", State.CORRUPT, 2),
    ]


def test_five_cached_models_cost_next_to_nothing(shop: ToyShop, tmp_path: Path) -> None:
    place_by_hand(tmp_path / "models")
    shop.store(tmp_path / "models").pull()
    took = []
    for _ in range(5):
        store = shop.store(tmp_path / "models", offline=True)
        start = time.perf_counter()
        for name in ("toy-small", "toy-large", "toy-small", "toy-large", "toy-small"):
            store.path(name)
        took.append(time.perf_counter() - start)
    assert min(took) < 0.02


@given(data=st.data())
def test_only_the_right_bytes_are_accepted(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    right = data.draw(st.binary(min_size=1, max_size=64))
    given_bytes = data.draw(st.one_of(st.binary(max_size=80), st.just(right)))
    cut = data.draw(st.integers(0, len(given_bytes)))
    target = tmp_path_factory.getbasetemp() / "written"
    sha256 = hashlib.sha256(right).hexdigest()
    chunks = [given_bytes[:cut], given_bytes[cut:]]
    try:
        write_verified(chunks, target, size=len(right), sha256=sha256, origin="it")
    except ModelCorrupt:
        assert given_bytes != right
    else:
        assert given_bytes == right == target.read_bytes()
    assert target.stat().st_size <= len(right)  # nothing without end fills the disk


# --- folders that cannot be written to ------------------------------------------------------------


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's rights, whom permissions do not stop."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def full_folder() -> Iterator[Path]:
    """A models folder with everything in it, where any user may look."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        folder = Path(name) / "models"
        place_by_hand(folder)
        yield folder
        folder.chmod(0o755)


@pytest.fixture
def read_only(full_folder: Path) -> Iterator[Path]:
    """The same, where the test may not write."""
    full_folder.chmod(0o555)
    with as_nobody():
        yield full_folder


def test_a_complete_read_only_folder_works(shop: ToyShop, read_only: Path) -> None:
    store = shop.store(read_only)
    before = sorted(read_only.iterdir())
    assert list(store.pull()) == list(TOYS)
    assert store.path("toy-small").read_bytes() == SMALL
    assert [s.state for s in store.verify()] == [State.PRESENT, State.PRESENT]
    assert sorted(read_only.iterdir()) == before


def test_in_a_read_only_folder_each_file_is_hashed_once(
    shop: ToyShop, read_only: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = shop.store(read_only)
    file = store.path("toy-large")

    def reread(path: Path) -> str:
        raise AssertionError(f"{path} was hashed twice")

    monkeypatch.setattr("earmark.models._files.sha256_of", reread)
    assert store.path("toy-large") == file


def test_an_incomplete_read_only_folder_says_so(shop: ToyShop, read_only: Path) -> None:
    inner = read_only / "none"
    with pytest.raises(ModelMissing, match=r"toy-small is not in .* cannot be put there .*denied"):
        shop.store(inner).path("toy-small")


def test_an_unreadable_folder_says_so(shop: ToyShop, full_folder: Path) -> None:
    full_folder.chmod(0o000)
    with as_nobody(), pytest.raises(ModelMissing, match=r"toy-small cannot be read from .*denied"):
        shop.store(full_folder).path("toy-small")


def test_a_file_in_the_place_of_the_folder_says_so(shop: ToyShop, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("not a folder")
    with pytest.raises(ModelMissing, match="cannot be put there"):
        shop.store(tmp_path / "models").path("toy-small")


# --- models made from models ----------------------------------------------------------------------


class Workshop:
    """A builder that writes its input backwards, and what it was asked to do."""

    def __init__(self) -> None:
        self.version = "1"
        self.built: list[str] = []
        self.fails: EarmarkError | OSError | None = None

    def build(self, inputs: Mapping[str, Path], output: Path) -> None:
        self.built.append(output.name)
        output.write_bytes(b"half")
        if self.fails is not None:
            raise self.fails
        (source,) = inputs.values()
        output.write_bytes(source.read_bytes()[::-1] + self.version.encode())


@pytest.fixture
def workshop(monkeypatch: pytest.MonkeyPatch) -> Workshop:
    workshop = Workshop()
    builders = {"back": workshop.build, "forth": workshop.build}
    monkeypatch.setattr("earmark.models._derive.BUILDERS", builders)
    monkeypatch.setattr("earmark.models._derive.builder_version", lambda _: workshop.version)
    return workshop


@pytest.fixture
def maker(tmp_path: Path, workshop: Workshop) -> ModelStore:
    """A store with a model "forth", built from "back", built from a file that is there."""
    place_by_hand(tmp_path / "models")
    derived = [("back", "toy-small"), ("forth", "back")]
    return toy_shop(tmp_path / "shop", derived=derived).store(tmp_path / "models", offline=True)


def test_what_is_missing_is_built_once_with_its_inputs(
    maker: ModelStore, workshop: Workshop
) -> None:
    path = maker.path("forth")
    assert path.read_bytes() == b"1" + SMALL + b"1"
    assert maker.path("forth") == path
    assert workshop.built == [maker.file("back").name, path.name]
    assert list((maker.folder / ".pull").glob("*/")) == []


def test_the_name_follows_the_builder_and_the_inputs(maker: ModelStore, workshop: Workshop) -> None:
    first = maker.path("forth")
    workshop.version = "2"
    second = maker.path("forth")
    assert first != second
    assert first.read_bytes().endswith(b"1")
    assert second.read_bytes().endswith(b"2")
    assert first.name.startswith("forth-")
    assert second.stem == f"forth-{maker.fingerprint('forth')[:12]}"
    assert maker.fingerprint("toy-small") == hashlib.sha256(SMALL).hexdigest()


def test_inputs_are_not_needed_once_built(maker: ModelStore, workshop: Workshop) -> None:
    path = maker.path("forth")
    maker.file("back").unlink()
    maker.file("toy-small").unlink()
    assert maker.path("forth") == path
    assert len(workshop.built) == 2


def test_a_damaged_derived_model_is_found_and_rebuilt_by_pull(
    maker: ModelStore, workshop: Workshop
) -> None:
    path = maker.path("back")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(ModelCorrupt, match="earmark models pull back"):
        maker.path("back")
    (state,) = maker.verify(["back"])
    assert state.state == State.CORRUPT
    assert maker.pull(["back"])["back"].read_bytes() == whole


def test_without_its_record_a_derived_model_is_built_again(
    maker: ModelStore, workshop: Workshop
) -> None:
    path = maker.path("back")
    path.with_name(path.name + ".json").unlink()
    maker.path("back")
    assert workshop.built == [path.name, path.name]


@pytest.mark.parametrize("error", [ModelCorrupt("no"), OSError(5, "I/O error")], ids=repr)
def test_a_build_that_fails_leaves_nothing(
    maker: ModelStore, workshop: Workshop, error: EarmarkError | OSError
) -> None:
    workshop.fails = error
    with pytest.raises(type(error)):
        maker.path("back")
    assert not maker.file("back").exists()
    assert list((maker.folder / ".pull").glob("*/")) == []
    workshop.fails = None
    assert maker.path("back").read_bytes() == SMALL[::-1] + b"1"


def test_pull_replaces_a_damaged_input(
    tmp_path: Path, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = toy_shop(tmp_path / "shop", derived=[("back", "toy-small")])
    set_up_pip(monkeypatch, no_index="1", find_links=str(shop.folder))
    place_by_hand(tmp_path / "models", {"toy-small": b"a small m0del"})
    store = shop.store(tmp_path / "models")
    with pytest.raises(ModelCorrupt, match="earmark models pull toy-small"):
        store.path("back")
    assert store.pull(["back"])["back"].read_bytes() == SMALL[::-1] + b"1"


def test_a_pull_can_be_canceled(maker: ModelStore, workshop: Workshop) -> None:
    def stop(progress: PullProgress) -> bool:
        return progress.step != "build"

    with pytest.raises(Canceled):
        maker.pull(["back"], stop)
    assert workshop.built == []
    assert not maker.file("back").exists()
