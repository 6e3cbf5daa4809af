"""Messages between a worker and the processes it runs: JSON, bytes and open files by a socket."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Message", "MessageSocket"]

_HEAD = struct.Struct("!QQ")  # bytes of JSON, bytes after it


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What was received: its kind, its fields, and the bytes or the open file that came along."""

    kind: str
    fields: Mapping[str, Any]
    body: bytes
    descriptor: int | None


class MessageSocket:
    """One end of a conversation. Nothing is unpickled: neither end need trust the other."""

    def __init__(self, end: socket.socket, *, patience_s: float | None = None) -> None:
        """``patience_s`` is how long the other end may keep silent while it is listened to."""
        self._socket = end
        self._socket.settimeout(patience_s)
        self._sending = threading.Lock()

    def send(
        self, kind: str, *, body: bytes = b"", descriptor: int | None = None, **fields: object
    ) -> None:
        """Send a message; ``descriptor`` is an open file, which the other end gets a copy of.

        Raises `OSError` when nobody is there any more.
        """
        text = json.dumps({"kind": kind, **fields}).encode()
        files = [] if descriptor is None else [descriptor]
        with self._sending:
            socket.send_fds(self._socket, [_HEAD.pack(len(text), len(body))], files)
            self._socket.sendall(text)
            self._socket.sendall(body)

    def receive(self) -> Message:
        """Wait for a message.

        Raises `EOFError` when the other end is gone, `TimeoutError` when it keeps silent.
        """
        try:
            head, files, _, _ = socket.recv_fds(self._socket, _HEAD.size, 1)
            head += self._read(_HEAD.size - len(head)) if head else b""
            if not head:
                raise EOFError
            length, rest = _HEAD.unpack(head)
            fields = json.loads(self._read(length))
            body = self._read(rest)
        except ConnectionResetError as error:
            raise EOFError from error
        kind = fields.pop("kind")
        for descriptor in files:
            os.set_inheritable(descriptor, False)
        return Message(kind=kind, fields=fields, body=body, descriptor=files[0] if files else None)

    def close(self) -> None:
        """End the conversation; who waits in `receive`, here or there, gets `EOFError`."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _read(self, size: int) -> bytes:
        read = bytearray(size)
        view = memoryview(read)
        while view:
            count = self._socket.recv_into(view)
            if count == 0:
                raise EOFError
            view = view[count:]
        return bytes(read)
