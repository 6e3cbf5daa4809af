"""The messages of our gRPC services are those of the files in proto/."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from earmark.dialects.deepaffects._realtime_pb2 import SegmentChunk, SegmentSpeaker

ROOT = Path(__file__).parents[2]


def _script() -> ModuleType:
    path = ROOT / "scripts/generate_grpc.py"
    spec = importlib.util.spec_from_file_location("generate_grpc", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "proto", [str(path.relative_to(ROOT / "proto")) for path in (ROOT / "proto").rglob("*.proto")]
)
def test_the_messages_are_what_the_script_makes(proto: str) -> None:
    for path, text in _script().generate(proto):
        assert path.read_text(encoding="utf-8") == text, "run `make grpc`"


def test_the_messages_of_deepaffects_are_written_as_the_vendor_writes_them() -> None:
    chunk = SegmentChunk(
        content="QQ==",
        encoding="wav",
        languageCode="en-US",
        sampleRate=16000,
        segmentOffset=30.0,
        duration=31.5,
    )
    answer = SegmentSpeaker(
        id=1, speaker_id="ann", start=1.5, end=2.5, Error="e", identification_score=0.5
    )
    # What the vendor's package (1.4.1) makes of the same.
    assert chunk.SerializeToString().hex() == (
        "120451513d3d1a037761762205656e2d555328807d390000000000003e40410000000000803f40"
    )
    assert answer.SerializeToString().hex() == (
        "08011203616e6e19000000000000f83f2100000000000004402a0165350000003f"
    )
