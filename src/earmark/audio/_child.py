"""What happens in the child: limits first, then decoding, told in frames."""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from typing_extensions import Buffer

from earmark.audio import _child_frames
from earmark.audio._child_order import OUT_OF_MEMORY, Order
from earmark.audio._reader import Reader
from earmark.audio._stream import open_reader
from earmark.errors import DecoderDied, EarmarkError

__all__ = ["decode"]

_ALIVE_S: Final = 1.0
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38


def decode(source: int, talk: socket.socket) -> int:
    """Do as the order says that comes through ``talk``, and return the exit code."""
    order = Order.parse(b"".join(iter(lambda: talk.recv(1 << 16), b"")))
    _shut_in(order.memory_bytes, order.cpu_s)
    try:
        talk.sendall(_told(order, source, talk))
    except MemoryError:
        return OUT_OF_MEMORY
    except (BrokenPipeError, ConnectionResetError):  # nobody listens any more
        return 0
    return 0


def _shut_in(memory_bytes: int, cpu_s: int) -> None:
    """Give up all that decoding does not need; there is no way back."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        # What the warm process maps already is no part of the allowance.
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        _limit(resource.RLIMIT_AS, pages * os.sysconf("SC_PAGE_SIZE") + memory_bytes)
    _limit(resource.RLIMIT_CPU, cpu_s, cpu_s + 1)  # SIGXCPU tells what SIGKILL would not
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NPROC, 0)
    _limit(resource.RLIMIT_NOFILE, 0)  # what is open stays open


def _limit(which: int, soft: int, hard: int | None = None) -> None:
    hard = soft if hard is None else hard
    _, already = resource.getrlimit(which)
    if already != resource.RLIM_INFINITY:
        soft, hard = min(soft, already), min(hard, already)
    resource.setrlimit(which, (soft, hard))


def _told(order: Order, source: int, talk: socket.socket) -> bytes:
    """Decode, telling all but the last frame, which is returned."""
    try:
        _tell(order, source, talk)
    except EarmarkError as error:
        if isinstance(error.__cause__ or error.__context__, MemoryError):
            raise MemoryError from error
        return _child_frames.failed(error)
    except (MemoryError, BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:  # noqa: BLE001 - a defect, raised again by the parent
        text = f"{order.label} could not be decoded: {type(error).__name__}: {error}"
        return _child_frames.failed(DecoderDied(text))
    return _child_frames.frame(_child_frames.Kind.END)


def _tell(order: Order, source: int, talk: socket.socket) -> None:
    file = _Watched(source, lambda: talk.sendall(_child_frames.frame(_child_frames.Kind.ALIVE)))
    with contextlib.closing(file):
        file.seek(order.position)
        audio = open_reader(
            Reader(file, label=order.label),
            order.limits,
            channels=order.channels,
            start=order.start,
            end=order.end,
            on_damage=order.on_damage,
        )
        with audio:
            talk.sendall(_child_frames.opened(len(audio.channels), audio.duration_hint))
            told: tuple[str, ...] = ()
            for samples in audio:
                if audio.warnings != told:
                    told = audio.warnings
                    talk.sendall(_child_frames.warned(told))
                talk.sendall(_child_frames.block(samples))
            if audio.warnings != told:
                talk.sendall(_child_frames.warned(audio.warnings))


class _Watched(io.FileIO):
    """A file that says, once a second at most, that it is being read."""

    def __init__(self, descriptor: int, alive: Callable[[], None]) -> None:
        super().__init__(descriptor, "rb", closefd=False)
        self._alive, self._told_at = alive, time.monotonic()

    def read(self, size: int | None = -1, /) -> bytes:
        self._tell()
        return super().read(size) or b""

    def readinto(self, buffer: Buffer, /) -> int:
        self._tell()
        return super().readinto(buffer)

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._told_at >= _ALIVE_S:
            self._told_at = now
            self._alive()
