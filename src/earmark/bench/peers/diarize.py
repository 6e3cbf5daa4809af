"""FoxNoseTech's ``diarize`` with its default options and the WeSpeaker file it would download.

Its environment lacks the FFmpeg that two of its functions read files with, so a 16 kHz mono WAV
is read by soundfile instead, for Silero VAD and for WeSpeaker's features.
"""

from __future__ import annotations

import silero_vad
import soundfile
import torch
import torchaudio
import wespeakerruntime.hub

from ._serve import Diarize, Document, serve


def read_audio(path: str) -> torch.Tensor:
    """What ``silero_vad.read_audio`` returns for 16 kHz mono: float32 [samples]."""
    samples, _ = soundfile.read(path, dtype="float32")
    return torch.from_numpy(samples)


def load_audio(path: str) -> tuple[torch.Tensor, int]:
    """What ``torchaudio.load`` returns: float32 [channels, samples] and the rate in Hz."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return torch.from_numpy(samples.T.copy()), rate


def load(setup: Document) -> Diarize:
    """The function that the package offers; it loads its models anew for each file."""
    silero_vad.read_audio = read_audio
    torchaudio.load = load_audio
    wespeakerruntime.hub.Hub.get_model_by_lang = staticmethod(
        {"en": setup["models"]["wespeaker-resnet34"]}.__getitem__
    )
    from diarize import diarize

    def run(job: Document) -> Document:
        result = diarize(job["path"], num_speakers=job["speakers"])
        return {"turns": [[s.start, s.end, s.speaker] for s in result.segments]}

    return run


serve(load, ["diarize", "wespeakerruntime", "silero-vad", "torch", "torchaudio", "onnxruntime"])
