"""Sound from strangers: decoded in a child process with limits, the samples handed over."""

from __future__ import annotations

import os
import signal
import socket
import stat
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

from earmark.audio import _child_frames
from earmark.audio._audio import Audio
from earmark.audio._child_frames import Kind
from earmark.audio._child_order import OUT_OF_MEMORY, Order
from earmark.audio._forkserver import NOT_STARTED, STATUS, fork_server
from earmark.audio._limits import SAMPLE_RATE, Limits
from earmark.audio._options import Channels, OnDamage, check_on_damage, check_range, is_mix
from earmark.audio._reader import open_source
from earmark.errors import DecoderDied, InvalidOption, Unavailable
from earmark.settings import Settings, get_settings

__all__ = ["open_isolated"]

Float = NDArray[np.float32]

SILENCE_S: Final = 60.0
"""Seconds without a word after which a child is taken for stuck."""

_LAST_WORDS_S: Final = 5.0
"""Seconds that a child has to end in by itself once it has said all."""


class IsolatedAudio(Audio):
    """A recording that a child process decodes; to its user what `AudioStream` is."""

    def __init__(self, order: Order, source: int) -> None:
        self._order, self._rows = order, 1
        self._warnings: tuple[str, ...] = ()
        self._hint: float | None = None
        self._talk, self._leash = fork_server.fork(source)
        self._block_by = time.monotonic() + order.cpu_s
        self._blocks = self._to_the_end()
        try:
            self._say(order.dump())
            self._open()
        except BaseException:
            self._let_go()
            raise

    @property
    def channels(self) -> tuple[int | None, ...]:
        """The index of each channel that comes out; ``(None,)`` for the mix."""
        chosen = self._order.channels
        if is_mix(chosen):
            return (None,)
        return tuple(range(self._rows)) if chosen == "split" else tuple(chosen)

    @property
    def start_s(self) -> float:
        """Where in the recording the first sample stands, in seconds."""
        return self._order.start or 0.0

    @property
    def duration_hint(self) -> float | None:
        """Seconds that should come out, as far as the header tells; it may lie."""
        return self._hint

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was wrong and taken anyway; complete when the iteration has ended."""
        return self._warnings

    def close(self) -> None:
        """End the child; nothing more comes out."""
        self._blocks.close()
        self._let_go()

    def __iter__(self) -> Iterator[Float]:
        return self._blocks

    def _open(self) -> None:
        """Wait until the recording is open."""
        chosen = self._order.channels
        least, most = 1, self._order.limits.max_channels
        if chosen != "split":
            least = most = 1 if is_mix(chosen) else len(chosen)
        try:
            kind, payload = self._next_frame()
            if kind is not Kind.OPENED:
                raise ValueError(f"{kind.name} before its time")
            self._rows, self._hint = _child_frames.read_opened(payload, least=least, most=most)
        except ValueError as error:
            raise self._babbled(error) from error

    def _to_the_end(self) -> Generator[Float]:
        order = self._order
        longest_s = order.limits.max_duration_s if order.end is None else order.end
        left = round((longest_s - self.start_s + 1) * SAMPLE_RATE)  # a converter may round up
        try:
            while True:
                kind, payload = self._next_frame()
                if kind is Kind.END:
                    return
                if kind is not Kind.BLOCK:
                    raise ValueError(f"{kind.name} among samples")
                samples = _child_frames.read_block(payload, channels=self._rows)
                left -= samples.shape[1]
                if left < 0:
                    raise ValueError("more samples than there can be")
                yield samples
                self._block_by = time.monotonic() + order.cpu_s
        except ValueError as error:
            raise self._babbled(error) from error
        finally:
            self._let_go()

    def _next_frame(self) -> tuple[Kind, bytearray]:
        """What the child says next, but for warnings, which are kept, and errors, raised."""
        while True:
            header = self._hear(_child_frames.HEADER.size)
            kind, length = _child_frames.read_header(header, channels=self._rows)
            payload = self._hear(length)
            if kind is Kind.ERROR:
                raise _child_frames.read_error(payload)
            if kind is Kind.WARNINGS:
                self._warnings = _child_frames.read_warnings(payload)
            elif kind is not Kind.ALIVE:
                return kind, payload

    def _say(self, order: bytes) -> None:
        self._talk.settimeout(SILENCE_S)
        try:
            self._talk.sendall(order)
            self._talk.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise self._died() from error

    def _hear(self, length: int) -> bytearray:
        """The next ``length`` bytes that the child says."""
        heard = bytearray(length)
        rest = memoryview(heard)
        while rest:
            left = min(SILENCE_S, self._block_by - time.monotonic())
            self._talk.settimeout(max(left, 0.001))
            try:
                count = self._talk.recv_into(rest)
            except TimeoutError as error:
                self._let_go()
                raise self._error("was stuck: nothing came out of it for too long") from error
            except ConnectionResetError:
                count = 0
            if not count:
                raise self._died()
            rest = rest[count:]
        return heard

    def _babbled(self, error: ValueError) -> DecoderDied:
        self._let_go()
        return self._error(f"said what no decoder says ({error})")

    def _died(self) -> DecoderDied | Unavailable:
        """The error for a child that has hung up, by how it ended."""
        self._leash.settimeout(_LAST_WORDS_S)
        try:
            status = self._leash.recv(STATUS.size, socket.MSG_WAITALL)
        except OSError:
            status = b""
        self._let_go()
        if len(status) < STATUS.size:
            return self._error("ended, and nobody saw how")
        (code,) = STATUS.unpack(status)
        if code >= NOT_STARTED:
            return Unavailable(
                f"No process could be started to decode {self._order.label} "
                f"({os.strerror(code - NOT_STARTED)}): try again later."
            )
        return self._error(self._cause(code))

    def _cause(self, code: int) -> str:
        if code == OUT_OF_MEMORY:
            return (
                f"needed more memory than the {self._order.memory_bytes} bytes of "
                "EARMARK_DECODER_MEMORY_BYTES"
            )
        if code == -signal.SIGXCPU:
            return f"took more than the {self._order.cpu_s} CPU seconds of EARMARK_DECODER_CPU_S"
        if code < 0:
            return f"was ended by signal {signal.Signals(-code).name}"
        return f"ended without a word, with exit code {code}"

    def _error(self, what: str) -> DecoderDied:
        return DecoderDied(
            f"{self._order.label} could not be decoded: the process that did it {what}."
        )

    def _let_go(self) -> None:
        """End the child, if it has not ended by itself, and wait until it is gone."""
        self._talk.close()
        if self._leash.fileno() < 0:
            return
        with self._leash:
            try:
                self._leash.shutdown(socket.SHUT_WR)
                self._leash.settimeout(_LAST_WORDS_S)
                while self._leash.recv(STATUS.size):
                    pass
            except OSError:
                return  # the server is gone, and its children with it


def open_isolated(
    source: str | os.PathLike[str] | IO[bytes],
    *,
    channels: Channels = "mix",
    start: float | None = None,
    end: float | None = None,
    on_damage: OnDamage = "error",
    settings: Settings | None = None,
) -> Audio:
    """Open a recording that came from a stranger; like `open_audio`, in a process of its own.

    ``source`` is a path or an open binary file with a descriptor, of a regular file. The child
    gets the open file and a socket, and no way to anything else. Its memory and CPU time are
    limited by ``decoder_memory_bytes`` and ``decoder_cpu_s`` of the settings; it ends when the
    stream is closed or the caller dies.

    Raises what `open_audio` raises, :class:`DecoderDied` when the child ended without a word, met
    a limit or was stuck for a minute, and :class:`Unavailable` when no child can be started. Needs
    Linux or macOS.
    """
    settings = settings or get_settings()
    check_range(start, end)
    check_on_damage(on_damage)
    if isinstance(channels, Sequence) and not isinstance(channels, str | bytes):
        channels = list(channels)
    if sys.platform == "win32":
        raise Unavailable("Windows has no processes with limits: decode there with open_audio.")
    with ExitStack() as stack:
        descriptor, label, position = _descriptor(source, stack)
        order = Order(
            label=label,
            position=position,
            channels=channels,
            start=None if start is None else float(start),
            end=None if end is None else float(end),
            on_damage=on_damage,
            limits=Limits.of(settings),
            memory_bytes=settings.decoder_memory_bytes,
            cpu_s=settings.decoder_cpu_s,
        )
        return IsolatedAudio(order, descriptor)


def _descriptor(
    source: str | os.PathLike[str] | IO[bytes], stack: ExitStack
) -> tuple[int, str, int]:
    """The source as a descriptor to read from, its name for messages, and where it stands."""
    file, label, ours = open_source(source)
    if ours:
        stack.enter_context(file)
    try:
        file.flush()
        given, position = file.fileno(), file.tell()
        regular = stat.S_ISREG(os.fstat(given).st_mode)
    except (AttributeError, OSError):
        given, position, regular = -1, 0, False
    if not regular:
        raise InvalidOption(
            f"{label} cannot be decoded in a process of its own: write it to a file first."
        )
    try:
        # Opened anew, for reading alone and with a position of its own.
        given = os.open(f"/proc/self/fd/{given}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return given, label, position
    stack.callback(os.close, given)
    return given, label, position
