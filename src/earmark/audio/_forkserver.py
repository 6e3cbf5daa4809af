"""A small process that has everything loaded and forks one decoder per recording, in milliseconds.

Beside `multiprocessing`'s server of that kind it listens on no address, unpickles nothing, does not
run the caller's main module, and leaves a child no way back to it. It is started when first needed
and ends with the process that started it.

An order is one byte with three descriptors: the recording, a socket for what the child says, and
the leash. The server reports the child's end through the leash; when the other end of that is
closed, by intent or because its owner died, the child is killed.
"""

from __future__ import annotations

import atexit
import gc
import io
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
import wave
from pathlib import Path
from typing import Final, NoReturn

from earmark.errors import Unavailable

__all__ = ["NOT_STARTED", "STATUS", "fork_server", "serve"]

NOT_STARTED: Final = 1 << 16
"""Added to the error number that is reported when no child could be started."""

STATUS: Final = struct.Struct("<i")
"""How a child ended: its exit code, or minus the number of a signal."""

_START = "import sys; sys.path[:] = sys.argv[2:]; from earmark.audio import _forkserver as server; "
_START += "server.serve(int(sys.argv[1]))"

_KEPT = ("LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PATH")
"""All that the server, and so every child, sees of the environment: no key, no address."""


class ForkServer:
    """The caller's end. May be used from many threads at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def fork(self, source: int) -> tuple[socket.socket, socket.socket]:
        """Start a child that has ``source`` open; return the socket to talk to it and its leash.

        Raises :class:`Unavailable` when that is not possible now.
        """
        try:
            talk, its_talk = socket.socketpair()
            leash, its_leash = socket.socketpair()
        except OSError as error:
            raise _unavailable(error) from error
        with its_talk, its_leash:
            try:
                self._order([source, its_talk.fileno(), its_leash.fileno()])
            except OSError as error:
                talk.close()
                leash.close()
                raise _unavailable(error) from error
        return talk, leash

    def close(self) -> None:
        """End the server and its children."""
        with self._lock:
            self._stop()

    def forget(self) -> None:
        """In a forked copy of the process: let go of the server, which is not its own."""
        self._lock = threading.Lock()
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.returncode = 0  # not a child of this process: nothing to wait for
        self._control = self._process = None

    def _order(self, descriptors: list[int]) -> None:
        with self._lock:
            if self._control is None:
                self._control = self._start()
            try:
                socket.send_fds(self._control, [b"o"], descriptors)
            except (BrokenPipeError, ConnectionResetError):  # it was killed
                self._stop()
                self._control = self._start()
                socket.send_fds(self._control, [b"o"], descriptors)

    def _start(self) -> socket.socket:
        ours, its_own = socket.socketpair()
        with its_own:
            paths = [str(Path(entry).absolute()) for entry in sys.path]
            environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _START, str(its_own.fileno()), *paths],
                pass_fds=[its_own.fileno()],
                env=environment | {"OPENBLAS_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,  # Ctrl-C is for the caller
            )
        return ours

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.wait()
        self._control = self._process = None


fork_server: Final = ForkServer()
atexit.register(fork_server.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=fork_server.forget)


def serve(control: int) -> NoReturn:
    """Fork a child for every order that comes through ``control``, until that is closed."""
    _warm_up()
    gc.collect()
    gc.freeze()  # so that no child copies all pages by collecting
    woken, wake = socket.socketpair()
    wake.setblocking(False)
    woken.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    orders = socket.socket(fileno=control)
    leashes: dict[int, socket.socket] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(orders, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is orders:
                    order, descriptors, _, _ = socket.recv_fds(orders, 1, 3)
                    if not order:
                        _kill(*leashes)
                        os._exit(0)
                    child, leash = _fork(*descriptors)
                    if child:
                        leashes[child] = leash
                        selector.register(leash, selectors.EVENT_READ, child)
                elif key.fileobj is woken:
                    woken.recv(1 << 12)
                elif key.data in leashes:  # let go by the caller
                    _kill(key.data)
                    selector.unregister(key.fileobj)
            for child, status in _ended():
                leash = leashes.pop(child)
                if leash in selector.get_map():
                    selector.unregister(leash)
                _report(leash, os.waitstatus_to_exitcode(status))


def _fork(source: int, talk: int, held: int) -> tuple[int, socket.socket]:
    """Start a child; its process id, or 0 when it could not be started, and its leash."""
    leash = socket.socket(fileno=held)
    try:
        child = os.fork()
    except OSError as error:
        _report(leash, NOT_STARTED + (error.errno or 0))
        child = 0
    else:
        if not child:
            _become_decoder(source, talk)
    os.close(source)
    os.close(talk)
    return child, leash


def _become_decoder(source: int, talk: int) -> NoReturn:
    """Keep two descriptors, as 0 and 1, and nothing to write an error on; decode; end."""
    from earmark.audio._child import decode

    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(1, 2)  # the server's 1 leads nowhere
        os.dup2(source, 0)
        os.dup2(talk, 1)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        code = decode(0, socket.socket(fileno=1))
    finally:
        os._exit(code)


def _ended() -> list[tuple[int, int]]:
    """The children that have ended, and their status."""
    found: list[tuple[int, int]] = []
    while True:
        try:
            child, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if not child:
            return found
        found.append((child, status))


def _report(leash: socket.socket, status: int) -> None:
    with leash:
        try:
            leash.sendall(STATUS.pack(status))
        except OSError:
            return  # nobody wants to know


def _kill(*children: int) -> None:
    for child in children:
        os.kill(child, signal.SIGKILL)


def _warm_up() -> None:
    """Decode a moment of sound, so that everything is imported: a child can open no file."""
    from earmark.audio import _child  # noqa: F401 - for the children
    from earmark.audio._stream import read_audio

    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((2, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(8000))
    read_audio(file.getvalue())


def _unavailable(error: OSError) -> Unavailable:
    return Unavailable(f"No process to decode in can be started now ({error}): try again later.")
