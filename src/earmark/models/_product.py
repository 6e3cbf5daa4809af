"""Matrix products that are the same to the last bit however many threads BLAS has.

NumPy leaves products to a BLAS library, which splits large ones among as many threads as the
machine has cores and then rounds otherwise than with one. ONNX Runtime with one thread does not.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import onnxruntime
from numpy.typing import NDArray

__all__ = ["product"]

Float = NDArray[np.float32]

#: A graph of one node, Gemm(transB=1), from ``a`` [m, k] and ``b`` [n, k] to ``c`` [m, n].
_GRAPH = (
    b'\x08\x08\x12\x07earmark\x1a\x00:p\n \n\x01a\n\x01b\x12\x01c"\x04Gemm*\r\n\x06transB\x18\x01'
    b"\xa0\x01\x02:\x00\x12\x07earmarkZ\x15\n\x01a\x12\x10\n\x0e\x08\x01\x12\n\n\x03\x12\x01m\n\x03\x12"
    b"\x01kZ\x15\n\x01b\x12\x10\n\x0e\x08\x01\x12\n\n\x03\x12\x01n\n\x03\x12\x01kb\x15\n\x01c\x12\x10\n"
    b"\x0e\x08\x01\x12\n\n\x03\x12\x01m\n\x03\x12\x01nB\x04\n\x00\x10\x11"
)


def product(a: Float, b: Float) -> Float:
    """``a`` [m, k] times the transpose of ``b`` [n, k]: float32 [m, n]. Uses one thread."""
    (c,) = _session().run(None, {"a": a, "b": b})
    return np.asarray(c, np.float32)


@cache
def _session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # the shapes vary
    return onnxruntime.InferenceSession(_GRAPH, options, providers=["CPUExecutionProvider"])
