"""`earmark bench service`: a real server, measured with next to nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from earmark.bench import (
    MemoryLine,
    ServiceReport,
    bench_service,
    print_service,
    service_document,
)
from earmark.bench._service_processes import ProcessTree
from earmark.bench._service_report import percentile
from earmark.bench._service_server import serving
from earmark.errors import InvalidOption, ServerUnreachable
from earmark.settings import Settings
from waiting import until

MIB = 1 << 20


@pytest.fixture(scope="module")
def settings(models_dir: Path) -> Settings:
    return Settings(models_dir=models_dir, offline=True)


@pytest.fixture(scope="module")
def report(settings: Settings) -> ServiceReport:
    return bench_service(
        settings=settings, hours=0.01, passes=2, jobs=3, upload_bytes=20 * MIB + 5, requests=15
    )


def test_the_overhead_is_of_the_same_recording(report: ServiceReport) -> None:
    found = report.overhead
    assert found is not None
    assert found.duration == pytest.approx(36.0)
    per_pass = [found.diarizer_s, found.diarizer_cpu_s, found.uploaded_s, found.sent_s]
    assert all(len(seconds) == 2 and min(seconds) > 0 for seconds in per_pass)
    assert {"queued", "analysing", "storing", "other"} == set(found.parts)
    for number, wall_s in enumerate(found.uploaded_s):
        assert sum(took[number] for took in found.parts.values()) == pytest.approx(wall_s)
        # Were it answered from the first pass' result, there would be next to nothing to do.
        assert found.parts["analysing"][number] > 0.1 * found.diarizer_s[number]
    assert set(report.models) >= {"fbank", "campplus-head"}


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_the_cpu_time_of_the_server_is_that_of_its_engines_too(report: ServiceReport) -> None:
    found = report.overhead
    assert found is not None
    for own, service in zip(found.diarizer_cpu_s, found.service_cpu_s, strict=True):
        assert service > 0.5 * own


def test_the_jobs_are_all_done_by_both(report: ServiceReport) -> None:
    found = report.throughput
    assert found is not None
    assert (found.jobs, found.clip_s) == (3, 30.0)
    assert len(found.service_s) == len(found.diarizer_s) == 2
    assert found.per_minute == pytest.approx(180 / (sum(found.service_s) / 2))


def test_the_upload_is_of_that_size_and_the_memory_of_a_server(report: ServiceReport) -> None:
    assert [(each.way, each.size) for each in report.uploads] == [
        ("in parts", 20 * MIB + 5),
        ("in a form", 20 * MIB + 5),
    ]
    for upload in report.uploads:
        assert upload.mb_per_s == pytest.approx(upload.size / upload.seconds / 1e6)
        if sys.platform == "linux":
            assert upload.memory is not None
            assert 100 < upload.memory.start_mb <= upload.memory.peak_mb < 10_000


def test_latencies_are_of_so_many_requests(report: ServiceReport) -> None:
    assert [each.state for each in report.latencies] == ["idle", "busy"]
    assert [len(each.seconds) for each in report.latencies] == [15, 15]
    document = service_document(report)
    for latency in document["latencies"]:
        assert 0 < latency["p50"] <= latency["p99"] <= latency["max"]


def test_the_tables_show_what_was_found(report: ServiceReport) -> None:
    text = StringIO()
    print_service(report, Console(file=text, width=132))
    for part in ("service, uploaded before", "3 files of 30 s", "in a form", "worker busy"):
        assert part in text.getvalue()
    assert json.loads(json.dumps(service_document(report)))["schema"] == "earmark.bench.service/1"


def test_the_command_measures_only_what_it_is_asked(
    settings: Settings, sample_wav: Path, tmp_path: Path
) -> None:
    file = tmp_path / "out.json"
    command = [sys.executable, "-m", "earmark", "bench", "service", str(sample_wav)]
    options = ["--only", "latency", "--jobs", "1", "--requests", "2", "--json", str(file)]
    done = subprocess.run(
        command + options,
        capture_output=True,
        text=True,
        check=False,
        env={
            "EARMARK_MODELS_DIR": str(settings.models_dir),
            "EARMARK_OFFLINE": "1",
            "PYTHONWARNINGS": "error",
        },
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(file.read_text())
    assert document["file"] == sample_wav.name
    assert document["overhead"] is document["throughput"] is None
    assert document["uploads"] == []
    assert [latency["requests"] for latency in document["latencies"]] == [2, 2]
    assert "worker idle" in done.stdout


def test_what_makes_no_sense_is_refused(settings: Settings) -> None:
    with pytest.raises(InvalidOption, match="no 'speed' to measure: take overhead"):
        bench_service(settings=settings, only=["jobs", "speed"])
    with pytest.raises(InvalidOption, match="requests has to be 1 or more, not 0"):
        bench_service(settings=settings, requests=0)


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    settings = Settings(models_dir=tmp_path / "none", offline=True)
    with (
        pytest.raises(ServerUnreachable, match=r"earmark serve ended at once: .*none"),
        serving(settings, tmp_path, max_upload_bytes=MIB),
    ):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_memory_and_cpu_time_are_those_of_the_children_too() -> None:
    grandchild = "b = b'x' * 60_000_000; sum(range(3 * 10**7)); import sys; sys.stdin.read()"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grandchild!r}])"
    process = subprocess.Popen([sys.executable, "-c", child], stdin=subprocess.PIPE)
    try:
        tree = ProcessTree(process.pid)
        known = psutil.Process(process.pid)
        until(lambda: any(c.memory_info().rss > 60e6 for c in known.children(recursive=True)))
        until(lambda: (tree.cpu_s() or 0) > 0.05)
        with tree.memory_line() as line:
            everyone = [known, *known.children(recursive=True)]
            rss = sum(each.memory_info().rss for each in everyone) / 1e6
        assert line is not None
        assert line.start_mb == pytest.approx(rss, rel=0.02)
        assert line.slope_mb == pytest.approx(0, abs=2)
    finally:
        process.communicate()
    assert tree.cpu_s() == 0


def test_a_rising_line_rises() -> None:
    line = MemoryLine(samples=[(0.0, 100.0), (0.5, 125.0), (1.0, 120.0), (2.0, 165.0)])
    assert (line.start_mb, line.peak_mb) == (100.0, 165.0)
    assert line.slope_mb == pytest.approx(60.571, abs=0.001)
    assert MemoryLine(samples=[(0.0, 100.0)]).slope_mb == 0


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(n) for n in range(200, 0, -1)]
    assert [percentile(values, percent) for percent in (50, 99, 100)] == [100.0, 198.0, 200.0]
    assert percentile([7.0], 99) == 7.0
