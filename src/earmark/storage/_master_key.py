"""Master keys: what the data keys in the keyring are encrypted with."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import re
import secrets
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from filelock import FileLock

from earmark.errors import InvalidOption, KeyringError
from earmark.settings import Settings
from earmark.storage._folder import make_secret
from earmark.storage._layout import MASTER_KEY_FILE

__all__ = ["MasterKeys", "generate_master_key"]

_SETTING = "EARMARK_MASTER_KEY"
_BYTES = 32
_NONCE = 12
_ID = 8


def generate_master_key() -> str:
    """A new master key, as ``EARMARK_MASTER_KEY`` takes it."""
    return base64.b64encode(secrets.token_bytes(_BYTES)).decode()


class MasterKeys:
    """The master keys of this process: the first one encrypts, all decrypt.

    They come from ``EARMARK_MASTER_KEY``, or from the file ``master.key`` in the data folder,
    which is read again when it may have changed. Safe for threads.
    """

    def __init__(self, texts: Iterable[str], *, place: str, file: Path | None = None) -> None:
        """Raises `InvalidOption` for a text that is not the base64 of 32 bytes."""
        self.place = place
        self._file = file
        self._texts = tuple(texts)
        self._ciphers = _ciphers(self._texts, place)

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Those that the settings name; the file is made, for its owner alone, when missing.

        Raises `KeyringError` when the file can be neither read nor made, `InvalidOption` when what
        is there is no key.
        """
        if settings.master_key is not None:
            return cls(_split(settings.master_key.get_secret_value()), place=_SETTING)
        file = settings.data_dir / MASTER_KEY_FILE
        try:
            if not file.exists():
                make_secret(file, generate_master_key())
        except OSError as error:
            raise _unreadable(file, error) from error
        return cls(_read(file), place=str(file), file=file)

    @property
    def ids(self) -> tuple[str, ...]:
        """Short names of the keys, which say nothing of them; the one that encrypts is first."""
        return tuple(self._ciphers)[: len(self._texts)]

    def wrap(self, owner: str, data_key: bytes) -> tuple[str, bytes]:
        """The id of the key that encrypts, and the data key encrypted with it."""
        key_id, cipher = next(iter(self._ciphers.items()))
        nonce = os.urandom(_NONCE)
        return key_id, nonce + cipher.encrypt(nonce, data_key, owner.encode())

    def unwrap(self, owner: str, key_id: str, wrapped: bytes) -> bytes:
        """The data key. Raises `KeyringError` when its master key is not here, or it is damaged."""
        if key_id not in self._ciphers:
            self.reload()
        if key_id not in self._ciphers:
            raise KeyringError(
                f"The keyring's data keys are encrypted with another master key ({key_id}) than"
                f" {self.place} holds ({', '.join(self.ids)}): put that one back, and give"
                f" every process the same {_SETTING}."
            )
        try:
            return self._ciphers[key_id].decrypt(wrapped[:_NONCE], wrapped[_NONCE:], owner.encode())
        except InvalidTag as error:
            raise KeyringError(
                f"The data key of {owner!r} is damaged: restore the keyring from a copy."
            ) from error

    def reload(self) -> None:
        """Read the file again, if that is where they come from."""
        if self._file is not None:
            self._take(_read(self._file))

    @contextmanager
    def changing(self) -> Iterator[None]:
        """While this lasts, no other process changes the file."""
        with FileLock(f"{self._file}.lock") if self._file is not None else nullcontext():
            yield

    def add(self) -> None:
        """Put a new key before the others, in the file; those of a setting are given by people."""
        if self._file is not None:
            self._write((generate_master_key(), *_read(self._file)))

    def drop(self, needed: Collection[str]) -> None:
        """Remove the keys from the file that are neither the first nor one of these ids."""
        if self._file is not None:
            first, *others = _read(self._file)
            kept = [
                text
                for text in others
                if not _ciphers([text], self.place).keys().isdisjoint(needed)
            ]
            self._write((first, *kept))

    def _write(self, texts: tuple[str, ...]) -> None:
        assert self._file is not None
        try:
            make_secret(self._file, ",".join(texts), replace=True)
        except OSError as error:
            raise _unreadable(self._file, error) from error
        self._take(texts)

    def _take(self, texts: tuple[str, ...]) -> None:
        if texts != self._texts:
            # Those that were rotated away still decrypt what this process has read before.
            self._ciphers, self._texts = _ciphers(texts, self.place) | self._ciphers, texts


def _read(file: Path) -> tuple[str, ...]:
    try:
        return _split(file.read_text())
    except OSError as error:
        raise _unreadable(file, error) from error


def _split(text: str) -> tuple[str, ...]:
    return tuple(part for part in re.split(r"[,\s]+", text) if part)


def _ciphers(texts: Iterable[str], place: str) -> dict[str, AESGCM]:
    keys = [_key(text, number, place) for number, text in enumerate(texts, 1)]
    if not keys:
        raise InvalidOption(
            f"{place} holds no key: restore it from a copy, or set {_SETTING} to one that `earmark"
            " keyring generate` prints."
        )
    return {
        hmac.digest(key, b"earmark master key", "sha256")[:_ID].hex(): AESGCM(key) for key in keys
    }


def _key(text: str, number: int, place: str) -> bytes:
    try:
        key = base64.b64decode(text.encode(), altchars=b"-_", validate=False)
    except (binascii.Error, UnicodeEncodeError):
        key = b""
    if len(key) != _BYTES:
        raise InvalidOption(
            f"Key {number} in {place} is not the base64 of {_BYTES} bytes: `earmark keyring"
            " generate` prints one that is."
        )
    return key


def _unreadable(file: Path, error: OSError) -> KeyringError:
    return KeyringError(
        f"{file} can be neither read nor made ({error.strerror}): let this user write to the"
        f" folder, or set {_SETTING}."
    )
