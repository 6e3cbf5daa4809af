"""Everything Earmark raises on purpose.

Each error has a ``kind`` (what sort of failure, free of any protocol) and a ``code`` (a stable,
dotted name for programs). The message is for people: what was wrong, the value, what to do.

    EarmarkError
    ├── InvalidInput                 invalid      input.invalid
    │   ├── InvalidOption            invalid      input.option
    │   ├── AudioError               invalid      audio.invalid
    │   │   ├── UnsupportedAudio     invalid      audio.unsupported
    │   │   ├── EmptyAudio           invalid      audio.empty
    │   │   ├── DamagedAudio         invalid      audio.damaged
    │   │   └── InvalidSamples       invalid      audio.samples
    │   ├── VoiceprintError          invalid      voiceprint.invalid
    │   │   └── ForeignVoiceprint    invalid      voiceprint.model
    │   └── SpeechError              invalid      speech.unfit
    │       ├── TooLittleSpeech      invalid      speech.too_little
    │       └── SeveralSpeakers      invalid      speech.several
    ├── AudioNotFound                not-found    audio.not_found
    ├── AudioTooLarge                too-large    audio.too_large
    ├── ModelError                   unavailable  model.unavailable
    │   ├── UnknownModel             not-found    model.unknown
    │   ├── ModelMissing             unavailable  model.missing
    │   ├── ModelDownloadFailed      unavailable  model.download
    │   └── ModelCorrupt             unavailable  model.corrupt
    ├── DecoderDied                  internal     audio.decoder
    ├── DiskFull                     exhausted    disk.full
    ├── Unauthenticated              unauthenticated  key.unknown
    ├── Forbidden                    forbidden    key.scope
    ├── NotFound                     not-found    resource.not_found
    ├── Conflict                     conflict     resource.conflict
    │   ├── IdempotencyConflict      conflict     idempotency.conflict
    │   ├── JobNotFinished           conflict     job.not_finished
    │   ├── JobFinished              conflict     job.finished
    │   └── SessionOver              conflict     live.over
    ├── Gone                         gone         resource.gone
    ├── ConsentRequired              forbidden    consent.required
    ├── MediaTooLarge                too-large    media.too_large
    ├── RateLimited                  rate-limited rate.limited
    ├── FetchError                   invalid      fetch.failed
    │   └── AddressForbidden         invalid      fetch.address
    ├── JobPoisoned                  internal     job.poisoned
    ├── Unavailable                  unavailable  service.unavailable
    │   ├── StorageUnavailable       unavailable  storage.unavailable
    │   ├── KeyringError             unavailable  keyring.unavailable
    │   └── Draining                 unavailable  service.draining
    ├── MissingExtra                 unavailable  extra.missing
    ├── PeerFailed                   unavailable  bench.peer
    ├── ApiError                     internal     api.refused
    ├── ServerUnreachable            unavailable  api.unreachable
    ├── WaitTimeout                  unavailable  api.timeout
    └── Canceled                     conflict     canceled
"""

from __future__ import annotations

from earmark.errors._base import (
    Canceled,
    DiskFull,
    EarmarkError,
    InvalidInput,
    InvalidOption,
    Kind,
    MissingExtra,
    NotFound,
    Unavailable,
)
from earmark.errors._engine import (
    AudioError,
    AudioNotFound,
    AudioTooLarge,
    DamagedAudio,
    DecoderDied,
    EmptyAudio,
    ForeignVoiceprint,
    InvalidSamples,
    ModelCorrupt,
    ModelDownloadFailed,
    ModelError,
    ModelMissing,
    PeerFailed,
    SeveralSpeakers,
    SpeechError,
    TooLittleSpeech,
    UnknownModel,
    UnsupportedAudio,
    VoiceprintError,
)
from earmark.errors._service import (
    AddressForbidden,
    ApiError,
    Conflict,
    ConsentRequired,
    Draining,
    FetchError,
    Forbidden,
    Gone,
    IdempotencyConflict,
    JobFinished,
    JobNotFinished,
    JobPoisoned,
    KeyringError,
    MediaTooLarge,
    RateLimited,
    ServerUnreachable,
    SessionOver,
    StorageUnavailable,
    Unauthenticated,
    WaitTimeout,
)

__all__ = [
    "AddressForbidden",
    "ApiError",
    "AudioError",
    "AudioNotFound",
    "AudioTooLarge",
    "Canceled",
    "Conflict",
    "ConsentRequired",
    "DamagedAudio",
    "DecoderDied",
    "DiskFull",
    "Draining",
    "EarmarkError",
    "EmptyAudio",
    "FetchError",
    "Forbidden",
    "ForeignVoiceprint",
    "Gone",
    "IdempotencyConflict",
    "InvalidInput",
    "InvalidOption",
    "InvalidSamples",
    "JobFinished",
    "JobNotFinished",
    "JobPoisoned",
    "KeyringError",
    "Kind",
    "MediaTooLarge",
    "MissingExtra",
    "ModelCorrupt",
    "ModelDownloadFailed",
    "ModelError",
    "ModelMissing",
    "NotFound",
    "PeerFailed",
    "RateLimited",
    "ServerUnreachable",
    "SessionOver",
    "SeveralSpeakers",
    "SpeechError",
    "StorageUnavailable",
    "TooLittleSpeech",
    "Unauthenticated",
    "Unavailable",
    "UnknownModel",
    "UnsupportedAudio",
    "VoiceprintError",
    "WaitTimeout",
]
