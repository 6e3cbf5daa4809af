"""Measure the ranges that the 8-bit networks are built with, and write them into the package.

    EARMARK_EVAL_DIR=... python scripts/calibrate_int8.py

Takes utterances of LibriSpeech and speechocean762 (both CC BY 4.0) from the evaluation data, runs
the float trunks over them, and keeps the least and the greatest value of each tensor, rounded.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

import earmark.models
from earmark.audio import read_audio
from earmark.models import ModelStore, load_session
from earmark.models._campplus_int8 import CALIBRATED
from earmark.models._wespeaker_int8 import calibrated
from earmark.settings import get_settings

_UTTERANCES = 64
_SOURCES = ("ls_*", "so_*")
_DIGITS = 4

Statistics = dict[str, NDArray[np.float64]]


def main() -> int:
    """Calibrate both trunks; return the exit status."""
    folder = get_settings().eval_dir
    if folder is None:
        print("Set EARMARK_EVAL_DIR to the folder of the evaluation data.", file=sys.stderr)
        return 2
    files = sorted(path for source in _SOURCES for path in folder.glob(f"verification/{source}/*"))
    files = files[:: len(files) // _UTTERANCES][:_UTTERANCES]
    store = ModelStore()
    for name, scale in (("campplus-trunk", 1.0), ("wespeaker-trunk", 32768.0)):
        trunk = store.path(name)
        kinds = CALIBRATED if name == "campplus-trunk" else calibrated(trunk)
        target = Path(earmark.models.__file__).parent / "ranges" / f"{name}-int8.json"
        ranges = _measure(trunk, kinds, _features(store, files, scale))
        lines = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in ranges.items())
        target.write_text("{\n" + ",\n".join(lines) + "\n}\n")
        print(f"{target.name}: {len(kinds)} tensors, {len(files)} utterances")
    return 0


def _features(
    store: ModelStore, files: Iterable[Path], scale: float
) -> Iterator[NDArray[np.float32]]:
    """Filter banks [1, frames, 80] without their mean."""
    session = load_session(store.path("fbank"), threads=1)
    for path in files:
        samples = read_audio(path)[0] * np.float32(scale)
        (energies,) = session.run(None, {"samples": samples[None, None]})
        features = energies.transpose(0, 2, 1)
        yield features - features.mean(axis=1, keepdims=True)


def _measure(
    trunk: Path, kinds: Mapping[str, str], batches: Iterable[NDArray[np.float32]]
) -> dict[str, dict[str, Any]]:
    model = onnx.load(trunk)
    names = [name for name in kinds if name != "feats"]
    del model.graph.output[:]
    model.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names
    )
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    seen: dict[str, list[Statistics]] = {name: [] for name in kinds}
    for feats in batches:
        values = dict(zip(names, session.run(names, {"feats": feats}), strict=True))
        values["feats"] = feats.transpose(0, 2, 1)
        for name, value in values.items():
            seen[name].append(_statistics(value))
    return {name: _summary(seen[name], kind) for name, kind in kinds.items()}


def _statistics(value: NDArray[np.float32]) -> Statistics:
    """Least, greatest and mean value of each channel of [1, channels, ...]."""
    rows = value[0].reshape(value.shape[1], -1).astype(np.float64)
    return {"low": rows.min(axis=1), "high": rows.max(axis=1), "mean": rows.mean(axis=1)}


def _summary(seen: list[Statistics], kind: str) -> dict[str, Any]:
    low = np.min([s["low"] for s in seen], axis=0)
    high = np.max([s["high"] for s in seen], axis=0)
    if kind == "channel":
        return {"low": _rounded(low), "high": _rounded(high)}
    result = {"low": _rounded(low.min()), "high": _rounded(high.max())}
    if kind == "mean":
        result["mean"] = _rounded(np.mean([s["mean"] for s in seen], axis=0))
    return result


def _rounded(value: Any) -> Any:
    if np.ndim(value):
        return [_rounded(v) for v in value]
    return float(f"{value:.{_DIGITS}g}")


if __name__ == "__main__":
    sys.exit(main())
