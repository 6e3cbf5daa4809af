"""What an API key looks like: ``em_``, 200 random bits, and a checksum of both."""

from __future__ import annotations

import re
import secrets
import string
import zlib

from earmark.errors import Unauthenticated

__all__ = ["check_token", "generate_id", "generate_token"]

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_PREFIX = "em_"
_RANDOM = 34  # digits of base 62 for 200 bits
_CHECKSUM = 6  # digits of base 62 for 32 bits
_FORM = re.compile(f"{_PREFIX}[0-9A-Za-z]{{{_RANDOM + _CHECKSUM}}}")
_ID_CHARACTERS = string.ascii_uppercase + string.digits


def generate_token() -> str:
    """A new key (43 characters), known to nobody yet."""
    body = _PREFIX + _base62(secrets.randbits(200), _RANDOM)
    return body + _checksum(body)


def generate_id() -> str:
    """A new id of a key: ``EK`` and 18 upper-case letters or digits. It is no secret."""
    return "EK" + "".join(secrets.choice(_ID_CHARACTERS) for _ in range(18))


def check_token(token: str) -> None:
    """Raise `Unauthenticated` for what no key can be: cut short, mistyped, something else."""
    if not token.startswith(_PREFIX):
        raise Unauthenticated(
            f"This is no key of Earmark, which would begin with {_PREFIX}: check what is sent."
        )
    body, checksum = token[:-_CHECKSUM], token[-_CHECKSUM:]
    if not _FORM.fullmatch(token) or _checksum(body) != checksum:
        raise Unauthenticated(
            "This key is mistyped or cut short: its checksum is wrong. Copy it again, whole."
        )


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECKSUM)


def _base62(number: int, width: int) -> str:
    digits = ""
    for _ in range(width):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
