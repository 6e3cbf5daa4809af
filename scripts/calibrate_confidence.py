"""Fit the weights that confidence is computed with, and write them into the package.

    EARMARK_EVAL_DIR=... python scripts/calibrate_confidence.py

Diarizes the conversations and meetings of the evaluation data, notes for every frame whether
exactly the right people were said to speak and which share of those said to speak did, and fits
logistic models of both per number of people that the frame was given. Prints how reliable they are
for recordings that were left out of the fit, and for the fast mode, which has no weights of its
own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import earmark.diarization
from earmark.audio import open_audio
from earmark.bench import Dataset, Recording, Reliability, load_dataset
from earmark.diarization import Turn
from earmark.diarization._analysis import Analysis
from earmark.diarization._certainty import FEATURES, frame_features
from earmark.diarization._channel import find_voices, with_second_opinion
from earmark.diarization._clustering import CountHint
from earmark.diarization._grid import FRAME_S, FRAME_START_S
from earmark.diarization._labelling import count_talkers, label_frames
from earmark.diarization._models import Models
from earmark.diarization._parameters import ACCURATE, FAST, Parameters
from earmark.models import ModelStore
from earmark.settings import get_settings
from earmark.voiceprints import best_matching

# Sources whose licences let what is trained on them ship. trn01 and trn02 hold next to no speech.
_ONLY = ("real/ami_*", "sim/*")
_SKIP = ("*_trn01", "*_trn02", "*_stereo")
_LICENCES = {
    "AMI Meeting Corpus": "CC-BY-4.0",
    "LibriSpeech": "CC-BY-4.0",
    "speakerbox": "MIT",
    "speechocean762": "CC-BY-4.0",
}
_MEETING_WEIGHT = 3.0  # of a frame of a real meeting: there is much less of those
_KINDS = ("frames", "turns")
_TALKERS = (0, 1, 2)
_RIDGE = 1.0

Double = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Frames:
    """The frames of one recording: what confidence knows of each, and what came of it.

    ``features`` float64 [T, features]; ``right`` float64 [T, 2], 1 where exactly the right people
    were given, and the share of those given who speak (0 without any); ``talkers`` int64 [T], the
    number of people that it was given.
    """

    name: str
    features: Double
    right: Double
    talkers: NDArray[np.int64]

    @property
    def weight(self) -> float:
        """What one of its frames counts."""
        return _MEETING_WEIGHT if self.name.startswith("real/") else 1.0


def main() -> int:
    """Fit, print and write; return the exit status."""
    folder = get_settings().eval_dir
    if folder is None:
        print("Set EARMARK_EVAL_DIR to the folder of the evaluation data.", file=sys.stderr)
        return 2
    data = load_dataset(folder / "diarization", only=_ONLY, skip=_SKIP)
    frames = _analyse(data, ACCURATE)
    fast = _analyse(data, FAST)
    weights, left_out = {}, {}
    for kind, of in enumerate(_KINDS):
        weights[of] = _fit(frames, kind)
        left_out[of] = Reliability.of([], [], [])
        for one in frames:
            others = _fit([other for other in frames if other is not one], kind)
            left_out[of] += _reliability(others, one, kind)
        _print(f"{of}, recordings left out of the fit", left_out[of])
        in_fast = Reliability.of([], [], [])
        for one in fast:
            in_fast += _reliability(weights[of], one, kind)
        _print(f"{of}, fast mode", in_fast)
    target = Path(earmark.diarization.__file__).with_name("certainty.json")
    target.write_text(_document(data, weights, left_out), encoding="utf-8")
    print(f"{target.name}: {len(data.recordings)} recordings, {data.hours:.2f} h")
    return 0


def _analyse(data: Dataset, parameters: Parameters) -> list[Frames]:
    settings = get_settings()
    store = ModelStore(settings)
    with ThreadPoolExecutor(settings.threads or 2) as executor:
        models = Models.load(
            store, parameters.networks, provider=settings.provider, executor=executor
        )
        return [
            _frames(one, Analysis(models, parameters, executor), parameters)
            for one in data.recordings
        ]


def _frames(recording: Recording, analysis: Analysis, parameters: Parameters) -> Frames:
    with open_audio(recording.path) as audio:
        for block in audio:
            analysis.push(block[0])
    evidence = analysis.finish()
    speakers, centroids = find_voices(evidence, CountHint(), parameters)
    evidence = with_second_opinion(evidence)
    talkers = count_talkers(evidence, parameters)
    labels = label_frames(evidence, talkers, speakers, centroids, parameters)
    return Frames(
        name=recording.name,
        features=frame_features(evidence, labels).astype(np.float64),
        right=_right(labels.active, _spoken(recording.reference, len(labels.active))),
        talkers=labels.active.sum(axis=1),
    )


def _spoken(reference: Sequence[Turn], frames: int) -> NDArray[np.bool_]:
    """Who really speaks in the middle of each frame: [T, people]."""
    people = sorted({turn.speaker for turn in reference})
    middles = (np.arange(frames) + 0.5) * FRAME_S + FRAME_START_S
    spoken = np.zeros((frames, len(people)), np.bool_)
    for turn in reference:
        spoken[(turn.start <= middles) & (middles < turn.end), people.index(turn.speaker)] = True
    return spoken


def _right(active: NDArray[np.bool_], spoken: NDArray[np.bool_]) -> Double:
    """How right each frame is under the best naming of the speakers: [T, 2], see `Frames`."""
    shared = spoken.T.astype(np.float64) @ active.astype(np.float64)
    named = np.zeros_like(spoken)
    for person, speaker in best_matching(shared):
        named[:, person] = active[:, speaker]
    given = active.sum(axis=1)
    exactly = (named == spoken).all(axis=1) & (named.sum(axis=1) == given)
    share = (named & spoken).sum(axis=1) / np.maximum(given, 1)
    return np.stack([exactly, share], axis=1).astype(np.float64)


def _fit(frames: Sequence[Frames], kind: int) -> Double:
    """Weights [talkers, features] of the logistic models, rounded as they are stored."""
    weights = []
    for talkers in _TALKERS:
        chosen = [one.talkers == talkers for one in frames]
        pairs = list(zip(frames, chosen, strict=True))
        weights.append(
            _logistic(
                np.concatenate([one.features[here] for one, here in pairs]),
                np.concatenate([one.right[here, kind] for one, here in pairs]),
                np.concatenate([np.full(here.sum(), one.weight) for one, here in pairs]),
            )
        )
    return np.round(weights, 4)


def _logistic(features: Double, right: Double, weight: Double) -> Double:
    """Ridge-penalised logistic regression by Newton's method: coefficients [features]."""
    penalty = _RIDGE * np.eye(features.shape[1])
    coefficients = np.zeros(features.shape[1])
    for _ in range(30):
        expected = _probability(features @ coefficients)
        slope = features.T @ (weight * (right - expected)) - penalty @ coefficients
        bend = (features.T * (weight * expected * (1 - expected))) @ features + penalty
        coefficients = coefficients + np.linalg.solve(bend, slope)
    return coefficients


def _reliability(weights: Double, frames: Frames, kind: int) -> Reliability:
    """Of all frames, or, for turns, of the frames that were given somebody."""
    counted = frames.talkers >= kind
    score = (frames.features * weights[frames.talkers]).sum(axis=1)[counted]
    return Reliability.of(_probability(score), frames.right[counted, kind], FRAME_S)


def _probability(score: Double) -> Double:
    return np.asarray(1 / (1 + np.exp(-score)))


def _print(title: str, reliability: Reliability) -> None:
    print(f"\n{title}: calibration error {reliability.error:.3f}")
    print("confidence    share   claimed  right")
    for row in reliability.rows():
        bounds = f"{row['from']:.1f} to {row['to']:.1f}"
        print(f"{bounds}  {row['share']:8.3f} {row['confidence']:8.3f} {row['right']:7.3f}")


def _document(data: Dataset, weights: dict[str, Double], left_out: dict[str, Reliability]) -> str:
    names = [recording.name for recording in data.recordings]
    provenance = {
        "description": "logistic regressions on the features, by frame and for 0, 1 and 2 people"
        " said to speak: of whether these are exactly the right ones (frames), and of the share of"
        " them that speaks (turns)",
        "command": "python scripts/calibrate_confidence.py",
        "data": names,
        "hours": round(data.hours, 2),
        "sha256": data.sha256,
        "licences": _LICENCES,
        "calibration_error_left_out": {of: round(r.error, 3) for of, r in left_out.items()},
    }
    lines = [f'  "features": {json.dumps(FEATURES)},']
    for of, table in weights.items():
        rows = ",\n    ".join(json.dumps(row) for row in table.tolist())
        lines.append(f'  "{of}": [\n    {rows}\n  ],')
    lines.append(f'  "provenance": {_indented(provenance)}')
    return "{\n" + "\n".join(lines) + "\n}\n"


def _indented(value: object) -> str:
    return json.dumps(value, indent=2).replace("\n", "\n  ")


if __name__ == "__main__":
    sys.exit(main())
