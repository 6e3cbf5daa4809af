"""The samples of a stream's messages, without the headers of WAV files that come among them."""

from __future__ import annotations

import struct
from typing import Final

from earmark.errors import InvalidInput

__all__ = ["Sound"]

_PCM: Final = 1
_EXTENSIBLE: Final = 0xFFFE  # says further on what it is; 16 bits of it are PCM
_OPEN_END: Final = 0x7FFFF000  # longer than any message: whoever wrote it did not know the length
_LONGEST_HEADER: Final = 1 << 16
_MOST_CHUNKS: Final = 64  # of a header, which is read again with each message that goes on with it
_RIFF_BYTES: Final = 12
_CHUNK_BYTES: Final = 8


class Sound:
    """16-bit mono samples at ``rate`` Hz, cut out of binary messages.

    A message may begin with the header of a WAV file, as each does that a browser's recorder made;
    the header may go on in the messages that follow. What comes after the samples of such a file,
    in the message that they end in, is no sound either. Messages may end within a sample.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._head = b""  # the beginning of what may be a header
        self._left: int | None = None  # bytes of a file's samples that are to come
        self._odd = b""

    def push(self, message: bytes) -> bytes:
        """Whole samples, as far as they have come.

        Raises `InvalidInput` for a file of another kind, or a header that never ends.
        """
        if _may_begin_header(self._head + message):
            return self._next(self._head + message)
        return self._samples(self._head) + self._next(message)  # the head was samples after all

    def _next(self, message: bytes) -> bytes:
        self._head = b""
        if not message or not _may_begin_header(message):
            return self._samples(message)
        if len(message) >= _RIFF_BYTES and (begin := self._data(message)) is not None:
            self._odd = b""  # a file begins with a whole sample
            return self._samples(message[begin:])
        if len(message) > _LONGEST_HEADER:
            raise InvalidInput(
                f"A WAV header goes on for more than {_LONGEST_HEADER} bytes without samples."
            )
        self._head = message
        return b""

    def _data(self, message: bytes) -> int | None:
        """Where the samples begin; None while the header goes on beyond the message."""
        at, told = _RIFF_BYTES, False
        for _ in range(_MOST_CHUNKS):
            if at + _CHUNK_BYTES > len(message):
                return None
            name, size = struct.unpack_from("<4sI", message, at)
            at += _CHUNK_BYTES
            if name == b"data":
                if not told:
                    raise InvalidInput("A WAV header does not say what its samples are like.")
                self._left = size if 0 < size < _OPEN_END else None
                return at
            if name == b"fmt ":
                if at + 16 > len(message):
                    return None
                self._check(*struct.unpack_from("<HHI6xH", message, at))
                told = True
            at += size + size % 2
        raise InvalidInput(f"A WAV header has more than {_MOST_CHUNKS} chunks before its samples.")

    def _check(self, encoding: int, channels: int, rate: int, bits: int) -> None:
        if (channels, rate, bits) != (1, self._rate, 16) or encoding not in (_PCM, _EXTENSIBLE):
            raise InvalidInput(
                f"A WAV header tells of {channels} channels, {rate} Hz and {bits} bits (encoding"
                f" {encoding}); this stream takes PCM of 1 channel, {self._rate} Hz and 16 bits:"
                " send that, or name another rate in 'sample_rate'."
            )

    def _samples(self, data: bytes) -> bytes:
        if self._left is not None:
            data = data[: self._left]
            self._left = self._left - len(data) or None
        data = self._odd + data
        whole = len(data) // 2 * 2
        self._odd = data[whole:]
        return data[:whole]


def _may_begin_header(data: bytes) -> bool:
    """Whether this is, or begins like, ``RIFF….WAVE``."""
    return b"RIFF".startswith(data[:4]) and b"WAVE".startswith(data[8:_RIFF_BYTES])
