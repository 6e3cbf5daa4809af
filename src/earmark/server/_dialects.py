"""The APIs that the server speaks: a new one is one entry here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import grpc
from starlette.types import ASGIApp

from earmark.dialects import chime, deepaffects, deeptone, native, phonexia, pyannoteai, twilio
from earmark.service import Service, WebhookFormat
from earmark.settings import Settings

__all__ = ["DIALECTS", "Dialect", "webhook_formats"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Dialect:
    """What a dialect brings.

    ``mounts``: path prefix -> an application of its own. ``webhooks``: how its webhooks look, if
    it has any. ``grpc``: adds its services to the gRPC server and returns their full names.
    """

    name: str
    mounts: Callable[[Service], Mapping[str, ASGIApp]]
    webhooks: Callable[[Settings], WebhookFormat] | None = None
    grpc: Callable[[grpc.aio.Server, Service], tuple[str, ...]] | None = None


DIALECTS = (
    Dialect(
        name=native.NAME,
        mounts=native.mounts,
        webhooks=native.webhook_format,
        grpc=native.grpc_services,
    ),
    Dialect(name=pyannoteai.NAME, mounts=pyannoteai.mounts, webhooks=pyannoteai.webhook_format),
    Dialect(name=phonexia.NAME, mounts=phonexia.mounts, grpc=phonexia.grpc_services),
    Dialect(name=chime.NAME, mounts=chime.mounts, webhooks=chime.webhook_format),
    Dialect(
        name=deepaffects.NAME,
        mounts=deepaffects.mounts,
        webhooks=deepaffects.webhook_format,
        grpc=deepaffects.grpc_services,
    ),
    Dialect(name=deeptone.NAME, mounts=deeptone.mounts),
    Dialect(name=twilio.NAME, mounts=twilio.mounts),
)


def webhook_formats(settings: Settings) -> dict[str, WebhookFormat]:
    """Dialect -> how its webhooks are written and repeated."""
    return {each.name: each.webhooks(settings) for each in DIALECTS if each.webhooks is not None}
