"""The server's secret, and the keyed hashes that are made with it."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from earmark.errors import InvalidOption, StorageUnavailable
from earmark.settings import Settings
from earmark.storage import KEY_FILE, make_secret

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
            make_secret(path, secrets.token_urlsafe(48))
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
