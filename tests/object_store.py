"""An S3 server on this machine, for tests."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import pytest

__all__ = ["ObjectStore", "object_server", "object_store", "running_server"]


@dataclass(frozen=True, kw_only=True)
class ObjectStore:
    """A bucket of its own in a server."""

    endpoint: str
    bucket: str

    @property
    def url(self) -> str:
        """As `EARMARK_BLOB_URL` takes it."""
        return f"s3://{self.bucket}/some/prefix"

    def keys(self) -> list[str]:
        """What the bucket holds, as another client sees it."""
        page = httpx.get(f"{self.endpoint}/{self.bucket}?list-type=2")
        return [part.partition("</Key>")[0] for part in page.text.split("<Key>")[1:]]

    def pending(self) -> int:
        """How many uploads have been begun and neither finished nor given up."""
        return httpx.get(f"{self.endpoint}/{self.bucket}?uploads").text.count("<UploadId>")


@contextmanager
def running_server() -> Iterator[str]:
    """The endpoint of a server, which runs until the context is left."""
    from moto.server import ThreadedMotoServer  # takes long to import

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture(scope="session")
def object_server() -> Iterator[str]:
    """The endpoint of a server that all tests share."""
    with running_server() as endpoint:
        yield endpoint


@pytest.fixture
def object_store(object_server: str, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """An empty bucket; the environment names its server as it would any other."""
    store = ObjectStore(endpoint=object_server, bucket=f"bucket-{uuid.uuid4()}")
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    httpx.put(f"{store.endpoint}/{store.bucket}").raise_for_status()
    return store
