"""Every operation but the search itself, by boto3 against a running server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import botocore.auth
import httpx
import pytest
from botocore.awsrequest import AWSResponse

from chime import KMS, REGION, ChimeServer, refused
from earmark.service import Scope
from server import Server, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Runs no jobs; is also reached as voice.example.com/earmark, behind a proxy."""
    settings = {"EARMARK_ROOT_PATH": "/earmark"}
    with running(tmp_path_factory.mktemp("chime"), "--no-worker", settings=settings) as server:
        yield server


@pytest.fixture(scope="module")
def acme(server: Server) -> ChimeServer:
    return ChimeServer(server, "acme")


@pytest.fixture
def client(acme: ChimeServer) -> Any:
    return acme.client


def status(answer: dict[str, Any]) -> int:
    return int(answer["ResponseMetadata"]["HTTPStatusCode"])


def test_a_connector_is_made_shown_changed_and_deleted(client: Any) -> None:
    made = client.create_voice_connector(
        Name="front desk", RequireEncryption=True, NetworkType="DUAL_STACK"
    )
    assert status(made) == 201
    connector = made["VoiceConnector"]
    named = {"VoiceConnectorId": connector["VoiceConnectorId"]}
    assert (connector["Name"], connector["RequireEncryption"]) == ("front desk", True)
    assert (connector["AwsRegion"], connector["NetworkType"]) == (REGION, "DUAL_STACK")
    assert abs(connector["CreatedTimestamp"] - datetime.now(UTC)) < timedelta(minutes=1)
    assert client.get_voice_connector(**named)["VoiceConnector"] == connector

    changed = client.update_voice_connector(**named, Name="back door", RequireEncryption=False)
    changed = changed["VoiceConnector"]
    assert (changed["Name"], changed["RequireEncryption"]) == ("back door", False)
    assert changed["VoiceConnectorArn"] == connector["VoiceConnectorArn"]
    assert changed["UpdatedTimestamp"] > connector["UpdatedTimestamp"]

    assert status(client.delete_voice_connector(**named)) == 204
    for call in (client.get_voice_connector, client.delete_voice_connector):
        refused(client, "NotFoundException", call, **named)


def test_a_streaming_configuration_is_kept_with_its_connector(acme: ChimeServer) -> None:
    client, named = acme.client, {"VoiceConnectorId": acme.connector()}
    refused(client, "NotFoundException",
            client.get_voice_connector_streaming_configuration, **named)  # fmt: skip
    wanted = {
        "DataRetentionInHours": 2,
        "Disabled": False,
        "StreamingNotificationTargets": [{"NotificationTarget": "EventBridge"}],
        "MediaInsightsConfiguration": {"Disabled": False, "ConfigurationArn": "arn:aws:chime:x"},
    }
    put = client.put_voice_connector_streaming_configuration(**named, StreamingConfiguration=wanted)
    got = client.get_voice_connector_streaming_configuration(**named)
    assert put["StreamingConfiguration"] == got["StreamingConfiguration"] == wanted
    gone = client.delete_voice_connector_streaming_configuration(**named)
    assert status(gone) == 204
    refused(client, "NotFoundException",
            client.get_voice_connector_streaming_configuration, **named)  # fmt: skip


def test_a_domain_is_made_shown_changed_and_deleted(client: Any) -> None:
    made = client.create_voice_profile_domain(
        Name="callers",
        Description="who calls",
        ServerSideEncryptionConfiguration={"KmsKeyArn": KMS},
    )
    assert status(made) == 201
    domain = made["VoiceProfileDomain"]
    named = {"VoiceProfileDomainId": domain["VoiceProfileDomainId"]}
    assert (domain["Name"], domain["Description"]) == ("callers", "who calls")
    assert domain["ServerSideEncryptionConfiguration"] == {"KmsKeyArn": KMS}
    assert client.get_voice_profile_domain(**named)["VoiceProfileDomain"] == domain
    changed = client.update_voice_profile_domain(**named, Description="who calls often")
    assert changed["VoiceProfileDomain"]["Description"] == "who calls often"
    assert changed["VoiceProfileDomain"]["Name"] == "callers"
    assert client.list_voice_profiles(**named)["VoiceProfiles"] == []
    assert status(client.delete_voice_profile_domain(**named)) == 204
    for call in (client.get_voice_profile_domain, client.list_voice_profiles):
        refused(client, "NotFoundException", call, **named)


def test_a_token_makes_one_domain_of_two_requests(acme: ChimeServer) -> None:
    first = acme.domain("once", ClientRequestToken="token-1")
    assert acme.domain("once", ClientRequestToken="token-1") == first
    assert acme.domain("once", ClientRequestToken="token-2") != first
    message = refused(
        acme.client, "ConflictException", acme.client.create_voice_profile_domain,
        Name="another", ServerSideEncryptionConfiguration={"KmsKeyArn": KMS},
        ClientRequestToken="token-1",
    )  # fmt: skip
    assert "token-1" in message


def test_lists_come_in_pages(server: Server) -> None:
    ours = ChimeServer(server, "pages")
    made = [ours.connector(f"connector {i}") for i in range(5)]
    domains = [ours.domain(f"domain {i}") for i in range(3)]

    def read(call: Any, name: str, key: str, **asked: Any) -> list[str]:
        ids: list[str] = []
        token: dict[str, str] = {}
        while True:
            page = call(MaxResults=2, **token, **asked)
            assert len(page[name]) <= 2
            ids += [each[key] for each in page[name]]
            if "NextToken" not in page:
                return ids
            token = {"NextToken": page["NextToken"]}

    client = ours.client
    listed = read(client.list_voice_connectors, "VoiceConnectors", "VoiceConnectorId")
    assert listed == made[::-1]
    listed = read(client.list_voice_profile_domains, "VoiceProfileDomains", "VoiceProfileDomainId")
    assert listed == domains[::-1]
    (first, *_) = client.list_voice_profile_domains()["VoiceProfileDomains"]
    assert "ServerSideEncryptionConfiguration" not in first
    for wrong in ("nonsense", "x" * 2000):
        refused(client, "BadRequestException", client.list_voice_connectors, NextToken=wrong)


def test_tags_are_put_listed_and_removed(acme: ChimeServer) -> None:
    client = acme.client
    tagged = client.create_voice_connector(
        Name="tagged", RequireEncryption=False, Tags=[{"Key": "site", "Value": "north"}]
    )["VoiceConnector"]
    domain = client.get_voice_profile_domain(VoiceProfileDomainId=acme.domain())
    arns = [
        tagged["VoiceConnectorArn"],
        domain["VoiceProfileDomain"]["VoiceProfileDomainArn"],
    ]
    for arn in arns:
        tags = [{"Key": "team", "Value": "a"}, {"Key": "site", "Value": "south"}]
        assert status(client.tag_resource(ResourceARN=arn, Tags=tags)) == 204
        listed = client.list_tags_for_resource(ResourceARN=arn)["Tags"]
        assert listed == sorted(tags, key=lambda tag: tag["Key"])
        assert status(client.untag_resource(ResourceARN=arn, TagKeys=["team", "none"])) == 204
        listed = client.list_tags_for_resource(ResourceARN=arn)["Tags"]
        assert listed == [{"Key": "site", "Value": "south"}]
    many = [{"Key": f"k{i}", "Value": ""} for i in range(50)]
    message = refused(client, "BadRequestException", client.tag_resource, ResourceARN=arns[0],
                      Tags=many)  # fmt: skip
    assert "at most 50" in message
    gone = arns[0].replace("/", "/x")
    for arn in (gone, arns[0].replace(":vc/", ":meeting/"), "arn:aws:s3:::bucket"):
        refused(client, "NotFoundException", client.list_tags_for_resource, ResourceARN=arn)


def test_unknown_names_are_told_apart_from_bad_ones(acme: ChimeServer) -> None:
    client, connector, domain = acme.client, acme.connector(), acme.domain()
    known = {"VoiceConnectorId": connector, "VoiceProfileDomainId": domain, "TransactionId": "t"}
    message = refused(client, "NotFoundException", client.start_speaker_search_task, **known)
    assert "There is no call 't'" in message
    with acme.http() as http:
        http.put(f"/api/v1/calls/{connector}/t")
    for unknown in ("VoiceConnectorId", "VoiceProfileDomainId", "TransactionId"):
        refused(client, "NotFoundException", client.start_speaker_search_task,
                **{**known, unknown: "nobody"})  # fmt: skip
    refused(client, "NotFoundException", client.get_speaker_search_task,
            VoiceConnectorId="x y/z", SpeakerSearchTaskId="a?b")  # fmt: skip
    refused(client, "NotFoundException", client.get_speaker_search_task,
            VoiceConnectorId=connector, SpeakerSearchTaskId="é ?&=+")  # fmt: skip
    refused(client, "NotFoundException", client.create_voice_profile, SpeakerSearchTaskId="x")
    refused(client, "NotFoundException", client.get_voice_profile, VoiceProfileId="x")
    refused(client, "BadRequestException", client.create_voice_connector,
            Name="no/slash", RequireEncryption=False)  # fmt: skip
    refused(client, "BadRequestException", client.start_speaker_search_task,
            **{**known, "TransactionId": " "})  # fmt: skip


def test_a_task_is_the_same_for_the_same_token(acme: ChimeServer) -> None:
    client, connector = acme.client, acme.connector()
    with acme.http() as http:
        http.put(f"/api/v1/calls/{connector}/t")
    asked = {
        "VoiceConnectorId": connector,
        "TransactionId": "t",
        "VoiceProfileDomainId": acme.domain(),
        "ClientRequestToken": "tok",
    }
    first = client.start_speaker_search_task(**asked)
    assert status(first) == 201
    again = client.start_speaker_search_task(**asked)
    assert again["SpeakerSearchTask"] == first["SpeakerSearchTask"]
    assert first["SpeakerSearchTask"]["CallDetails"]["IsCaller"] is True
    refused(client, "ConflictException", client.start_speaker_search_task,
            **asked, CallLeg="Callee")  # fmt: skip
    task = first["SpeakerSearchTask"]["SpeakerSearchTaskId"]
    refused(client, "NotFoundException", client.get_speaker_search_task,
            VoiceConnectorId=acme.connector(), SpeakerSearchTaskId=task)  # fmt: skip
    refused(client, "ConflictException", client.delete_voice_connector,
            VoiceConnectorId=connector)  # fmt: skip


def test_voice_tone_analysis_is_not_offered(acme: ChimeServer) -> None:
    client, named = acme.client, {"VoiceConnectorId": acme.connector()}
    task = {**named, "VoiceToneAnalysisTaskId": "x"}
    for call, asked in (
        (client.start_voice_tone_analysis_task, {**named, "TransactionId": "t",
                                                 "LanguageCode": "en-US"}),
        (client.get_voice_tone_analysis_task, {**task, "IsCaller": True}),
        (client.stop_voice_tone_analysis_task, task),
    ):  # fmt: skip
        assert "not offered by this server" in refused(client, "ForbiddenException", call, **asked)


def test_tenants_do_not_see_each_other(server: Server, acme: ChimeServer) -> None:
    other = ChimeServer(server, "other")
    connector, domain = acme.connector(), acme.domain()
    arn = acme.client.get_voice_connector(VoiceConnectorId=connector)["VoiceConnector"][
        "VoiceConnectorArn"
    ]
    assert other.client.list_voice_connectors()["VoiceConnectors"] == []
    assert other.client.list_voice_profile_domains()["VoiceProfileDomains"] == []
    for call, asked in (
        (other.client.get_voice_connector, {"VoiceConnectorId": connector}),
        (other.client.delete_voice_connector, {"VoiceConnectorId": connector}),
        (other.client.get_voice_profile_domain, {"VoiceProfileDomainId": domain}),
        (other.client.list_tags_for_resource, {"ResourceARN": arn}),
    ):
        refused(other.client, "NotFoundException", call, **asked)
    with other.http() as http:
        assert http.put(f"/api/v1/calls/{connector}/t").status_code == 404


def test_a_key_needs_its_scopes(server: Server) -> None:
    jobs_only = ChimeServer(server, "acme", [Scope.JOBS])
    assert jobs_only.client.list_voice_connectors()["ResponseMetadata"]["HTTPStatusCode"] == 200
    message = refused(jobs_only.client, "ForbiddenException",
                      jobs_only.client.list_voice_profile_domains)  # fmt: skip
    assert "galleries" in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"secret": "wrong"}, "does not fit"),
        ({"aws_session_token": "token"}, "session tokens"),
    ],
)
def test_other_signatures_are_refused(
    acme: ChimeServer, options: dict[str, Any], message: str
) -> None:
    client = acme.boto3(**options)
    assert message in refused(client, "UnauthorizedClientException", client.list_voice_connectors)


def test_an_old_signature_an_unknown_and_a_revoked_key_are_refused(
    server: Server, acme: ChimeServer
) -> None:
    then = datetime.now(UTC) - timedelta(minutes=6)
    with patch.object(botocore.auth, "get_current_datetime", lambda: then):
        message = refused(acme.client, "UnauthorizedClientException",
                          acme.client.list_voice_connectors)  # fmt: skip
    assert "5 minutes" in message

    gone = ChimeServer(server, "acme")
    gone.revoke()
    message = refused(gone.client, "UnauthorizedClientException",
                      gone.client.list_voice_connectors)  # fmt: skip
    assert "revoked" in message
    plain = httpx.get(f"{server.url}/voice-connectors", headers=server.headers, trust_env=False)
    assert plain.status_code == 401
    assert plain.headers["x-amzn-ErrorType"] == "UnauthorizedClientException"
    assert plain.json()["Code"] == "Unauthorized"


def test_a_client_may_stand_before_a_proxy(server: Server, acme: ChimeServer) -> None:
    """The proxy takes the prefix away and says what host was asked for."""
    client = acme.boto3(url="http://voice.example.com/earmark")

    def through_the_proxy(request: Any, **_: Any) -> Any:
        path = request.url.removeprefix("http://voice.example.com/earmark")
        answer = httpx.request(
            request.method,
            server.url + path,
            headers={**_text(request.headers), "X-Forwarded-Host": "voice.example.com"},
            content=request.body or b"",
            trust_env=False,
        )
        raw = type("Raw", (), {"stream": lambda *_: iter([answer.content])})()
        return AWSResponse(request.url, answer.status_code, answer.headers, raw)

    client.meta.events.register("before-send.chime-sdk-voice", through_the_proxy)
    made = client.create_voice_connector(Name="far away", RequireEncryption=False)
    named = {"VoiceConnectorId": made["VoiceConnector"]["VoiceConnectorId"]}
    assert client.get_voice_connector(**named)["VoiceConnector"]["Name"] == "far away"
    assert client.list_voice_connectors(MaxResults=1)["VoiceConnectors"]


def _text(headers: Any) -> dict[str, str]:
    return {
        str(name): value.decode() if isinstance(value, bytes) else str(value)
        for name, value in headers.items()
    }


def test_refusals_have_header_and_body(acme: ChimeServer) -> None:
    client = acme.client
    with pytest.raises(client.exceptions.NotFoundException) as caught:
        client.get_voice_connector(VoiceConnectorId="nobody")
    headers = caught.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amzn-errortype"] == "NotFoundException"
    assert caught.value.response["ResponseMetadata"]["RequestId"]
    answer = httpx.get(f"{acme.server.url}/voice-profiles/x/y/z", trust_env=False)
    assert json.loads(answer.text)["Code"] == "NotFound"
    assert set(answer.json()) == {"Code", "Message"}


def test_a_body_without_measure_is_refused_before_it_is_checked(acme: ChimeServer) -> None:
    message = refused(
        acme.client, "BadRequestException", acme.client.create_voice_profile_domain,
        Name="long", Description="x" * (2 << 20),
        ServerSideEncryptionConfiguration={"KmsKeyArn": KMS},
    )  # fmt: skip
    assert "at most 2097152 bytes" in message
