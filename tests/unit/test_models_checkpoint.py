"""The reader of torch checkpoints: what it reads, what it refuses, and that it runs nothing."""

from __future__ import annotations

import codecs
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.errors import ModelCorrupt
from earmark.models._checkpoint import read_checkpoint

_STORAGES = {"a": np.arange(12, dtype="<f4"), "b": np.array([7], dtype="<i8")}
_WATCHED = ("exec", "compile", "os.system", "subprocess.Popen", "import", "pickle.find_class")


def text(value: str) -> bytes:
    return b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()


def integer(value: int) -> bytes:
    return b"J" + value.to_bytes(4, "little", signed=True)


def numbers(*values: int) -> bytes:
    return b"(" + b"".join(map(integer, values)) + b"t"


def tensor(
    member: str = "a",
    offset: int = 0,
    shape: tuple[int, ...] = (3, 4),
    strides: tuple[int, ...] = (4, 1),
    *,
    kind: str = "FloatStorage",
    size: int = 12,
    call: str = "torch._utils\n_rebuild_tensor_v2",
) -> bytes:
    """The instructions that torch.save writes for one tensor."""
    storage = text("storage") + f"ctorch\n{kind}\n".encode() + text(member) + text("cpu")
    identity = b"(" + storage + integer(size) + b"tQ"
    hooks = b"ccollections\nOrderedDict\n)R"
    arguments = identity + integer(offset) + numbers(*shape) + numbers(*strides) + b"\x89" + hooks
    return f"c{call}\n".encode() + b"(" + arguments + b"tR"


def program(**entries: bytes) -> bytes:
    items = b"".join(text(name) + value for name, value in entries.items())
    return b"\x80\x02}(" + items + b"u."


def checkpoint(
    path: Path, index: bytes, *, compression: int = zipfile.ZIP_STORED, **members: bytes
) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", index)
        for name, values in _STORAGES.items():
            archive.writestr(f"archive/data/{name}", values.tobytes())
        for name, content in members.items():
            archive.writestr("more/data.pkl" if name == "second" else f"archive/{name}", content)
    return path


PLAIN = program(
    weight=tensor(),
    row=tensor(offset=4, shape=(4,), strides=(1,)),
    count=tensor("b", shape=(), strides=(), kind="LongStorage", size=1),
)


def test_tensors_have_their_values_shapes_and_order(tmp_path: Path) -> None:
    tensors = read_checkpoint(checkpoint(tmp_path / "x.pt", PLAIN))
    assert list(tensors) == ["weight", "row", "count"]
    np.testing.assert_array_equal(tensors["weight"], np.arange(12.0).reshape(3, 4))
    np.testing.assert_array_equal(tensors["row"], [4.0, 5.0, 6.0, 7.0])
    assert tensors["count"].dtype == np.int64
    assert tensors["count"].item() == 7
    assert not tensors["weight"].flags.writeable


@pytest.mark.parametrize(
    "index",
    [
        program(x=b"cos\nsystem\n(" + text("true") + b"tR"),
        program(x=b"cbuiltins\neval\n(" + text("1") + b"tR"),
        program(x=b"(" + text("true") + b"ios\nsystem\n"),
        program(x=tensor(call="torch\nFloatStorage")),
        program(x=b"ccollections\nOrderedDict\n)R}b"),
        program(x=tensor(strides=(1, 3))),
        program(x=tensor(offset=1)),
        program(x=tensor(offset=-1)),
        program(x=tensor(shape=(-1, 4))),
        program(x=tensor(size=13)),
        program(x=tensor(kind="DoubleStorage")),
        program(x=tensor(kind="LongStorage", size=6)),
        program(x=tensor("missing")),
        program(x=tensor("../data.pkl")),
        program(x=integer(1)),
        b"\x80\x02}(" + integer(1) + tensor() + b"u.",
        b"\x80\x02}(" + text("x") + b"u.",
        b"\x80\x02u.",
        b"\x80\x02h\x05.",
        b"\x80\x02" + tensor() + b".",
        b"\x80\x02.",
        b"",
    ],
)
def test_a_pickle_that_is_no_plain_state_dict_is_refused(tmp_path: Path, index: bytes) -> None:
    with pytest.raises(ModelCorrupt, match=r"x\.pt"):
        read_checkpoint(checkpoint(tmp_path / "x.pt", index))


def test_an_archive_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    with pytest.raises(ModelCorrupt, match="compressed"):
        read_checkpoint(checkpoint(path, PLAIN, compression=zipfile.ZIP_DEFLATED))
    with pytest.raises(ModelCorrupt, match="little-endian"):
        read_checkpoint(checkpoint(path, PLAIN, byteorder=b"big"))
    with pytest.raises(ModelCorrupt):
        read_checkpoint(checkpoint(path, PLAIN, second=PLAIN))
    path.write_bytes(b"not a zip")
    with pytest.raises(ModelCorrupt):
        read_checkpoint(path)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "x.pt", PLAIN)
    whole = path.read_bytes()
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(ModelCorrupt):
            read_checkpoint(path)


@pytest.fixture(scope="module")
def events() -> Iterator[list[str]]:
    """What this process executes or imports while the fixture's list is watched."""
    seen: list[str] = []
    watching = [True]
    for encoding in ("ascii", "cp437", "latin-1", "raw-unicode-escape", "unicode-escape", "utf-8"):
        codecs.lookup(encoding)  # what strings may be written in is imported before we look

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if watching[0] and event in _WATCHED:
            seen.append(event)

    sys.addaudithook(hook)
    yield seen
    watching[0] = False


@st.composite
def mutations(draw: st.DrawFn, source: bytes) -> bytes:
    """``source`` with some bytes changed, removed, put in or repeated."""
    data = bytearray(source)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data) - 1))
        other = draw(st.integers(0, len(data) - 1))
        match draw(st.integers(0, 3)):
            case 0:
                data[at] = draw(st.integers(0, 255))
            case 1:
                del data[at : at + draw(st.integers(1, 9))]
            case 2:
                data[at:at] = draw(st.binary(min_size=1, max_size=9))
            case _:
                data[at:at] = data[other : other + draw(st.integers(1, 40))]
        if not data:
            break
    return bytes(data)


def read_mutated(path: Path, events: list[str]) -> None:
    """Read, and see that nothing happens but a refusal or arrays."""
    events.clear()
    try:
        tensors = read_checkpoint(path)
    except ModelCorrupt:
        tensors = {}
    assert not events
    assert all(t.dtype in (np.float32, np.int64) for t in tensors.values())
    assert sum(t.size for t in tensors.values()) < 10_000


@given(index=mutations(PLAIN))
def test_no_mutation_of_the_pickle_runs_anything(
    tmp_path_factory: pytest.TempPathFactory, events: list[str], index: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "mutated.pt"
    read_mutated(checkpoint(path, index), events)


@given(data=st.data())
def test_no_mutation_of_the_archive_runs_anything(
    tmp_path_factory: pytest.TempPathFactory, events: list[str], data: st.DataObject
) -> None:
    path = checkpoint(tmp_path_factory.getbasetemp() / "archive.pt", PLAIN)
    path.write_bytes(data.draw(mutations(path.read_bytes())))
    read_mutated(path, events)


def test_memory_is_bounded_by_the_file(tmp_path: Path) -> None:
    """Many names for one storage are views of it."""
    entries = {f"t{i}": tensor() for i in range(2000)}
    path = checkpoint(tmp_path / "x.pt", program(**entries))
    tensors = read_checkpoint(path)
    assert len({t.__array_interface__["data"][0] for t in tensors.values()}) == 1
