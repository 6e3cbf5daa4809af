"""Decoding in a child process: the same samples and errors, limits that hold, nothing left."""

from __future__ import annotations

import gc
import io
import multiprocessing
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from audio_samples import RECIPES, make, tones, wav
from earmark.audio import Audio, _child_frames, _isolated, open_audio, open_isolated, read_audio
from earmark.audio._forkserver import fork_server
from earmark.errors import (
    AudioNotFound,
    DamagedAudio,
    DecoderDied,
    EarmarkError,
    EmptyAudio,
    InvalidOption,
    InvalidSamples,
)
from earmark.settings import Settings
from waiting import until

Float = NDArray[np.float32]

RATE = 16000


def server() -> psutil.Process:
    """The process that forks the decoders; started if there is none."""
    if fork_server._process is None:
        read_isolated(make("wav-s16"))
    assert fork_server._process is not None
    return psutil.Process(fork_server._process.pid)


def decoder() -> psutil.Process:
    """The one decoder that runs."""
    (child,) = server().children()
    return child


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """No descriptor and no process more than before, in this process and in the server."""
    server()
    gc.collect()
    here = psutil.Process()
    before = here.num_fds(), server().num_fds(), len(here.children(recursive=True))
    yield
    gc.collect()
    until(lambda: server().children() == [])
    assert (here.num_fds(), server().num_fds(), len(here.children(recursive=True))) == before
    assert not [p for p in here.children(recursive=True) if p.status() == psutil.STATUS_ZOMBIE]


def file_of(folder: Path, data: bytes, name: str = "recording") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def read_isolated(source: bytes | Path, **options: Any) -> Float:
    if isinstance(source, bytes):
        file = io.FileIO(os.memfd_create("sound"), "w+b")
        file.write(source)
        file.seek(0)
        with file, open_isolated(file, **options) as audio:
            return np.concatenate(list(audio), axis=1)
    with open_isolated(source, **options) as audio:
        return np.concatenate(list(audio), axis=1)


@pytest.fixture
def long_file(tmp_path: Path) -> Path:
    """Ten minutes of two channels: many blocks, more than any buffer holds."""
    path = tmp_path / "long.wav"
    with path.open("wb") as file:
        file.write(wav(np.zeros((2, 0), np.int16), RATE, data_size=RATE * 600 * 4))
        file.truncate(file.tell() + RATE * 600 * 4)
    return path


@pytest.mark.parametrize("name", RECIPES)
def test_samples_are_the_same(tmp_path: Path, name: str) -> None:
    path = file_of(tmp_path, make(name))
    with open_audio(path) as here, open_isolated(path) as there:
        assert there.channels == here.channels
        assert there.duration_hint == here.duration_hint
        assert there.start_s == here.start_s == 0.0
        for one, other in zip(here, there, strict=True):
            assert other.dtype == np.float32
            assert other.flags.c_contiguous
            assert np.array_equal(one, other)
        assert there.warnings == here.warnings


@pytest.mark.parametrize(
    "options",
    [
        {"channels": "split"},
        {"channels": [2, 0], "start": 0.3},
        {"channels": (1,), "end": 1.25},
        {"start": 11.0, "end": 12.5},
        {"start": np.float32(0.5)},
    ],
)
def test_choices_are_the_same(tmp_path: Path, options: dict[str, Any]) -> None:
    path = file_of(tmp_path, make("flac", seconds=13.0, channels=3))
    with open_audio(path, **options) as here, open_isolated(path, **options) as there:
        assert there.channels == here.channels
        assert there.duration_hint == here.duration_hint
        assert there.start_s == here.start_s
        assert np.array_equal(np.concatenate(list(here), 1), np.concatenate(list(there), 1))


def damaged(name: str) -> bytes:
    whole = bytearray(make(name, seconds=4.0))
    whole[len(whole) // 2 : len(whole) // 2 + 300] = bytes(300)
    return bytes(whole[:-100])


@pytest.mark.parametrize(
    ("data", "options", "kind"),
    [
        (b"", {}, EmptyAudio),
        (make("wav-s16"), {"start": 60.0}, EmptyAudio),
        (make("wav-s16"), {"channels": [4]}, InvalidOption),
        (make("wav-s16"), {"channels": [np.int64(0)]}, InvalidOption),
        (make("wav-s16"), {"channels": "left"}, InvalidOption),
        (make("wav-s16"), {"start": 2.0, "end": 1.0}, InvalidOption),
        (make("wav-s16"), {"on_damage": "ignore"}, InvalidOption),
        (make("flac")[:-500], {}, DamagedAudio),
        (damaged("ogg-flac"), {}, DamagedAudio),
        (wav(np.full((1, 100), np.nan, np.float32), RATE), {}, InvalidSamples),
    ],
)
@pytest.mark.usefixtures("nothing_left")
def test_errors_are_the_same(
    tmp_path: Path, data: bytes, options: dict[str, Any], kind: type[EarmarkError]
) -> None:
    path = file_of(tmp_path, data, "call \udcff.wav")
    with pytest.raises(kind) as here:
        read_audio(path, **options)
    with pytest.raises(kind) as there:
        read_isolated(path, **options)
    assert type(there.value) is type(here.value)
    assert str(there.value).replace("'0'", "np.int64(0)") == str(here.value)
    if isinstance(there.value, DamagedAudio) and isinstance(here.value, DamagedAudio):
        assert there.value.readable_s == here.value.readable_s


@pytest.mark.parametrize("name", ["flac", "mp3", "ogg-flac"])
def test_damage_is_tolerated_alike(tmp_path: Path, name: str) -> None:
    path = file_of(tmp_path, damaged(name))
    with open_audio(path, on_damage="warn") as here:
        expected = np.concatenate(list(here), 1)
    with open_isolated(path, on_damage="warn") as there:
        assert np.array_equal(np.concatenate(list(there), 1), expected)
    assert there.warnings == here.warnings != ()


def test_a_path_that_cannot_be_opened_is_told_here(tmp_path: Path) -> None:
    for source in (tmp_path, tmp_path / "none.wav"):
        with pytest.raises(AudioNotFound):
            open_isolated(source)
    with pytest.raises(InvalidOption, match="an address"):
        open_isolated("https://127.0.0.1/a.wav")


def test_an_open_file_is_read_from_where_it_stands(tmp_path: Path) -> None:
    path = file_of(tmp_path, b"ballast" + make("wav-s16"))
    for buffering in (0, -1):
        with path.open("rb", buffering=buffering) as file:
            file.read(7)
            with open_isolated(file) as audio:
                assert np.array_equal(np.concatenate(list(audio), 1), read_audio(make("wav-s16")))
            assert file.tell() == 7


def test_a_file_without_a_name_may_be_deleted_meanwhile(long_file: Path) -> None:
    with open_isolated(long_file) as audio:
        long_file.unlink()
        assert sum(block.shape[1] for block in audio) == RATE * 600


@pytest.mark.usefixtures("nothing_left")
def test_what_is_no_file_is_refused() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe, os.fdopen(writing, "wb"):
        for source in (pipe, io.BytesIO(make("wav-s16")), b"RIFF"):
            with pytest.raises(InvalidOption, match="write it to a file first"):
                open_isolated(source)  # type: ignore[arg-type]


@pytest.mark.usefixtures("nothing_left")
def test_closing_early_ends_the_child(long_file: Path) -> None:
    with open_isolated(long_file) as audio:
        next(iter(audio))
        assert decoder().is_running()
    assert server().children() == []
    assert list(audio) == []
    audio.close()
    unread = open_isolated(long_file)
    unread.close()
    assert list(unread) == []


@pytest.mark.usefixtures("nothing_left")
def test_an_error_of_the_caller_ends_the_child(long_file: Path) -> None:
    def stumble(audio: Audio) -> None:
        with audio:
            raise LookupError(len(next(iter(audio))))

    with pytest.raises(LookupError):
        stumble(open_isolated(long_file))
    assert server().children() == []


@pytest.mark.usefixtures("nothing_left")
def test_read_to_the_end_leaves_nothing(long_file: Path) -> None:
    audio = open_isolated(long_file, channels="split")  # no `with`
    assert sum(block.shape[1] for block in audio) == RATE * 600


def test_a_child_can_open_nothing_and_knows_nothing(
    long_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {"EARMARK_SECRET_KEY": "s" * 40, "EARMARK_MASTER_KEY": "m", "DATABASE_URL": "d"}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    fork_server.close()  # the next one is started with these
    settings = Settings(decoder_cpu_s=77)
    with open_isolated(long_file, settings=settings) as audio:
        next(iter(audio))
        child = decoder()
        assert child.num_fds() == 3
        assert [file.path for file in child.open_files()] == [str(long_file)]
        for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC):
            assert child.rlimit(limit) == (0, 0)
        assert child.rlimit(resource.RLIMIT_CORE) == (0, 0)
        assert child.rlimit(resource.RLIMIT_CPU) == (77, 78)
        memory, _ = child.rlimit(resource.RLIMIT_AS)
        assert settings.decoder_memory_bytes < memory < settings.decoder_memory_bytes + (4 << 30)
        assert "NoNewPrivs:\t1" in Path(f"/proc/{child.pid}/status").read_text()
        for process in (child, server()):
            assert not any(name in process.environ() for name in secrets)


def test_the_recording_is_open_for_reading_alone(tmp_path: Path) -> None:
    path = file_of(tmp_path, make("wav-s16", seconds=60.0))
    with path.open("r+b") as file, open_isolated(file) as audio:
        next(iter(audio))
        flags = Path(f"/proc/{decoder().pid}/fdinfo/0").read_text().split("flags:")[1].split()[0]
        assert int(flags, 8) & os.O_ACCMODE == os.O_RDONLY


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
@pytest.mark.usefixtures("nothing_left")
def test_a_child_that_is_killed_is_named(long_file: Path, number: signal.Signals) -> None:
    with open_isolated(long_file, channels="split") as audio:
        blocks = iter(audio)
        next(blocks)
        decoder().send_signal(number)
        with pytest.raises(DecoderDied, match=rf"^long\.wav could not .* signal {number.name}\."):
            list(blocks)
        assert list(audio) == []


@pytest.mark.usefixtures("nothing_left")
def test_a_child_out_of_memory_is_named(long_file: Path) -> None:
    tight = Settings.model_construct(**dict(Settings()) | {"decoder_memory_bytes": 1 << 18})
    with pytest.raises(DecoderDied, match="262144 bytes of EARMARK_DECODER_MEMORY_BYTES"):
        read_isolated(long_file, settings=tight)


@pytest.mark.usefixtures("nothing_left")
def test_a_child_out_of_cpu_time_is_named(tmp_path: Path) -> None:
    path = tmp_path / "day.wav"
    size = 44100 * 2 * 2 * 3600 * 5
    with path.open("wb") as file:
        file.write(wav(np.zeros((2, 0), np.int16), 44100, data_size=0xFFFFFFFF))
        file.truncate(file.tell() + size)
    with pytest.raises(DecoderDied, match="the 1 CPU seconds of EARMARK_DECODER_CPU_S"):
        for _ in open_isolated(path, settings=Settings(decoder_cpu_s=1)):
            pass


@pytest.mark.usefixtures("nothing_left")
def test_a_stuck_child_is_ended(long_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_isolated(long_file, channels="split") as audio:
        blocks = iter(audio)
        next(blocks)
        decoder().suspend()
        monkeypatch.setattr(_isolated, "SILENCE_S", 0.2)
        with pytest.raises(DecoderDied, match="was stuck"):
            list(blocks)


@pytest.mark.usefixtures("nothing_left")
def test_a_server_that_was_killed_is_started_again(long_file: Path) -> None:
    old = server()
    with open_isolated(long_file) as audio:
        child = decoder()
        old.kill()
        with pytest.raises(DecoderDied):
            list(audio)
    until(lambda: not child.is_running())
    assert read_isolated(make("wav-s16")).shape == (1, 2 * RATE)
    assert server().pid != old.pid


@pytest.mark.usefixtures("nothing_left")
def test_many_threads_read_at_once(tmp_path: Path) -> None:
    names = ("flac-44k", "mp3", "ogg-opus", "wav-s24")
    paths = {name: file_of(tmp_path, make(name, seconds=4.0), name) for name in names}
    expected = {name: read_audio(path) for name, path in paths.items()}
    right: list[bool] = []

    def work(name: str) -> None:
        for _ in range(5):
            right.append(np.array_equal(read_isolated(paths[name]), expected[name]))

    threads = [threading.Thread(target=work, args=(name,)) for name in names for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert right == [True] * 40


def _read_in_a_child(path: Path, answer: Any) -> None:
    answer.put(read_isolated(path).shape)
    answer.close()
    answer.join_thread()


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_daemons_and_forked_copies_can_do_it_too(long_file: Path, method: str) -> None:
    server()
    context: Any = multiprocessing.get_context(method)
    answer = context.Queue()
    process = context.Process(target=_read_in_a_child, args=(long_file, answer), daemon=True)
    process.start()
    assert answer.get(timeout=60) == (1, RATE * 600)
    process.join(timeout=60)
    assert process.exitcode == 0
    process.close()
    answer.close()
    answer.join_thread()
    assert read_isolated(make("wav-s16")).shape == (1, 2 * RATE)  # this one's server is unharmed


def test_nothing_outlives_a_caller_that_is_killed(long_file: Path) -> None:
    script = (
        "import sys, time; from earmark.audio import open_isolated\n"
        "from earmark.audio._forkserver import fork_server\n"
        "audio = open_isolated(sys.argv[1], channels='split'); next(iter(audio))\n"
        "print(fork_server._process.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(long_file)], stdout=subprocess.PIPE, text=True
    ) as caller:
        assert caller.stdout is not None
        forks = psutil.Process(int(caller.stdout.readline()))
        (child,) = forks.children()
        caller.kill()
    until(lambda: not forks.is_running() and not child.is_running())


def test_a_caller_that_ends_in_order_says_nothing(long_file: Path) -> None:
    script = (
        "import sys; from earmark.audio import open_isolated\n"
        "audio = open_isolated(sys.argv[1]); audio.close(); list(open_isolated(sys.argv[1]))"
    )
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(long_file)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr == ""


class Liar:
    """Stands in for a child that was taken over: says what it is told to."""

    def __init__(self, words: bytes) -> None:
        self._words = words

    def fork(self, _source: int) -> tuple[socket.socket, socket.socket]:
        talk, its_talk = socket.socketpair()
        leash, its_leash = socket.socketpair()
        its_talk.sendall(self._words)
        its_talk.shutdown(socket.SHUT_WR)
        self._kept = its_talk
        its_leash.close()
        return talk, leash

    def close(self) -> None:
        self._kept.close()


def hello(rows: int = 1) -> bytes:
    return _child_frames.opened(rows, 1.0)


def samples(values: Float) -> bytes:
    return _child_frames.block(values)


@pytest.mark.parametrize(
    "words",
    [
        b"garbage that is longer than a header",
        b"\x02\xff\xff\xff\xff",
        b"\x63\0\0\0\0",
        hello(rows=33),
        hello(rows=0),
        samples(tones(0.1, RATE)),
        hello() + hello(),
        hello() + samples(np.full((1, 10), np.nan, np.float32)),
        hello() + samples(np.full((1, 10), 1.5, np.float32)),
        hello() + samples(tones(0.8, RATE)) * 2,
        hello() + b"\x05\x10\0\0\0" + bytes(8) + b"internal",
        hello() + b"\x03\x20\0\0\0" + bytes(32),
        hello() + samples(tones(0.1, RATE))[:-3],
        hello(),
    ],
)
def test_a_child_that_lies_is_not_believed(
    long_file: Path, monkeypatch: pytest.MonkeyPatch, words: bytes
) -> None:
    liar = Liar(words)
    monkeypatch.setattr(_isolated, "fork_server", liar)
    settings = Settings(max_duration_s=0.5)
    with pytest.raises(DecoderDied, match=r"said what no decoder says|nobody saw how"):
        list(open_isolated(long_file, channels="split", settings=settings))
    liar.close()
