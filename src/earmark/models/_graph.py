"""A thin layer over the ``onnx`` package: write a graph whose file is the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

__all__ = ["Graph", "save_model"]

_OPSET = 17
_IR_VERSION = 8


class Graph:
    """An ONNX graph under construction. Values are named in the order in which they are made."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._domains = {""}

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Store ``value`` under ``name`` (once; later values of the same name must be equal)."""
        tensor = numpy_helper.from_array(np.asarray(value, order="C"), name)
        if self._constants.setdefault(name, tensor) != tensor:
            raise ValueError(f"the graph already has another constant {name}")
        return name

    def integer(self, value: int) -> str:
        """A scalar int64."""
        return self.constant(f"integer_{value}", np.array(value, np.int64))

    def integers(self, *values: int) -> str:
        """A list of int64: a shape, or axes."""
        name = "integers_" + "_".join(map(str, values))
        return self.constant(name, np.array(values, np.int64))

    def add(
        self, op: str, *inputs: str, domain: str = "", name: str = "", **attributes: Any
    ) -> str:
        """Append a node with one output and return the output's name (``name``, or a fresh one)."""
        output = name or f"{op}_{len(self._nodes)}"
        self._nodes.append(
            helper.make_node(
                op, inputs, [output], domain=domain, **dict(sorted(attributes.items()))
            )
        )
        self._domains.add(domain)
        return output

    def save(
        self,
        path: Path,
        *,
        inputs: dict[str, Sequence[str | int]],
        outputs: dict[str, Sequence[str | int]],
    ) -> None:
        """Write the graph; ``inputs`` and ``outputs`` give float32 shapes by name."""

        def values(shapes: dict[str, Sequence[str | int]]) -> list[onnx.ValueInfoProto]:
            return [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
                for name, shape in shapes.items()
            ]

        graph = helper.make_graph(
            self._nodes, path.stem, values(inputs), values(outputs), [*self._constants.values()]
        )
        opsets = [helper.make_opsetid(d, 1 if d else _OPSET) for d in sorted(self._domains)]
        save_model(helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION), path)


def save_model(model: onnx.ModelProto, path: Path) -> None:
    """Check ``model`` and write it to ``path`` with nothing in it that differs between machines."""
    model.producer_name = "earmark"
    model.producer_version = ""
    model.graph.name = "earmark"
    path.write_bytes(model.SerializeToString(deterministic=True))
