"""The certificate of the server, for HTTP and gRPC."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from earmark.errors import InvalidOption
from earmark.settings import Settings

__all__ = ["Tls", "read_tls"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tls:
    """Files (PEM) that have been tried."""

    cert: Path
    key: Path


def read_tls(settings: Settings) -> Tls | None:
    """What the settings name, None when they name nothing; raises `InvalidOption`."""
    cert, key = settings.tls_cert, settings.tls_key
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise InvalidOption("TLS needs a certificate and its key: give both or none.")
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise InvalidOption(
            f"{cert} and {key} are no certificate and its key in PEM ({error.strerror or error}): "
            "name others."
        ) from error
    return Tls(cert=cert, key=key)
