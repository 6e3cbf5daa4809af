"""The check of signatures against the signer that boto3 uses."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.utils import percent_encode, percent_encode_sequence
from hypothesis import given
from hypothesis import strategies as st

from earmark.dialects.chime._signature import Signature, SignedRequest
from earmark.errors import Unauthenticated

KEY, SECRET = "EKAAAAAAAAAAAAAAAAAA", "Zm9v-YmFy_secret"
HOST = "127.0.0.1:8000"


def signed(
    url: str = f"http://{HOST}/voice-connectors/abc/speaker-search-tasks",
    *,
    method: str = "POST",
    body: bytes = b'{"TransactionId": "tx-1"}',
    headers: dict[str, str] | None = None,
    service: str = "chime",
    region: str = "eu-central-1",
    token: str | None = None,
) -> SignedRequest:
    """A request as boto3 sends it."""
    request = AWSRequest(
        method=method,
        url=url,
        data=body,
        headers=headers or {"Content-Type": "application/json"},
    )
    SigV4Auth(Credentials(KEY, SECRET, token), service, region).add_auth(request)
    prepared = request.prepare()
    parts = urlsplit(str(prepared.url))
    sent = {"host": parts.netloc, **{k.lower(): v for k, v in _text(prepared.headers).items()}}
    return SignedRequest(
        method=method,
        path=parts.path,
        query=parts.query,
        headers=tuple(sent.items()),
        body=body,
    )


def _text(headers: Any) -> dict[str, str]:
    return {
        str(name): value.decode() if isinstance(value, bytes) else str(value)
        for name, value in headers.items()
    }


def fits(
    request: SignedRequest, *, host: str = HOST, prefix: str = "", secret: str = SECRET
) -> bool:
    signature = Signature.of(request, now=time.time())
    assert signature.key_id == KEY
    return signature.fits(request, secret, host=host, prefix=prefix)


def changed(request: SignedRequest, **values: Any) -> SignedRequest:
    known = {name: getattr(request, name) for name in SignedRequest.__slots__}
    return SignedRequest(**{**known, **values})


def without(request: SignedRequest, name: str, value: str | None = None) -> SignedRequest:
    headers = [(k, v) for k, v in request.headers if k != name]
    return changed(request, headers=headers + ([(name, value)] if value is not None else []))


@pytest.mark.parametrize(
    "path",
    [
        "/voice-connectors",
        "/voice-connectors/",
        "/voice-connectors/x%20y%2Fz/speaker-search-tasks/a%3Ab?operation=stop",
        "/voice-profiles?voice-profile-domain-id=a%20b&next-token=x%2By%3D&max-results=2",
        "/voice-profiles?b=2&a=1&a=0&flag",
        "/tags?arn=arn%3Aaws%3Achime%3A%3A1%3Avc%2F1",
        "/voice-connectors/../voice-profiles/./a//b",
        "/voice-connectors/%C3%A9~-._",
    ],
)
@pytest.mark.parametrize("region", ["us-east-1", "anything-9"])
def test_what_boto3_signs_fits(path: str, region: str) -> None:
    for method, body in (("GET", b""), ("POST", b'{"Name": "\xc3\xa9"}')):
        assert fits(signed(f"http://{HOST}{path}", method=method, body=body, region=region))


@given(
    segments=st.lists(st.text(min_size=1, max_size=8), max_size=4),
    query=st.dictionaries(st.text(min_size=1, max_size=6), st.text(max_size=6), max_size=4),
    body=st.binary(max_size=40),
)
def test_any_path_query_and_body_fits(
    segments: list[str], query: dict[str, str], body: bytes
) -> None:
    path = "/".join(percent_encode(_encodable(each), safe="-._~") for each in segments)
    pairs = percent_encode_sequence([(_encodable(k), _encodable(v)) for k, v in query.items()])
    assert fits(signed(f"http://{HOST}/tags/{path}?{pairs}", body=body))


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def test_a_proxys_prefix_and_host_are_put_back() -> None:
    request = signed("https://voice.example.com/earmark/voice-connectors")
    behind = changed(request, path="/voice-connectors")
    assert fits(behind, host="voice.example.com", prefix="/earmark")
    assert not fits(behind, host="voice.example.com")
    assert not fits(behind, host="10.0.0.1:8000", prefix="/earmark")


@pytest.mark.parametrize(
    "tampered",
    [
        {"body": b'{"TransactionId": "tx-2"}'},
        {"method": "PUT"},
        {"path": "/voice-connectors/other/speaker-search-tasks"},
        {"query": "operation=stop"},
    ],
)
def test_a_changed_request_does_not_fit(tampered: dict[str, Any]) -> None:
    request = signed()
    assert fits(request)
    assert not fits(changed(request, **tampered))


def test_a_changed_signed_header_or_another_secret_does_not_fit() -> None:
    request = signed()
    assert not fits(without(request, "content-type", "text/plain"))
    assert not fits(request, secret=SECRET[::-1])
    assert fits(without(request, "amz-sdk-request", "attempt=2")), "it is not signed"


@pytest.mark.parametrize("away_s", [-301.0, 301.0])
def test_another_time_is_refused(away_s: float) -> None:
    request = signed()
    Signature.of(request, now=time.time() + away_s * 0.99)
    with pytest.raises(Unauthenticated, match="5 minutes"):
        Signature.of(request, now=time.time() + away_s + (1 if away_s > 0 else -1))


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (signed(service="voice-chime"), "credential scope"),
        (signed(token="session"), "session tokens"),
        (without(signed(), "authorization"), "not signed"),
        (without(signed(), "authorization", "Bearer em_x"), "not signed"),
        (without(signed(), "authorization", "AWS4-HMAC-SHA256 Credential=x"), "not signed"),
        (without(signed(), "x-amz-date"), "X-Amz-Date"),
        (without(signed(), "x-amz-date", "20260231T000000Z"), "X-Amz-Date"),
        (without(signed(), "x-amz-date", "20200131T000000Z"), "one date"),
    ],
)
def test_what_is_no_signature_for_this_service_is_refused(
    request_: SignedRequest, message: str
) -> None:
    with pytest.raises(Unauthenticated, match=message):
        Signature.of(request_, now=time.time())


def test_host_and_time_have_to_be_signed() -> None:
    request = signed()
    line = str(request.header("authorization"))
    for name in ("host", "x-amz-date"):
        less = line.replace(f";{name}", "").replace(f"{name};", "")
        assert less != line
        with pytest.raises(Unauthenticated, match="have to be signed"):
            Signature.of(without(request, "authorization", less), now=time.time())
