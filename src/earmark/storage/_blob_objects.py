"""Blobs in an object store: S3 and what speaks its protocol, Google Cloud Storage, Azure."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url

from earmark.errors import InvalidOption, NotFound, StorageUnavailable
from earmark.storage._blobs import BlobInfo, Blobs, BlobWriter, checked
from earmark.storage._folder import disk_errors, private_folder
from earmark.storage._reasons import first_line

if TYPE_CHECKING:
    from obstore import WritableFile
    from obstore.store import ClientConfig, RetryConfig

__all__ = ["ObjectBlobs"]

_SCHEMES = ("s3://", "s3a://", "gs://", "az://", "adl://", "abfs://", "abfss://", "azure://")
_PIECE = 4 << 20
_PART = 5 << 20  # the least that S3 takes as a part

# A store that is down is told of within seconds; HTTP only where its endpoint is set to be so.
_CLIENT: ClientConfig = {
    "allow_http": True,
    "connect_timeout": timedelta(seconds=3),
    "timeout": timedelta(seconds=20),
}
_RETRY: RetryConfig = {
    "max_retries": 2,
    "retry_timeout": timedelta(seconds=10),
    "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=1)},
}


class ObjectBlobs(Blobs):
    """A bucket, or a prefix in one; credentials are found in the environment."""

    def __init__(self, url: str, *, data_dir: Path) -> None:
        """Raises `InvalidOption` for a URL that names no object store."""
        super().__init__(private_folder(data_dir))
        self._spool = data_dir
        if not url.startswith(_SCHEMES):
            raise InvalidOption(
                f"EARMARK_BLOB_URL={url!r} names no blob store:"
                " give s3://, gs://, az:// or file:///."
            )
        try:
            self._store = from_url(url, client_options=_CLIENT, retry_config=_RETRY)
        except (BaseError, ValueError) as error:
            raise InvalidOption(
                f"EARMARK_BLOB_URL={url!r} cannot be used: {first_line(error)}."
            ) from error

    def writer(self, path: str) -> BlobWriter:
        with _translated(path):
            return _ObjectWriter(
                checked(path),
                obstore.open_writer(self._store, path, buffer_size=_PART, max_concurrency=2),
            )

    def get(self, path: str) -> bytes:
        with _reading(path):
            return bytes(obstore.get(self._store, checked(path)).bytes())

    def stream(self, path: str) -> Iterator[bytes]:
        with _reading(path):
            size = obstore.head(self._store, checked(path))["size"]
        return self._pieces(path, size)

    def _pieces(self, path: str, size: int) -> Iterator[bytes]:
        # By ranges: one long answer would meet the timeout, or fail as a whole.
        for start in range(0, size, _PIECE):
            with _reading(path):
                piece = obstore.get_range(
                    self._store, path, start=start, end=min(start + _PIECE, size)
                )
            yield bytes(piece)

    def open_file(self, path: str) -> BinaryIO:
        pieces = self.stream(path)
        with ExitStack() as undo, disk_errors(f"A copy of the blob {path!r}"):
            file = undo.enter_context(tempfile.TemporaryFile(dir=self._spool))
            for piece in pieces:
                file.write(piece)
            file.seek(0)
            undo.pop_all()
        return file

    def delete(self, *paths: str) -> None:
        for path in paths:
            with _translated(path), suppress(FileNotFoundError):
                obstore.delete(self._store, checked(path))

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        with _translated(prefix):
            for page in obstore.list(self._store, prefix):
                for entry in page:
                    yield BlobInfo(
                        path=entry["path"],
                        size=entry["size"],
                        modified=entry["last_modified"].timestamp(),
                    )

    def check(self) -> None:
        with _translated("check"):
            next(iter(obstore.list(self._store, "check", chunk_size=1)), None)


class _ObjectWriter(BlobWriter):
    def __init__(self, path: str, upload: WritableFile) -> None:
        self._path, self._upload = path, upload
        self._open = True

    def write(self, data: bytes) -> None:
        with self._guarded():
            self._upload.write(data)

    def commit(self) -> None:
        with self._guarded():
            self._upload.close()
        self._open = False

    def abort(self) -> None:
        if self._open:
            self._open = False
            stop = StorageUnavailable("The upload was given up.")
            with suppress(BaseError, OSError):  # the store may be away: its rules clean up
                self._upload.__exit__(type(stop), stop, None)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            with _translated(self._path):
                yield
        except BaseException:
            self.abort()
            raise


@contextmanager
def _reading(path: str) -> Iterator[None]:
    with _translated(path):
        try:
            yield
        except FileNotFoundError as error:
            raise NotFound(f"There is no blob {path!r}.") from error


@contextmanager
def _translated(path: str) -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError) as error:
        raise StorageUnavailable(
            f"The blob store does not answer for {path!r}: {first_line(error)}."
        ) from error
