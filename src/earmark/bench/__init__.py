"""Scoring and benchmarks: how well, how fast, how large, and against which others."""

from __future__ import annotations

from earmark.bench._dataset import Dataset, Recording, load_dataset
from earmark.bench._diarization import OnStep, bench_diarization
from earmark.bench._document import diarization_document, speed_document
from earmark.bench._environments import PEERS, Peer, environment, peers_folder, peers_named
from earmark.bench._gallery import GalleryReport, Taken, bench_gallery, gallery_document
from earmark.bench._gallery_tables import print_gallery
from earmark.bench._live import LiveLoad, LiveLoadReport, bench_live
from earmark.bench._live_accuracy import LAYERS, LiveAccuracy, Told, bench_live_accuracy, told_by
from earmark.bench._live_document import live_document
from earmark.bench._live_names import Naming, Person, bench_naming
from earmark.bench._live_tables import print_live, print_live_accuracy, print_naming
from earmark.bench._long import Part, concatenate
from earmark.bench._machine import Machine, this_machine
from earmark.bench._reliability import Reliability, frame_reliability, turn_reliability
from earmark.bench._results import DiarizationReport, Result, System, Total, total_of
from earmark.bench._score import COLLAR, Errors, Score, map_speakers, score
from earmark.bench._service import MEASURES, bench_service
from earmark.bench._service_processes import MemoryLine
from earmark.bench._service_report import (
    Latency,
    Overhead,
    ServiceReport,
    Throughput,
    Upload,
    service_document,
)
from earmark.bench._service_tables import print_service
from earmark.bench._speed import Length, SpeedReport, bench_speed
from earmark.bench._tables import print_diarization, print_speed
from earmark.bench._traits import TraitsReport, bench_traits, traits_document
from earmark.bench._traits_tables import print_traits
from earmark.bench._verification import (
    OpenSet,
    Scored,
    VerificationReport,
    bench_verification,
    verification_document,
)
from earmark.bench._verification_calibration import SiteCalibration, calibrate, left_out
from earmark.bench._verification_score import Interval, Roc, Trials, bootstrap, cllr
from earmark.bench._verification_tables import print_verification
from earmark.bench._verification_trials import (
    Heard,
    TrialList,
    as_trials,
    hear,
    pairs_within,
    read_trials,
)

__all__ = [
    "COLLAR",
    "LAYERS",
    "MEASURES",
    "PEERS",
    "Dataset",
    "DiarizationReport",
    "Errors",
    "GalleryReport",
    "Heard",
    "Interval",
    "Latency",
    "Length",
    "LiveAccuracy",
    "LiveLoad",
    "LiveLoadReport",
    "Machine",
    "MemoryLine",
    "Naming",
    "OnStep",
    "OpenSet",
    "Overhead",
    "Part",
    "Peer",
    "Person",
    "Recording",
    "Reliability",
    "Result",
    "Roc",
    "Score",
    "Scored",
    "ServiceReport",
    "SiteCalibration",
    "SpeedReport",
    "System",
    "Taken",
    "Throughput",
    "Told",
    "Total",
    "TraitsReport",
    "TrialList",
    "Trials",
    "Upload",
    "VerificationReport",
    "as_trials",
    "bench_diarization",
    "bench_gallery",
    "bench_live",
    "bench_live_accuracy",
    "bench_naming",
    "bench_service",
    "bench_speed",
    "bench_traits",
    "bench_verification",
    "bootstrap",
    "calibrate",
    "cllr",
    "concatenate",
    "diarization_document",
    "environment",
    "frame_reliability",
    "gallery_document",
    "hear",
    "left_out",
    "live_document",
    "load_dataset",
    "map_speakers",
    "pairs_within",
    "peers_folder",
    "peers_named",
    "print_diarization",
    "print_gallery",
    "print_live",
    "print_live_accuracy",
    "print_naming",
    "print_service",
    "print_speed",
    "print_traits",
    "print_verification",
    "read_trials",
    "score",
    "service_document",
    "speed_document",
    "this_machine",
    "told_by",
    "total_of",
    "traits_document",
    "turn_reliability",
    "verification_document",
]
