"""A benchmark's findings as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from earmark.bench._reliability import Reliability
from earmark.bench._results import DiarizationReport, System, Total, by_folder, total_of
from earmark.bench._score import Errors, Score
from earmark.bench._speed import SpeedReport

__all__ = ["diarization_document", "score_document", "speed_document"]


def diarization_document(report: DiarizationReport) -> dict[str, Any]:
    """The document ``earmark.bench.diarization/1``. Rates are fractions, times seconds."""
    return {
        "schema": "earmark.bench.diarization/1",
        "dataset": {
            "folder": report.dataset.folder.name,
            "sha256": report.dataset.sha256,
            "recordings": [r.name for r in report.dataset.recordings],
            "left_out": list(report.dataset.left_out),
            "hours": round(report.dataset.hours, 5),
        },
        "machine": asdict(report.machine),
        "models": report.models,
        "settings": report.settings,
        "fast": report.fast,
        "oracle": report.oracle,
        "passes": report.passes,
        "systems": [_system(report, system) for system in report.systems],
        "reliability": {
            "turns": _reliability(report.turn_reliability),
            "frames": _reliability(report.frame_reliability),
        },
    }


def _system(report: DiarizationReport, system: System) -> dict[str, Any]:
    parts = by_folder(report.dataset.recordings)
    totals = [(name, total_of(system, recordings)) for name, recordings in parts]
    return {
        "name": system.name,
        "licence": system.licence,
        "note": system.note,
        "failure": system.failure,
        "failures": system.failures,
        "unstable": sorted(system.unstable),
        "versions": dict(system.versions),
        "load_s": round(system.load_s, 3),
        "load_cpu_s": round(system.load_cpu_s, 3),
        "loaded_rss_mb": round(system.loaded_rss_mb, 1),
        "totals": {name: _total(total) for name, total in totals if total},
        "recordings": {
            name: score_document(result.score)
            | {
                "wall_s": [round(s, 4) for s in result.wall_s],
                "cpu_s": [round(s, 4) for s in result.cpu_s],
                "peak_rss_mb": round(result.peak_rss_mb, 1),
            }
            for name, result in system.results.items()
        },
    }


def _total(total: Total) -> dict[str, Any]:
    return score_document(total.score) | {
        "recordings": total.score.recordings,
        "count_exact": total.score.exact,
        "wall_rtf": round(total.wall_rtf, 5),
        "cpu_rtf": round(total.cpu_rtf, 5),
        "peak_rss_mb": round(total.peak_rss_mb, 1),
    }


def score_document(score: Score) -> dict[str, Any]:
    """Error rates as fractions, their parts in seconds, and how many people were found."""
    return {
        "strict": _errors(score.strict),
        "collar_0.25": _errors(score.lenient),
        "jer": round(score.jaccard_rate, 5),
        "speakers": score.speakers,
        "found": score.found,
        "count_error": score.miscounted,
    }


def _errors(errors: Errors) -> dict[str, float]:
    return {"der": round(errors.rate, 5)} | {k: round(v, 3) for k, v in asdict(errors).items()}


def _reliability(found: Reliability | None) -> dict[str, Any] | None:
    if found is None:
        return None
    rows = [{key: round(value, 4) for key, value in row.items()} for row in found.rows()]
    return {"calibration_error": round(found.error, 5), "bins": rows}


def speed_document(report: SpeedReport) -> dict[str, Any]:
    """The document ``earmark.bench.speed/1``. Times are seconds."""
    return {
        "schema": "earmark.bench.speed/1",
        "file": report.file,
        "machine": asdict(report.machine),
        "models": report.models,
        "fast": report.fast,
        "load_s": round(report.load_s, 3),
        "first_turn_s": [round(seconds, 3) for seconds in report.first_turn_s],
        "mb_per_hour": None if report.mb_per_hour is None else round(report.mb_per_hour, 1),
        "lengths": [
            {
                "duration": round(length.duration, 3),
                "wall_s": [round(s, 4) for s in length.wall_s],
                "cpu_s": [round(s, 4) for s in length.cpu_s],
                "wall_rtf": round(length.wall_rtf, 6),
                "cpu_rtf": round(length.cpu_rtf, 6),
                "stages": {
                    stage: [round(s, 4) for s in passes] for stage, passes in length.stages.items()
                },
                "peak_rss_mb": round(length.peak_rss_mb, 1),
                "speakers": length.speakers,
            }
            for length in report.lengths
        ],
    }
