"""Errors of recordings, models and voices."""

from __future__ import annotations

from earmark.errors._base import EarmarkError, InvalidInput, Kind

__all__ = [
    "AudioError",
    "AudioNotFound",
    "AudioTooLarge",
    "DamagedAudio",
    "DecoderDied",
    "EmptyAudio",
    "ForeignVoiceprint",
    "InvalidSamples",
    "ModelCorrupt",
    "ModelDownloadFailed",
    "ModelError",
    "ModelMissing",
    "PeerFailed",
    "SeveralSpeakers",
    "SpeechError",
    "TooLittleSpeech",
    "UnknownModel",
    "UnsupportedAudio",
    "VoiceprintError",
]


class AudioError(InvalidInput):
    """The audio cannot be used."""

    code = "audio.invalid"


class UnsupportedAudio(AudioError):
    """Not audio, or a container or codec that is not on the allow-list."""

    code = "audio.unsupported"


class EmptyAudio(AudioError):
    """There is no audio: an empty file, no audio track, or no samples in the chosen range."""

    code = "audio.empty"


class DamagedAudio(AudioError):
    """The audio breaks off or cannot be decoded from some point on.

    ``readable_s`` is how many seconds could be read before that point.
    """

    code = "audio.damaged"

    def __init__(self, message: str, *, readable_s: float = 0.0) -> None:
        super().__init__(message)
        self.readable_s = readable_s


class InvalidSamples(AudioError):
    """Samples are not finite numbers."""

    code = "audio.samples"


class AudioNotFound(EarmarkError):
    """The file does not exist or cannot be opened."""

    kind = Kind.NOT_FOUND
    code = "audio.not_found"


class AudioTooLarge(EarmarkError):
    """The audio passes a limit: duration, channels, sample rate or decoded samples."""

    kind = Kind.TOO_LARGE
    code = "audio.too_large"


class ModelError(EarmarkError):
    """A model cannot be had or used."""

    kind = Kind.UNAVAILABLE
    code = "model.unavailable"


class UnknownModel(ModelError):
    """No model of that name is in the catalogue."""

    kind = Kind.NOT_FOUND
    code = "model.unknown"


class ModelMissing(ModelError):
    """The model is not in the models folder and fetching is switched off."""

    code = "model.missing"


class ModelDownloadFailed(ModelError):
    """No source delivered the model."""

    code = "model.download"


class ModelCorrupt(ModelError):
    """A file's SHA-256 is not the one in the catalogue."""

    code = "model.corrupt"


class DecoderDied(EarmarkError):
    """The process that decodes a recording ended without a word: it crashed or met its limits."""

    code = "audio.decoder"


class PeerFailed(EarmarkError):
    """Another diarizer, which the benchmark runs beside Earmark, cannot be installed or run."""

    kind = Kind.UNAVAILABLE
    code = "bench.peer"


class VoiceprintError(InvalidInput):
    """A voiceprint cannot be used."""

    code = "voiceprint.invalid"


class ForeignVoiceprint(VoiceprintError):
    """A voiceprint of another model, which is never compared."""

    code = "voiceprint.model"


class SpeechError(InvalidInput):
    """The audio is sound, but not what is needed to tell whose voice it is."""

    code = "speech.unfit"


class TooLittleSpeech(SpeechError):
    """Less speech of one voice than a voiceprint needs.

    ``net_speech_s`` is what there is, ``needed_s`` what is needed, in seconds.
    """

    code = "speech.too_little"

    def __init__(self, message: str, *, net_speech_s: float, needed_s: float) -> None:
        super().__init__(message)
        self.net_speech_s = net_speech_s
        self.needed_s = needed_s


class SeveralSpeakers(SpeechError):
    """More than one person speaks where one voice is asked for."""

    code = "speech.several"
