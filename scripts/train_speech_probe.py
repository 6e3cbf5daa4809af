"""Train the second opinion on speech (`earmark.diarization._probe`) on recordings with references.

    EARMARK_EVAL_DIR=... python scripts/train_speech_probe.py

Takes the excerpts of AMI meetings and the simulated and council conversations of
``EARMARK_EVAL_DIR/diarization`` (mono), runs the engine over them, and fits two logistic layers by
Newton's method: does anybody speak in this frame, do two people. Prints the share of missed and
false speech of folds left out, and writes ``speech_probe.npz``. Deterministic.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import earmark.diarization
from earmark.audio import open_audio
from earmark.diarization import Diarization
from earmark.diarization._analysis import Analysis
from earmark.diarization._grid import FRAME_S, FRAME_START_S
from earmark.diarization._models import Models
from earmark.diarization._parameters import FAST
from earmark.diarization._probe import NETWORK, probe_inputs, trend
from earmark.models import ModelStore
from earmark.settings import get_settings

# No reference for the mix; next to no speech; what the demo is scored on.
SKIPPED = ("_stereo", "_trn01", "_trn02", "pyannote_sample")
RIDGE = 1000.0  # on weights of standardized inputs
EXCERPT_WEIGHT = 5.0  # the meeting excerpts are real, and short
EVERY = 2  # frames; neighbours are nearly the same
FOLDS = 5
TARGET = Path(earmark.diarization.__file__).parent / "speech_probe.npz"
PROVENANCE = {
    "data": "AMI excerpts (CC BY 4.0); conversations and telephone calls simulated from "
    "LibriSpeech and speechocean762 (CC BY 4.0); council meetings of the speakerbox test data "
    "(MIT)",
    "command": "scripts/train_speech_probe.py",
    "network": NETWORK,
}

Float = NDArray[np.float32]
Double = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Example:
    """Inputs [T, n] of the frames that were embedded, and how many people speak in them [T]."""

    name: str
    inputs: Float
    talkers: NDArray[np.int64]
    own: Float  # the segmentation's probabilities of speech and overlap [T, 2]
    weight: float


def main() -> None:
    """Train, report and write."""
    settings = get_settings()
    if settings.eval_dir is None:
        raise SystemExit("Set EARMARK_EVAL_DIR to the folder that holds diarization/.")
    files = sorted((settings.eval_dir / "diarization").rglob("*.rttm"))
    files = [path for path in files if not any(part in path.stem for part in SKIPPED)]
    with ThreadPoolExecutor() as executor:
        models = Models.load(ModelStore(settings), FAST.networks, provider="cpu", executor=executor)
        models = replace(models, probe=probe_inputs)
        examples = [example(path, models, executor) for path in files]
    for fold in range(FOLDS):
        held = examples[fold::FOLDS]
        weights = fit([each for each in examples if each not in held])
        for each in held:
            report(each, weights)
    write(fit(examples), examples[0].inputs.shape[1])


def example(reference: Path, models: Models, executor: ThreadPoolExecutor) -> Example:
    """Run the engine over the recording beside a reference."""
    analysis = Analysis(models, replace(FAST, window_step=148), executor)
    with open_audio(reference.with_suffix(".flac")) as audio:
        for block in audio:
            analysis.push(block[0])
    evidence = analysis.finish()
    times = (np.arange(len(evidence.speech)) + 0.5) * FRAME_S + FRAME_START_S
    talkers = np.zeros(len(times), np.int64)
    truth = Diarization.from_rttm(reference)
    for speaker in truth.speakers:
        speaks = np.zeros(len(times), np.bool_)
        for turn in truth:
            if turn.speaker == speaker:
                speaks |= (times >= turn.start) & (times < turn.end)
        talkers += speaks
    inputs = np.concatenate(
        [evidence.scores.astype(np.float32), trend(evidence.speech, evidence.overlap)], axis=1
    )
    known = ~np.isnan(evidence.scores[:, 0])
    return Example(
        name=reference.stem,
        inputs=inputs[known],
        talkers=talkers[known],
        own=np.stack([evidence.speech, evidence.overlap], axis=1)[known],
        weight=EXCERPT_WEIGHT if reference.parent.name == "real" else 1.0,
    )


def fit(examples: Iterable[Example]) -> Double:
    """Weights [2, n + 1] of the inputs and a constant, for speech and for overlap."""
    chosen = list(examples)
    inputs = np.concatenate([each.inputs[::EVERY] for each in chosen])
    talkers = np.concatenate([each.talkers[::EVERY] for each in chosen])
    weight = np.concatenate([np.full(len(e.talkers[::EVERY]), e.weight) for e in chosen])
    mean, deviation = inputs.mean(axis=0), inputs.std(axis=0) + 1e-3
    standard = np.empty((len(inputs), inputs.shape[1] + 1))
    standard[:, :-1] = (inputs - mean) / deviation
    standard[:, -1] = 1.0
    rows = []
    for least in (1, 2):
        found = newton(standard, talkers >= least, weight)
        scale = found[:-1] / deviation
        rows.append(np.append(scale, found[-1] - scale @ mean))
    return np.stack(rows)


def newton(inputs: Double, target: NDArray[np.bool_], weight: Double) -> Double:
    """Ridge-penalized logistic regression [n]."""
    found = np.zeros(inputs.shape[1])
    for _ in range(8):
        likely = 1 / (1 + np.exp(-inputs @ found))
        gradient = inputs.T @ (weight * (target - likely)) - RIDGE * found
        curvature = (inputs.T * (weight * likely * (1 - likely))) @ inputs
        curvature[np.diag_indices_from(curvature)] += RIDGE
        found += np.linalg.solve(curvature, gradient)
    return found


def report(example: Example, weights: Double) -> None:
    """Print missed and false speech of the segmentation alone and of both together."""
    odds = example.inputs @ weights[:, :-1].T + weights[:, -1]
    both = (example.own + 1 / (1 + np.exp(-odds))) / 2
    parts = []
    for probability in (example.own, both):
        found = (probability[:, 0] > 0.5).astype(int) + (probability.min(axis=1) > 0.5)
        miss = np.maximum(example.talkers - found, 0).sum() / example.talkers.sum()
        false = np.maximum(found - example.talkers, 0).sum() / example.talkers.sum()
        parts.append(f"{miss + false:6.1%} (miss {miss:6.1%}, false {false:6.1%})")
    print(f"{example.name:24} segmentation {parts[0]}  with the probe {parts[1]}", flush=True)


def write(weights: Double, inputs: int) -> None:
    """Write the weights, the same bytes for the same numbers."""
    channels = inputs - trend(np.zeros(1, np.float32), np.zeros(1, np.float32)).shape[1]
    arrays = {
        "frames": weights[:, :channels].astype("<f2"),
        "trend": weights[:, channels:-1].astype("<f4"),
        "constant": weights[:, -1].astype("<f4"),
        "provenance": np.array(json.dumps(PROVENANCE)),
    }
    with zipfile.ZipFile(TARGET, "w", zipfile.ZIP_STORED) as archive:
        for name, value in arrays.items():
            content = BytesIO()
            np.lib.format.write_array(content, value, version=(1, 0))
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue())
    print(f"wrote {TARGET.name}: {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
