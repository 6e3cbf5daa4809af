"""The server's secret, and the keyed hashes that are made with it."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from earmark.errors import InvalidOption, StorageUnavailable
from earmark.settings import Settings
from earmark.storage import KEY_FILE

__all__ = ["keyed_hash", "read_secret"]

_SHORTEST = 32  # bytes


def read_secret(settings: Settings) -> bytes:
    """The secret of ``EARMARK_SECRET_KEY``, or of ``secret.key`` in the data folder.

    The file is made when it is missing, readable by its owner alone; of several processes that
    start at once, one makes it and all read the same. What it holds is text that
    ``EARMARK_SECRET_KEY`` takes as well. Raises `StorageUnavailable` when the file can be neither
    read nor made, `InvalidOption` when it holds less than 32 bytes.
    """
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value().encode()
    path = settings.data_dir / KEY_FILE
    try:
        if not path.exists():
            _make(path)
        secret = path.read_bytes().strip()
    except OSError as error:
        raise StorageUnavailable(
            f"{path} can be neither read nor made ({error.strerror}): let this user write to "
            "the folder, or set EARMARK_SECRET_KEY."
        ) from error
    if len(secret) < _SHORTEST:
        raise InvalidOption(
            f"{path} holds {len(secret)} bytes where a secret of {_SHORTEST} or more belongs: "
            "restore it from the backup; keys and links made with another secret are void."
        )
    return secret


def keyed_hash(secret: bytes, purpose: str, message: bytes) -> bytes:
    """HMAC-SHA256 (32 bytes); what is made for one purpose says nothing for another."""
    return hmac.digest(secret, purpose.encode() + b"\0" + message, hashlib.sha256)


def _make(path: Path) -> None:
    """Write a whole file aside and link it into place, unless another process was first."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, aside = tempfile.mkstemp(prefix=".secret-", dir=path.parent)  # 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_urlsafe(48).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # theirs is as good
            os.link(aside, path)
    finally:
        Path(aside).unlink()
