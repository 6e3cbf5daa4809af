"""Scoring and benchmarks: how well, how fast, how large, and against which others."""

from __future__ import annotations

from earmark.bench._dataset import Dataset, Recording, load_dataset
from earmark.bench._diarization import OnStep, bench_diarization
from earmark.bench._document import diarization_document, speed_document
from earmark.bench._environments import PEERS, Peer, environment, peers_folder, peers_named
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

__all__ = [
    "COLLAR",
    "MEASURES",
    "PEERS",
    "Dataset",
    "DiarizationReport",
    "Errors",
    "Latency",
    "Length",
    "Machine",
    "MemoryLine",
    "OnStep",
    "Overhead",
    "Part",
    "Peer",
    "Recording",
    "Reliability",
    "Result",
    "Score",
    "ServiceReport",
    "SpeedReport",
    "System",
    "Throughput",
    "Total",
    "Upload",
    "bench_diarization",
    "bench_service",
    "bench_speed",
    "concatenate",
    "diarization_document",
    "environment",
    "frame_reliability",
    "load_dataset",
    "map_speakers",
    "peers_folder",
    "peers_named",
    "print_diarization",
    "print_service",
    "print_speed",
    "score",
    "service_document",
    "speed_document",
    "this_machine",
    "total_of",
    "turn_reliability",
]
