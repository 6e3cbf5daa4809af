"""ONNX Runtime sessions, set up for many Python threads that run one session at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as state

from earmark.errors import MissingExtra, ModelCorrupt, ModelMissing
from earmark.settings import Provider

__all__ = ["Provider", "load_session"]

# The options of a provider beside its defaults. TF32 would cost CUDA the last three digits.
_PROVIDERS: dict[str, tuple[str, dict[str, str]]] = {
    "cpu": ("CPUExecutionProvider", {}),
    "cuda": ("CUDAExecutionProvider", {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}),
    "openvino": ("OpenVINOExecutionProvider", {}),
}


def load_session(
    path: Path, *, threads: int, provider: Provider = "cpu"
) -> onnxruntime.InferenceSession:
    """Load the model in ``path``; its ``run`` may be called from several threads at a time.

    ``threads`` is how many threads one ``run`` uses. With 1, a run stays on the calling thread:
    N threads that each call ``run`` scale best, and results do not depend on N.

    Raises MissingExtra when the installed ONNX Runtime lacks ``provider`` or cannot start it,
    ModelMissing when there is no such file, ModelCorrupt when it is not a model.
    """
    name, settings = _PROVIDERS[provider]
    if name not in onnxruntime.get_available_providers():
        raise MissingExtra(
            f"The installed onnxruntime {onnxruntime.__version__} has no {name}: install the"
            f" onnxruntime package built for {provider}, or set EARMARK_PROVIDER=cpu."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors
    # Inputs come in many lengths: a memory plan kept for each would grow without end. Planning the
    # reuse of buffers takes most of the time to load a network of a thousand small layers, and
    # the arena reuses them anyway.
    options.enable_mem_pattern = False
    options.enable_mem_reuse = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers: list[Any] = [(name, settings)]
    if provider != "cpu":
        providers.append("CPUExecutionProvider")  # for the few operators the other one lacks
    try:
        session = onnxruntime.InferenceSession(path, options, providers=providers)
    except state.NoSuchFile as error:
        raise ModelMissing(f"{path} is not there: pull the model again.") from error
    except (state.InvalidProtobuf, state.InvalidGraph, state.Fail, state.InvalidArgument) as error:
        raise ModelCorrupt(
            f"{path} is not a model that onnxruntime {onnxruntime.__version__} can run"
            f" ({error}): pull it again."
        ) from error
    if session.get_providers()[0] != name:
        raise MissingExtra(
            f"onnxruntime could not start {name}: check its drivers and libraries, or set"
            " EARMARK_PROVIDER=cpu."
        )
    return session
