"""Models made from other models when they are pulled: the same bytes on every machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

__all__ = ["BUILDERS", "builder_version"]

_VERSION = 3  # raise it when a builder writes other bytes for the same source

# The ``onnx`` package takes a while to import, so the builders import their modules when they run.


def _campplus(inputs: Mapping[str, Path], output: Path) -> None:
    from earmark.models._campplus import write_network
    from earmark.models._checkpoint import read_checkpoint

    write_network(read_checkpoint(inputs["campplus-checkpoint"]), output)


def _campplus_trunk(inputs: Mapping[str, Path], output: Path) -> None:
    from earmark.models._campplus import write_trunk
    from earmark.models._checkpoint import read_checkpoint

    write_trunk(read_checkpoint(inputs["campplus-checkpoint"]), output)


def _campplus_trunk_int8(inputs: Mapping[str, Path], output: Path) -> None:
    from earmark.models._campplus_int8 import write_trunk
    from earmark.models._checkpoint import read_checkpoint
    from earmark.models._int8 import read_ranges

    tensors = read_checkpoint(inputs["campplus-checkpoint"])
    write_trunk(tensors, read_ranges("campplus-trunk-int8"), output)


def _campplus_head(inputs: Mapping[str, Path], output: Path) -> None:
    from earmark.models._campplus import head
    from earmark.models._checkpoint import read_checkpoint
    from earmark.models._trunk import write_head

    write_head(output, *head(read_checkpoint(inputs["campplus-checkpoint"])), eps=0.0)


def _segmentation_body_int8(inputs: Mapping[str, Path], output: Path) -> None:
    from earmark.models._segmentation_int8 import write_body

    write_body(inputs["segmentation-3.0"], output)


def _fbank(_: Mapping[str, Path], output: Path) -> None:
    from earmark.models._fbank import write_fbank

    write_fbank(output)


def _segmentation_filters(inputs: Mapping[str, Path], output: Path) -> None:
    from earmark.models._segmentation import cut_filters

    cut_filters(inputs["segmentation-3.0"], output)


def _segmentation_body(inputs: Mapping[str, Path], output: Path) -> None:
    from earmark.models._segmentation import cut_body

    cut_body(inputs["segmentation-3.0"], output)


def _wespeaker_trunk(inputs: Mapping[str, Path], output: Path) -> None:
    from earmark.models._trunk import cut_wespeaker

    cut_wespeaker(inputs["wespeaker-resnet34"], output)


def _wespeaker_trunk_int8(inputs: Mapping[str, Path], output: Path) -> None:
    from earmark.models._int8 import read_ranges
    from earmark.models._wespeaker_int8 import write_trunk

    write_trunk(inputs["wespeaker-trunk"], read_ranges("wespeaker-trunk-int8"), output)


def _wespeaker_head(inputs: Mapping[str, Path], output: Path) -> None:
    from earmark.models._trunk import wespeaker_head, write_head

    write_head(output, *wespeaker_head(inputs["wespeaker-resnet34"]))


BUILDERS: Mapping[str, Callable[[Mapping[str, Path], Path], None]] = {
    "campplus": _campplus,
    "campplus-head": _campplus_head,
    "campplus-trunk": _campplus_trunk,
    "campplus-trunk-int8": _campplus_trunk_int8,
    "fbank": _fbank,
    "segmentation-body": _segmentation_body,
    "segmentation-body-int8": _segmentation_body_int8,
    "segmentation-filters": _segmentation_filters,
    "wespeaker-head": _wespeaker_head,
    "wespeaker-trunk": _wespeaker_trunk,
    "wespeaker-trunk-int8": _wespeaker_trunk_int8,
}


def builder_version(name: str) -> str:
    """A short hash that changes when the builder ``name`` may write other bytes."""
    digest = sha256(f"{name} {_VERSION}".encode())
    ranges = Path(__file__).parent / "ranges" / f"{name}.json"
    if ranges.is_file():
        digest.update(ranges.read_bytes())
    return digest.hexdigest()[:12]
