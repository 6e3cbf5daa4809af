"""Tensors out of a torch checkpoint, without torch and without running anything in it.

A checkpoint is a zip of uncompressed little-endian tensors and one pickle that says which is which
(the format of ``torch.save``, https://pytorch.org/docs/stable/notes/serialization.html). A pickle
is a program. Here it is read by a machine that knows the twenty instructions of which a plain state
dict is made and calls nothing: the four names it may mention are only labels.
"""

from __future__ import annotations

import io
import pickletools
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from earmark.errors import ModelCorrupt

__all__ = ["Tensor", "read_checkpoint"]

Tensor: TypeAlias = NDArray[np.float32] | NDArray[np.int64]

_MAX_FILE_BYTES = 1 << 30
_MAX_PROGRAM_BYTES = 1 << 22
# What reading a damaged archive or walking a malformed program can raise, and nothing else does.
_DAMAGE = (
    zipfile.BadZipFile,
    struct.error,
    EOFError,
    NotImplementedError,  # a zip feature that zipfile lacks
    RuntimeError,  # an encrypted member
    IndexError,
    KeyError,
    TypeError,
    ValueError,
    OverflowError,
)


class _Name(Enum):
    """The names a state dict may mention, as the pickle spells them."""

    ORDERED_DICT = "collections OrderedDict"
    TENSOR = "torch._utils _rebuild_tensor_v2"
    FLOAT = "torch FloatStorage"
    LONG = "torch LongStorage"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Storage:
    member: str
    dtype: np.dtype[Any]
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _View:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Return the tensors of the state dict in ``path``, by name, read-only, in the file's order.

    Raises ModelCorrupt when the file is not such a zip, is damaged, or names or does anything
    that a plain state dict of float32 and int64 tensors does not.
    """
    if path.stat().st_size > _MAX_FILE_BYTES:
        raise ModelCorrupt(f"{path.name} is larger than {_MAX_FILE_BYTES} bytes: not a checkpoint.")
    data = path.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _read_archive(archive, len(data))
    except _DAMAGE as error:
        raise ModelCorrupt(
            f"{path.name} is not a readable checkpoint ({error}); pull the model again."
        ) from error


def _read_archive(archive: zipfile.ZipFile, limit: int) -> dict[str, Tensor]:
    members = archive.infolist()
    if any(m.compress_type != zipfile.ZIP_STORED for m in members):
        raise ValueError("a member is compressed")
    if sum(m.file_size for m in members) > limit:
        raise ValueError("the members claim more bytes than the file has")
    (program,) = (m for m in members if m.filename.endswith("/data.pkl"))
    if program.file_size > _MAX_PROGRAM_BYTES:
        raise ValueError("the index is too large")
    root = program.filename.removesuffix("data.pkl")
    byteorder = f"{root}byteorder"
    if byteorder in archive.namelist() and archive.read(byteorder) != b"little":
        raise ValueError("the tensors are not little-endian")

    storages: dict[str, Tensor] = {}
    tensors: dict[str, Tensor] = {}
    for name, view in _run(archive.read(program)).items():
        member = f"{root}data/{view.storage.member}"
        if member not in storages:
            storages[member] = np.frombuffer(archive.read(member), view.storage.dtype)
        flat = storages[member]
        if flat.dtype != view.storage.dtype or flat.size != view.storage.size:
            raise ValueError(f"the storage of {name} has another type or size than the index says")
        end = view.offset + prod(view.shape)
        if not 0 <= view.offset <= end <= flat.size:
            raise ValueError(f"{name} lies outside its storage")
        tensors[name] = flat[view.offset : end].reshape(view.shape)
    return tensors


def _run(program: bytes) -> Mapping[str, _View]:
    """Walk the pickle and return what it leaves: tensors by name."""
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[Any, Any] = {}

    def pop_from(at: int) -> list[Any]:
        items = stack[at:]
        del stack[at:]
        return items

    for instruction, argument, _ in pickletools.genops(program):
        match instruction.name:
            case "PROTO" | "STOP":
                pass
            case "MARK":
                marks.append(len(stack))
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_TUPLE":
                stack.append(())
            case "NEWTRUE" | "NEWFALSE":
                stack.append(instruction.name == "NEWTRUE")
            case "BININT" | "BININT1" | "BININT2" | "BINUNICODE":
                stack.append(argument)
            case "GLOBAL":
                stack.append(_Name(argument))
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "TUPLE":
                stack.append(tuple(pop_from(marks.pop())))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                size = int(instruction.name[-1])
                if len(stack) < size:
                    raise IndexError("stack underflow")
                stack.append(tuple(pop_from(len(stack) - size)))
            case "BINPERSID":
                stack.append(_storage(stack.pop()))
            case "REDUCE":
                arguments = stack.pop()
                stack.append(_reduce(stack.pop(), arguments))
            case "SETITEMS":
                pairs = _pairs(pop_from(marks.pop()))
                if not isinstance(stack[-1], dict):
                    raise TypeError("the index sets items of something that is not a dict")
                stack[-1].update(pairs)
            case other:
                raise ValueError(f"the index has the instruction {other}")
    (result,) = stack
    if not isinstance(result, dict):
        raise TypeError("the index is not a dict")
    return result


def _storage(identity: object) -> _Storage:
    match identity:
        case ("storage", _Name.FLOAT | _Name.LONG as kind, str(member), "cpu", int(size)):
            dtype = np.dtype("<f4" if kind is _Name.FLOAT else "<i8")
            return _Storage(member=member, dtype=dtype, size=size)
    raise ValueError("the index names a storage of another kind")


def _reduce(name: object, arguments: object) -> object:
    match name, arguments:
        case _Name.ORDERED_DICT, ():
            return {}
        case _Name.TENSOR, (_Storage() as storage, int(offset), tuple(shape), strides, bool(), {}):
            if not all(type(n) is int and n >= 0 for n in shape):
                raise ValueError("the index gives a tensor an impossible shape")
            if strides != tuple(prod(shape[i + 1 :]) for i in range(len(shape))):
                raise ValueError("the index holds a tensor that is not contiguous")
            return _View(storage=storage, offset=offset, shape=shape)
    raise ValueError("the index calls something that a state dict does not")


def _pairs(items: list[Any]) -> dict[str, _View]:
    keys, values = items[::2], items[1::2]
    if len(keys) != len(values) or not all(type(k) is str for k in keys):
        raise ValueError("the index has a malformed dict")
    if not all(isinstance(v, _View) for v in values):
        raise ValueError("the index holds something else than tensors")
    return dict(zip(keys, values, strict=True))
