"""boto3 as a client of a server that was started, for the tests of the Chime dialect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config

from earmark.service import Keys, Scope, Store
from earmark.settings import Settings
from server import Server

__all__ = ["BOTH", "KMS", "REGION", "ChimeServer", "refused"]

REGION = "eu-west-2"
BOTH = (Scope.JOBS, Scope.GALLERIES)
KMS = "arn:aws:kms:eu-west-2:111122223333:key/1"


class ChimeServer:
    """A server and one of its tenants, whose key boto3 signs with."""

    def __init__(self, server: Server, tenant: str, scopes: Iterable[Scope] = BOTH) -> None:
        self.server = server
        with self._keys() as keys:
            made = keys.create(tenant, scopes, "chime")
            self.key_id, self.token = made.id, made.token
            self.secret = keys.signing(made.id)[1]
        self.client = self.boto3()

    def revoke(self) -> None:
        with self._keys() as keys:
            keys.revoke(self.key_id)

    @contextmanager
    def _keys(self) -> Iterator[Keys]:
        store = Store.open(Settings(data_dir=self.server.data_dir))
        try:
            yield Keys(store)
        finally:
            store.close()

    def boto3(self, *, url: str | None = None, secret: str | None = None, **options: Any) -> Any:
        """The vendor's client; refusals are not tried again unless ``config`` says so."""
        options.setdefault("config", Config(retries={"max_attempts": 0}))
        options.setdefault("region_name", REGION)
        return boto3.client(
            "chime-sdk-voice",
            endpoint_url=url or self.server.url,
            aws_access_key_id=self.key_id,
            aws_secret_access_key=secret or self.secret,
            **options,
        )

    def http(self) -> httpx.Client:
        """A client of the native API, for the same tenant."""
        return self.server.client(self.token)

    def connector(self, name: str = "front desk") -> str:
        made = self.client.create_voice_connector(Name=name, RequireEncryption=False)
        return str(made["VoiceConnector"]["VoiceConnectorId"])

    def domain(self, name: str = "callers", **options: Any) -> str:
        made = self.client.create_voice_profile_domain(
            Name=name, ServerSideEncryptionConfiguration={"KmsKeyArn": KMS}, **options
        )
        return str(made["VoiceProfileDomain"]["VoiceProfileDomainId"])


def refused(client: Any, exception: str, call: Any, **asked: Any) -> str:
    """The message of the typed exception that a call is answered with."""
    with pytest.raises(getattr(client.exceptions, exception)) as caught:
        call(**asked)
    error = caught.value.response["Error"]
    assert error["Code"] == exception
    return str(error["Message"])
