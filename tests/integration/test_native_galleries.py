"""Galleries and the people in them over HTTP: what needs no recording to be heard."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from earmark.service import Scope
from earmark.voiceprints import DEFAULT_MODEL, Quality, Voiceprint
from server import Server, running

CONSENT = {"subject": "Ada Ito", "text": "You may recognise me by my voice."}
SCOPES = (Scope.GALLERIES, Scope.ADMIN)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("galleries"), "--no-worker") as server:
        yield server


@pytest.fixture
def http(server: Server, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """A tenant of this test's own."""
    with _client(server, server.new_key(request.node.name[:60], SCOPES)) as client:
        yield client


def _client(server: Server, key: str) -> httpx.Client:
    client = server.client(key)
    client.base_url = client.base_url.join("/api/v1")
    return client


def _made(answer: httpx.Response, status: int = 201) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    document: dict[str, Any] = answer.json()
    return document


def _refused(answer: httpx.Response, status: int, code: str) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code, answer.text
    return str(answer.json()["detail"])


def _voice(seed: int, *, model: str = DEFAULT_MODEL) -> str:
    """A voiceprint of nobody, as base64."""
    vector = np.random.default_rng(seed).standard_normal(448).astype(np.float32)
    return Voiceprint(
        vector=vector, model=model, net_speech_s=20.0, quality=Quality.GOOD
    ).to_base64()


def _gallery(http: httpx.Client, name: str = "staff") -> str:
    return str(_made(http.post("/galleries", json={"name": name}))["id"])


def _speaker(http: httpx.Client, gallery: str, seed: int, name: str = "Ada Ito") -> dict[str, Any]:
    """Somebody enrolled by a voiceprint."""
    asked = {"name": name, "consent": CONSENT, "voiceprint": _voice(seed)}
    return _made(http.post(f"/galleries/{gallery}/enrolments", json=asked))


def test_a_gallery_is_made_changed_and_deleted(http: httpx.Client) -> None:
    asked = {"name": "staff", "description": "who works here", "details": {"site": "7"}}
    made = _made(http.post("/galleries", json=asked))
    at = f"/galleries/{made['id']}"
    assert made == http.get(at).json()
    assert {name: made[name] for name in asked} == asked
    assert (made["schema"], made["dialect"]) == ("earmark.gallery/1", "native")
    said = _refused(http.post("/galleries", json=asked), 409, "resource.conflict")
    assert "'staff'" in said
    other = _gallery(http, "guests")
    _refused(http.patch(f"/galleries/{other}", json={"name": "staff"}), 409, "resource.conflict")
    changed = _made(http.patch(at, json={"name": "people", "description": ""}), 200)
    assert (changed["name"], changed["description"]) == ("people", "")
    assert changed["details"] == {"site": "7"}
    page = http.get("/galleries", params={"limit": 1}).json()
    rest = http.get("/galleries", params={"cursor": page["cursor"]}).json()
    assert [each["id"] for each in page["items"] + rest["items"]] == [other, made["id"]]
    assert (page["total"], rest["cursor"]) == (2, None)
    person = _speaker(http, made["id"], 1)["speaker"]["id"]
    assert http.delete(at).status_code == 204
    _refused(http.get(at), 404, "resource.not_found")
    _refused(http.get(f"/speakers/{person}"), 404, "resource.not_found")
    (receipt,) = http.get("/receipts").json()["items"]
    assert receipt["speaker_id"] == person


def test_a_person_is_enrolled_changed_and_found_in_the_list(http: httpx.Client) -> None:
    gallery = _gallery(http)
    asked = {"name": "Ada Ito", "details": {"room": "12"}, "consent": CONSENT}
    ada = _made(http.post(f"/galleries/{gallery}/speakers", json=asked))
    at = f"/speakers/{ada['id']}"
    assert (ada["schema"], ada["name"], ada["details"]) == (
        "earmark.speaker/1",
        "Ada Ito",
        {"room": "12"},
    )
    enrolled = _made(http.post(f"{at}/samples", json={"voiceprint": _voice(1)}))
    assert enrolled["speaker"]["id"] == ada["id"]
    assert enrolled["sample"] is None
    assert "voiceprint" in enrolled["voiceprint"]
    assert enrolled["voiceprint"]["voiceprint"] is None
    listed = http.get(f"{at}/voiceprints").json()["items"]
    assert listed == [enrolled["voiceprint"]]
    (portable,) = http.get(f"{at}/voiceprints", params={"portable": "true"}).json()["items"]
    assert Voiceprint.from_base64(portable["voiceprint"]) == Voiceprint.from_base64(_voice(1))
    changed = _made(http.patch(at, json={"name": "Ada Berg"}), 200)
    assert (changed["name"], changed["details"]) == ("Ada Berg", {"room": "12"})
    _speaker(http, gallery, 2, "Bo")
    found = http.get(f"/galleries/{gallery}/speakers", params={"search": "berg"}).json()
    assert [each["id"] for each in found["items"]] == [ada["id"]]
    assert http.get(f"/galleries/{gallery}/speakers").json()["total"] == 2
    assert http.delete(f"{at}/voiceprints/{portable['id']}").status_code == 204
    assert http.get(f"{at}/voiceprints").json()["items"] == []
    late = {"expires_at": "2999-01-01T00:00:00Z"}
    assert "EARMARK_SPEAKER_EXPIRY_S" in _refused(http.patch(at, json=late), 422, "input.option")


def test_consent_is_asked_for_withdrawn_and_given_again(http: httpx.Client) -> None:
    gallery = _gallery(http)
    nobody = {"name": "Bo", "voiceprint": _voice(3)}
    said = _refused(
        http.post(f"/galleries/{gallery}/enrolments", json=nobody), 403, "consent.required"
    )
    assert "consent" in said
    assert http.get(f"/galleries/{gallery}/speakers").json()["total"] == 0
    ada = _speaker(http, gallery, 4)["speaker"]
    at = f"/speakers/{ada['id']}"
    (consent,) = http.get(f"{at}/consents").json()["items"]
    assert {name: consent[name] for name in CONSENT} == CONSENT
    found = {"voiceprint": _voice(4)}
    assert http.post(f"/galleries/{gallery}/search", json=found).json()["match"] is not None
    withdrawn = _made(http.post(f"{at}/consents/withdraw"), 200)
    assert withdrawn["withdrawn_at"] is not None
    assert http.post(f"/galleries/{gallery}/search", json=found).json()["alternatives"] == []
    more = {"voiceprint": _voice(5)}
    _refused(http.post(f"{at}/samples", json=more), 403, "consent.required")
    again = {"subject": "Ada Ito", "text": "Again.", "given_at": "2026-01-31T10:30:00+01:00"}
    given = _made(http.post(f"{at}/consents", json=again))
    assert given["given_at"] == "2026-01-31T09:30:00.000Z"
    assert http.get(at).json()["withdrawn_at"] is None
    assert http.post(f"/galleries/{gallery}/search", json=found).json()["match"] is not None
    assert len(http.get(f"{at}/consents").json()["items"]) == 2


def test_a_voiceprint_finds_its_person_and_no_stranger(http: httpx.Client) -> None:
    gallery, other = _gallery(http), _gallery(http, "others")
    ada, bo = (_speaker(http, gallery, n, name)["speaker"] for n, name in ((6, "Ada"), (7, "Bo")))
    found = _made(http.post(f"/galleries/{gallery}/search", json={"voiceprint": _voice(6)}), 200)
    assert found["schema"] == "earmark.search/1"
    assert (found["match"]["speaker_id"], found["match"]["label"]) == (ada["id"], "Ada")
    assert found["match"]["cosine"] == pytest.approx(1, abs=1e-3)
    assert found["match"]["llr"] > found["threshold"]
    assert [each["speaker_id"] for each in found["alternatives"]] == [ada["id"], bo["id"]]
    scores = [each["llr"] for each in found["alternatives"]]
    assert found["margin"] == pytest.approx(scores[0] - scores[1], abs=1e-3)
    assert (found["false_accept_rate"], found["net_speech"]) == (0.01, 20)
    stranger = {"voiceprint": _voice(8), "alternatives": 1}
    unknown = _made(http.post(f"/galleries/{gallery}/search", json=stranger), 200)
    assert unknown["match"] is None
    assert len(unknown["alternatives"]) == 1
    wide = {"gallery_ids": [other, gallery], "voiceprint": _voice(7)}
    assert _made(http.post("/search", json=wide), 200)["match"]["label"] == "Bo"
    only = {"voiceprint": _voice(7), "speaker_ids": [ada["id"]]}
    assert _made(http.post(f"/galleries/{gallery}/search", json=only), 200)["match"] is None
    _refused(http.post("/search", json={"voiceprint": _voice(7)}), 422, "input.option")


def test_voiceprints_that_cannot_be_compared_are_refused_with_the_reason(
    http: httpx.Client,
) -> None:
    gallery = _gallery(http)
    ada = _speaker(http, gallery, 9)["speaker"]["id"]
    whole = base64.b64decode(_voice(9))
    cut = base64.b64encode(whole[:-9]).decode()
    for sent, code, word in (
        (_voice(9, model="another"), "voiceprint.model", "another"),
        ("no base64 ☂", "voiceprint.invalid", "base64"),
        (cut, "voiceprint.invalid", "damaged"),
        (base64.b64encode(b"something else").decode(), "voiceprint.invalid", "not a voiceprint"),
    ):
        for path, more in (
            (f"/galleries/{gallery}/search", {}),
            (f"/speakers/{ada}/samples", {}),
            ("/identifications", {"url": "https://example.com/a.wav"}),
        ):
            body: dict[str, Any] = {"voiceprint": sent}
            if more:
                body = {"voiceprints": [{"label": "speaker_1", "voiceprint": sent}], **more}
            said = _refused(http.post(path, json=body), 422, code)
            assert word in said.lower(), said
    fifty_one = [{"label": str(n), "voiceprint": _voice(1)} for n in range(51)]
    many = {"url": "https://example.com/a.wav", "voiceprints": fifty_one}
    said = _refused(http.post("/identifications", json=many), 422, "input.option")
    assert "at most 50" in said
    assert _voice(1)[:30] not in said
    fine = many | {"voiceprints": [*fifty_one[:49], fifty_one[49] | {"label": "speaker_00"}]}
    assert http.post("/identifications", json=fine).status_code == 202


def test_hostile_names_come_back_as_they_were(http: httpx.Client) -> None:
    gallery = _gallery(http, "'; DROP TABLE galleries; --")
    names = [
        "Robert'); DROP TABLE speakers;--",
        "<script>alert(1)</script>",
        "../../etc/passwd",
        "%00 %s {0} ${x}",
        "عمر ‮ x 👩‍👩‍👧 ß",
        " spaced ",
    ]
    for number, name in enumerate(names):
        person = _speaker(http, gallery, 20 + number, name)["speaker"]
        assert http.get(f"/speakers/{person['id']}").json()["name"] == name
        sent = {"voiceprint": _voice(20 + number)}
        found = http.post(f"/galleries/{gallery}/search", json=sent).json()
        assert found["match"]["label"] == name
    for bad in ("", "\n", "a\0b", "x" * 257, " "):
        asked = {"name": bad, "consent": CONSENT}
        _refused(http.post(f"/galleries/{gallery}/speakers", json=asked), 422, "input.option")
    assert http.get(f"/galleries/{gallery}/speakers", params={"search": "%"}).json()["total"] == 1


def test_speakers_are_merged_and_split_and_that_is_undone(http: httpx.Client) -> None:
    gallery = _gallery(http)
    ada, bo = (_speaker(http, gallery, n, name)["speaker"] for n, name in ((31, "Ada"), (32, "Bo")))

    def who(seed: int) -> str | None:
        found = http.post(f"/galleries/{gallery}/search", json={"voiceprint": _voice(seed)}).json()
        return None if found["match"] is None else str(found["match"]["label"])

    merged = _made(http.post(f"/speakers/{bo['id']}/merge", json={"into": ada["id"]}), 200)
    assert merged["merged_into"] == ada["id"]
    assert who(32) == "Ada"
    assert _made(http.post(f"/speakers/{bo['id']}/unmerge"), 200)["merged_into"] is None
    assert who(32) == "Bo"
    self_merge = http.post(f"/speakers/{bo['id']}/merge", json={"into": bo["id"]})
    assert self_merge.status_code in (409, 422)
    second = _made(http.post(f"/speakers/{ada['id']}/samples", json={"voiceprint": _voice(33)}))
    asked = {"name": "Cy", "voiceprint_ids": [second["voiceprint"]["id"]]}
    split = _made(http.post(f"/speakers/{ada['id']}/split", json=asked))
    assert split["split_from"] == ada["id"]
    assert (who(31), who(33)) == ("Ada", "Cy")
    http.post(f"/speakers/{split['id']}/merge", json={"into": ada["id"]})
    assert (who(31), who(33)) == ("Ada", "Ada")


def test_an_erasure_is_proven_by_a_receipt(http: httpx.Client) -> None:
    gallery = _gallery(http)
    ada = _speaker(http, gallery, 41)["speaker"]
    receipt = _made(http.delete(f"/speakers/{ada['id']}"), 200)
    assert receipt["speaker_id"] == ada["id"]
    assert "Ada" not in receipt["document"]
    _refused(http.get(f"/speakers/{ada['id']}"), 404, "resource.not_found")
    _refused(http.delete(f"/speakers/{ada['id']}"), 404, "resource.not_found")
    found = http.post(f"/galleries/{gallery}/search", json={"voiceprint": _voice(41)}).json()
    assert found["alternatives"] == []
    assert http.get(f"/receipts/{receipt['id']}").json() == receipt
    assert http.get("/receipts").json()["items"] == [receipt]
    key = Ed25519PublicKey.from_public_bytes(
        base64.b64decode(http.get("/receipts/key").json()["public_key"])
    )
    signature, document = base64.b64decode(receipt["signature"]), receipt["document"]
    key.verify(signature, document.encode())
    with pytest.raises(InvalidSignature):
        key.verify(signature, document.replace(ada["id"], gallery).encode())
    sent = {"document": document, "signature": receipt["signature"]}
    assert http.post("/receipts/verify", json=sent).json()["genuine"]
    other = sent | {"document": document + " "}
    assert not http.post("/receipts/verify", json=other).json()["genuine"]


def test_all_that_is_held_of_one_person_can_be_had(http: httpx.Client) -> None:
    gallery = _gallery(http)
    ada = _speaker(http, gallery, 51)["speaker"]
    answer = http.get(f"/speakers/{ada['id']}/export")
    assert answer.headers["cache-control"] == "no-store"
    text = json.dumps(answer.json())
    for held in ("Ada Ito", CONSENT["text"], _voice(51)):
        assert held in text


def test_the_log_tells_who_did_what_and_holds_no_names(http: httpx.Client) -> None:
    gallery = _gallery(http)
    ada = _speaker(http, gallery, 61)["speaker"]
    http.post(f"/galleries/{gallery}/search", json={"voiceprint": _voice(61)})
    http.get(f"/speakers/{ada['id']}/export")
    http.delete(f"/speakers/{ada['id']}")
    page = http.get("/audit").json()
    actions = [each["action"] for each in reversed(page["items"])]
    expected = ["gallery.create", "speaker.create", "consent.give", "speaker.enrol"]
    assert actions[:4] == expected
    assert actions[4:] == ["speaker.search", "speaker.export", "speaker.erase"]
    assert [each["seq"] for each in page["items"]] == [*range(page["total"], 0, -1)]
    assert "Ada" not in json.dumps(page)
    assert _voice(61)[40:80] not in json.dumps(page)
    of_ada = http.get("/audit", params={"subject": ada["id"], "action": "speaker.erase"}).json()
    assert of_ada["total"] == 1
    check = http.get("/audit/verify").json()
    assert (check["intact"], check["entries"]) == (True, page["total"])
    assert check["last"] == page["items"][0]["hash"]


def test_what_needs_which_scope(server: Server) -> None:
    jobs = server.new_key("scopes", [Scope.JOBS])
    galleries = server.new_key("scopes", [Scope.GALLERIES])
    with _client(server, jobs) as http:
        for path in ("/galleries", "/speakers/x", "/receipts", "/audit"):
            _refused(http.get(path), 403, "key.scope")
    with _client(server, galleries) as http:
        assert http.get("/galleries").status_code == 200
        for path in ("/jobs", "/audit", "/audit/verify"):
            _refused(http.get(path), 403, "key.scope")


def test_requests_that_come_twice_count_once(http: httpx.Client) -> None:
    def twice(
        path: str, body: dict[str, Any] | None, other: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        headers = {"Idempotency-Key": f"once {path}"}
        first, again = (http.post(path, json=body, headers=headers) for _ in range(2))
        assert first.is_success, first.text
        assert again.json() == first.json(), path
        assert again.headers["idempotency-replayed"] == "true", path
        assert "idempotency-replayed" not in first.headers
        if body is not None and other is not None:
            refused = http.post(path, json=body | other, headers=headers)
            _refused(refused, 409, "idempotency.conflict")
        document: dict[str, Any] = first.json()
        return document

    named = {"name": "another"}
    gallery = twice("/galleries", {"name": "staff"}, named)["id"]
    at = f"/galleries/{gallery}"
    ada = twice(f"{at}/speakers", {"name": "Ada", "consent": CONSENT}, named)["id"]
    new = {"name": "Bo", "consent": CONSENT, "voiceprint": _voice(72)}
    bo = twice(f"{at}/enrolments", new, named)["speaker"]["id"]
    sample = {"voiceprint": _voice(71)}
    enrolled = twice(f"/speakers/{ada}/samples", sample, {"replace": True})
    twice(f"/speakers/{ada}/consents", CONSENT, {"text": "another"})
    twice(f"/speakers/{bo}/merge", {"into": ada})
    twice(f"/speakers/{bo}/unmerge", None)
    http.post(f"/speakers/{ada}/samples", json={"voiceprint": _voice(73)})
    split = {"name": "Cy", "voiceprint_ids": [enrolled["voiceprint"]["id"]]}
    twice(f"/speakers/{ada}/split", split, named)
    assert http.get(f"/galleries/{gallery}/speakers").json()["total"] == 3
    assert len(http.get(f"/speakers/{ada}/consents").json()["items"]) == 2


def test_an_enrolment_that_comes_again_erases_nobody(http: httpx.Client) -> None:
    gallery = _gallery(http)
    asked = {"name": "Ada", "consent": CONSENT, "voiceprint": _voice(75)}
    headers = {"Idempotency-Key": "once"}
    at = f"/galleries/{gallery}/enrolments"
    ada = _made(http.post(at, json=asked, headers=headers))["speaker"]["id"]
    other = {"voiceprint": _voice(76), "replace": True}
    _made(http.post(f"/speakers/{ada}/samples", json=other))
    said = _refused(http.post(at, json=asked, headers=headers), 404, "resource.not_found")
    assert "deleted since" in said
    assert http.get(f"/speakers/{ada}").status_code == 200
    assert len(http.get(f"/speakers/{ada}/voiceprints").json()["items"]) == 1
    assert http.get("/receipts").json()["items"] == []


def test_a_foreign_id_answers_as_an_unknown_one(server: Server, http: httpx.Client) -> None:
    gallery = _gallery(http)
    enrolled = _speaker(http, gallery, 81)
    speaker, voiceprint = enrolled["speaker"]["id"], enrolled["voiceprint"]["id"]
    bo = _speaker(http, gallery, 82, "Bo")["speaker"]["id"]
    receipt = http.delete(f"/speakers/{bo}").json()["id"]
    consents = {"subject": "x", "text": "y"}
    probe = {"voiceprint": _voice(81)}
    routes: list[tuple[str, str, str, dict[str, Any] | None]] = [
        ("GET", "/galleries/{}", gallery, None),
        ("PATCH", "/galleries/{}", gallery, {"name": "mine"}),
        ("DELETE", "/galleries/{}", gallery, None),
        ("GET", "/galleries/{}/speakers", gallery, None),
        ("POST", "/galleries/{}/speakers", gallery, {"name": "x", "consent": consents}),
        ("POST", "/galleries/{}/enrolments", gallery, {"name": "x", **probe}),
        ("POST", "/galleries/{}/search", gallery, probe),
        ("GET", "/speakers/{}", speaker, None),
        ("PATCH", "/speakers/{}", speaker, {"name": "x"}),
        ("DELETE", "/speakers/{}", speaker, None),
        ("GET", "/speakers/{}/consents", speaker, None),
        ("POST", "/speakers/{}/consents", speaker, consents),
        ("POST", "/speakers/{}/consents/withdraw", speaker, None),
        ("GET", "/speakers/{}/samples", speaker, None),
        ("POST", "/speakers/{}/samples", speaker, probe),
        ("GET", f"/speakers/{speaker}/samples/{{}}/audio", voiceprint, None),
        ("DELETE", f"/speakers/{speaker}/samples/{{}}", voiceprint, None),
        ("GET", "/speakers/{}/voiceprints", speaker, None),
        ("GET", "/speakers/{}/voiceprints?portable=true", speaker, None),
        ("DELETE", f"/speakers/{speaker}/voiceprints/{{}}", voiceprint, None),
        ("POST", "/speakers/{}/merge", speaker, {"into": speaker}),
        ("POST", "/speakers/{}/unmerge", speaker, None),
        ("POST", "/speakers/{}/split", speaker, {"name": "x", "voiceprint_ids": [voiceprint]}),
        ("GET", "/speakers/{}/export", speaker, None),
        ("GET", "/speakers/{}/recordings", speaker, None),
        ("GET", "/receipts/{}", receipt, None),
    ]
    with _client(server, server.new_key("stranger", SCOPES)) as stranger:
        own = _gallery(stranger, "own")
        for method, path, mine, body in routes:
            unknown = "0" * len(mine)
            answers = [
                stranger.request(
                    method, path.format(each), json=body, headers={"X-Request-ID": "same"}
                )
                for each in (mine, unknown)
            ]
            assert [each.status_code for each in answers] == [404, 404], (path, answers[0].text)
            assert answers[0].text == answers[1].text.replace(unknown, mine), path
        for body in (
            {"gallery_ids": [own, gallery], **probe},
            {"gallery_ids": [own], "speaker_ids": [speaker], **probe},
        ):
            refused = stranger.post("/search", json=body)
            assert refused.status_code == 404, refused.text
        asked = {"url": "https://example.com/a.wav", "gallery_ids": [gallery]}
        _refused(stranger.post("/identifications", json=asked), 404, "resource.not_found")
        asked = {"url": "https://example.com/a.wav", "gallery_ids": [own], "speaker_ids": [speaker]}
        _refused(stranger.post("/identifications", json=asked), 404, "resource.not_found")
        for path in ("/receipts", "/audit"):
            assert speaker not in stranger.get(path).text
    assert http.get(f"/speakers/{speaker}").json() == enrolled["speaker"]
