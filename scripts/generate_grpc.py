"""Make the message classes of our gRPC services from the files in proto/ (`make grpc`).

A test compares those in the tree with what this script would write.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

__all__ = ["MADE", "generate"]

ROOT = Path(__file__).parent.parent

MADE = {
    "deepaffects-realtime.proto": "src/earmark/dialects/deepaffects/_realtime_pb2",
    "earmark/v1/live.proto": "src/earmark/dialects/native/_live_pb2",
}
"""What is made from which file: a module, and its types beside it (.pyi)."""


def generate(proto: str) -> Iterator[tuple[Path, str]]:
    """What belongs where, for one of `MADE`."""
    with tempfile.TemporaryDirectory() as folder:
        failed = protoc.main(
            [
                "protoc",
                f"--proto_path={ROOT / 'proto'}",
                f"--proto_path={files('grpc_tools') / '_proto'}",
                f"--python_out={folder}",
                f"--pyi_out={folder}",
                proto,
            ]
        )
        if failed:
            sys.exit(f"{proto} cannot be compiled.")
        stem = proto.removesuffix(".proto").replace("-", "_") + "_pb2"
        for suffix in (".py", ".pyi"):
            text = (Path(folder) / (stem + suffix)).read_text(encoding="utf-8")
            yield ROOT / (MADE[proto] + suffix), text


if __name__ == "__main__":
    for name in MADE:
        for path, text in generate(name):
            path.write_text(text, encoding="utf-8")
