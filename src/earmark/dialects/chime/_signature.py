"""AWS Signature Version 4, checked from the request as it came.

After "AWS Signature Version 4 for API requests" of the AWS IAM User Guide (canonical request,
string to sign, signing key). What is signed is the method, the path, the query, some headers and
the body: a request that was changed on its way is refused. One that comes again within five minutes
is not told apart from the first.
"""

from __future__ import annotations

import calendar
import hashlib
import hmac
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from earmark.dialects.chime._names import SIGNING_NAME
from earmark.errors import Unauthenticated

__all__ = ["WINDOW_S", "Signature", "SignedRequest"]

WINDOW_S = 300.0
"""How far the time of a request may be from ours, before or after."""

_ALGORITHM = "AWS4-HMAC-SHA256"
_TERMINATOR = "aws4_request"
_TIME = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_FIELDS = re.compile(
    r"Credential=(?P<credential>[^,\s]+),\s*SignedHeaders=(?P<headers>[^,\s]+),\s*"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)
_REGION = re.compile(r"[A-Za-z0-9-]{1,64}")
_UNRESERVED = "-_.~"


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedRequest:
    """A request as it came.

    ``path`` and ``query`` are still percent-encoded, the names of headers in lower case.
    """

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first header of this name."""
        return next((value for each, value in self.headers if each == name), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """What a request says of its signature: by which key, when, for which region."""

    key_id: str
    region: str
    time: str
    headers: tuple[str, ...]
    value: str

    @classmethod
    def of(cls, request: SignedRequest, *, now: float) -> Signature:
        """Read the headers. ``now`` is seconds since 1970.

        Raises `Unauthenticated` when there is no signature, or one for something else, one that
        does not cover enough, one of temporary credentials, or one of another time.
        """
        algorithm, _, fields = (request.header("authorization") or "").partition(" ")
        found = _FIELDS.fullmatch(fields.strip())
        if algorithm != _ALGORITHM or found is None:
            raise Unauthenticated(
                "This request is not signed: it needs a header Authorization of AWS Signature"
                " Version 4, as boto3 sends it."
            )
        if request.header("x-amz-security-token") is not None:
            raise Unauthenticated(
                "This server gives out no session tokens: sign with a key's id and secret alone."
            )
        scope = found["credential"].split("/")
        known = len(scope) == 5 and scope[3:] == [SIGNING_NAME, _TERMINATOR]
        if not known or not _REGION.fullmatch(scope[2]):
            raise Unauthenticated(
                f"The credential scope {found['credential'][:200]!r} is not one of the service"
                f" {SIGNING_NAME!r}."
            )
        key_id, date, region = scope[:3]
        at = request.header("x-amz-date") or ""
        _check_time(at, date, now)
        headers = tuple(found["headers"].split(";"))
        if not {"host", "x-amz-date"} <= set(headers):
            raise Unauthenticated("The headers Host and X-Amz-Date have to be signed.")
        return cls(key_id=key_id, region=region, time=at, headers=headers, value=found["signature"])

    def fits(self, request: SignedRequest, secret: str, *, host: str, prefix: str) -> bool:
        """Whether who knows the secret has signed this request, as sent to ``host``.

        ``prefix`` is what a reverse proxy has taken from the path. Takes as long whether it fits or
        not.
        """
        canonical = "\n".join(
            [
                request.method,
                _canonical_path(prefix + request.path),
                _canonical_query(request.query),
                *(f"{name}:{_value(request, name, host)}" for name in self.headers),
                "",
                ";".join(self.headers),
                hashlib.sha256(request.body).hexdigest(),
            ]
        )
        scope = f"{self.time[:8]}/{self.region}/{SIGNING_NAME}/{_TERMINATOR}"
        hashed = hashlib.sha256(canonical.encode()).hexdigest()
        key = f"AWS4{secret}".encode()
        for part in scope.split("/"):
            key = _hmac(key, part)
        expected = _hmac(key, f"{_ALGORITHM}\n{self.time}\n{scope}\n{hashed}").hex()
        return hmac.compare_digest(expected, self.value)


def _check_time(at: str, date: str, now: float) -> None:
    try:
        sent = calendar.timegm(time.strptime(at, "%Y%m%dT%H%M%SZ")) if _TIME.fullmatch(at) else None
    except ValueError:  # such as the 31st of February
        sent = None
    if sent is None:
        raise Unauthenticated(
            f"The header X-Amz-Date holds {at[:100]!r} where a time such as 20260131T093000Z"
            " belongs."
        )
    if at[:8] != date:
        raise Unauthenticated(
            f"The request is of {at[:8]} and its credential scope of {date[:20]!r}: sign both with"
            " one date."
        )
    if abs(sent - now) > WINDOW_S:
        raise Unauthenticated(
            f"The request was signed at {at}, more than {WINDOW_S / 60:.0f} minutes from this"
            f" server's {time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}: set the clocks right."
        )


def _canonical_path(path: str) -> str:
    """Encoded a second time, as all services but S3 do; no dot segments, no empty ones."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    slash = "/" if kept and path.endswith("/") else ""
    return quote(f"/{'/'.join(kept)}{slash}", safe="/~")


def _canonical_query(query: str) -> str:
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    return "&".join(
        f"{key}={value}" for key, value in sorted((_encoded(k), _encoded(v)) for k, _, v in pairs)
    )


def _encoded(part: str) -> str:
    return quote(unquote_to_bytes(part), safe=_UNRESERVED)


def _value(request: SignedRequest, name: str, host: str) -> str:
    if name == "host":
        return host
    return ",".join(" ".join(value.split()) for each, value in request.headers if each == name)


def _hmac(key: bytes, message: str) -> bytes:
    return hmac.digest(key, message.encode(), hashlib.sha256)
