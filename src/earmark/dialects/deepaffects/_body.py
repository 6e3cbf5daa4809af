"""JSON bodies that carry a recording as base64, decoded into the blob store while they arrive."""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, TypeVar

from earmark.dialects._multipart import Writer
from earmark.errors import InvalidInput
from earmark.service import Media

__all__ = ["JsonBody"]

MAX_FIELD_BYTES: Final = 256 << 10
"""How long all of a body but its recording may be."""

MAX_DEPTH: Final = 16

_RECORDING: Final = "content"

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_OTHER = re.compile(rb'[^"{}\[\],]++')
# Of a string, from somewhere inside it: up to the quote that ends it, or to a broken escape.
_INSIDE = re.compile(rb'[^"\\]*+(?:\\(?:u[0-9A-Fa-f]{4}|[^u])[^"\\]*+)*+', re.DOTALL)
_LONGEST_ESCAPE: Final = 6
_SPACE: Final = b" \t\r\n"

T = TypeVar("T")


class JsonBody(Generic[T]):
    """A writer of one JSON object; its member ``content`` goes decoded into ``open_media()``.

    ``read(members, recording)`` makes of the other members what `commit` returns beside the
    recording; it is told whether there is one, and may raise before it is kept. The memory used
    does not depend on the recording. `write` and `commit` raise `InvalidInput` for what is no such
    object or no base64, and what ``read`` and the writer raise.
    """

    def __init__(
        self, open_media: Callable[[], Writer[Media]], read: Callable[[Mapping[str, Any], bool], T]
    ) -> None:
        self._open_media, self._read = open_media, read
        self._ahead = b""  # what has come and is not taken yet, from ``_at`` on
        self._at = 0
        self._members = bytearray()  # the object with an empty recording
        self._depth = 0
        self._key: str | None = None
        self._at_key = False
        self._inside = False  # of the recording
        self._media: Writer[Media] | None = None
        self._base64 = _Base64()

    def write(self, data: bytes) -> None:
        self._ahead, self._at = self._ahead[self._at :] + data, 0
        while self._at < len(self._ahead):
            if not (self._take_recording() if self._inside else self._take_token()):
                break
        waiting = 0 if self._inside else len(self._ahead) - self._at
        if len(self._members) + waiting > MAX_FIELD_BYTES:
            raise InvalidInput(
                f"The body has more than {MAX_FIELD_BYTES} bytes beside its {_RECORDING!r}."
            )

    def commit(self) -> tuple[T, Media | None]:
        """What was read, and the recording, which is kept from now on; None when it is empty."""
        try:
            members = json.loads(bytes(self._members) + self._ahead[self._at :])
        except ValueError as error:
            raise InvalidInput(f"The body is no JSON: {error}.") from error
        if not isinstance(members, dict):
            raise InvalidInput("The body must be a JSON object.")
        self._base64.end()
        there = self._media is not None and self._base64.size > 0
        result = self._read(members, there)
        if self._media is None or not there:
            self.abort()
            return result, None
        return result, self._media.commit()

    def abort(self) -> None:
        if self._media is not None:
            self._media.abort()

    def _take_token(self) -> bool:
        """Take one token of what is no recording; False when more of it has to come first."""
        match self._ahead[self._at : self._at + 1]:
            case b'"':
                if self._depth == 1 and not self._at_key and self._key == _RECORDING:
                    self._begin_recording()
                    return True
                string = _STRING.match(self._ahead, self._at)
                if string is None:
                    return False
                if self._depth == 1 and self._at_key:
                    self._key, self._at_key = _text(string[0]), False
                self._take(string.end())
                return True
            case (b"{" | b"[") as opened:
                self._depth += 1
                self._at_key = opened == b"{"
                if self._depth > MAX_DEPTH:
                    raise InvalidInput(f"The body is nested more than {MAX_DEPTH} deep.")
            case b"}" | b"]":
                self._depth -= 1
                self._at_key = False
            case b",":
                self._at_key = self._depth == 1
            case _:
                other = _OTHER.match(self._ahead, self._at)
                assert other is not None
                self._take(other.end())
                return True
        self._take(self._at + 1)
        return True

    def _begin_recording(self) -> None:
        if self._media is not None:
            raise InvalidInput(f"The body has {_RECORDING!r} twice.")
        self._media = self._open_media()
        self._inside = True
        self._take(self._at + 1)

    def _take_recording(self) -> bool:
        """Decode what there is of the recording; False when more has to come first."""
        found = _INSIDE.match(self._ahead, self._at)
        assert found is not None
        self._at = found.end()
        piece = _text(b'"%b"' % found[0]) if b"\\" in found[0] else found[0]
        data = self._base64.decode(piece)
        if data and self._media is not None:
            self._media.write(data)
        if self._ahead[self._at : self._at + 1] == b'"':
            self._inside = False
            self._take(self._at + 1)
            return True
        if len(self._ahead) - self._at >= _LONGEST_ESCAPE:
            raise InvalidInput(f"The body's {_RECORDING!r} has a broken escape.")
        return False

    def _take(self, end: int) -> None:
        """Go on at ``end``; what lies before belongs to the members."""
        self._members += self._ahead[self._at : end]
        self._at = end


class _Base64:
    """Decodes base64 (RFC 4648, padded; white space is ignored) that comes in pieces.

    White space has to be less than the rest and `MAX_FIELD_BYTES`, so that who bounds the bytes
    that come out bounds what goes in.
    """

    def __init__(self) -> None:
        self.size = 0
        self._came = 0  # characters, white space included
        self._ahead = b""  # fewer than four characters
        self._padded = False

    def decode(self, text: bytes | str) -> bytes:
        """The bytes that are known now."""
        try:
            raw = text.encode("ascii") if isinstance(text, str) else text
            self._came += len(raw)
            self._ahead += raw.translate(None, _SPACE)
            if self._padded and self._ahead:
                raise ValueError("something follows its end")
            whole = len(self._ahead) // 4 * 4
            groups, self._ahead = self._ahead[:whole], self._ahead[whole:]
            data = binascii.a2b_base64(groups, strict_mode=True)
        except ValueError as error:
            raise _no_base64(error) from error
        self._padded = self._padded or groups.endswith(b"=")
        self.size += len(data)
        if self._came > 2 * (4 * (self.size + 3) // 3) + MAX_FIELD_BYTES:
            raise _no_base64(ValueError("most of it is white space"))
        return data

    def end(self) -> None:
        if self._ahead:
            raise _no_base64(ValueError("it is cut off"))


def _text(string: bytes) -> str:
    try:
        text = json.loads(string)
    except ValueError as error:
        raise InvalidInput(f"The body is no JSON: {error}.") from error
    assert isinstance(text, str)
    return text


def _no_base64(error: ValueError) -> InvalidInput:
    return InvalidInput(f"The body's {_RECORDING!r} is no base64: {error}.")
