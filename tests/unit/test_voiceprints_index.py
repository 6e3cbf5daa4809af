"""The index finds what a plain comparison with everybody finds, whatever is put and removed."""

from __future__ import annotations

import hashlib
import struct
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.errors import ForeignVoiceprint, InvalidInput, InvalidOption, VoiceprintError
from earmark.voiceprints import DEFAULT_MODEL, Calibration, Index, Voiceprint

CALIBRATION = Calibration.load()


def voice(seed: int, *, net_speech_s: float = 10.0) -> Voiceprint:
    """A voiceprint in a direction of its own."""
    return Voiceprint(
        vector=np.random.default_rng(seed).standard_normal(448).astype(np.float32),
        model=DEFAULT_MODEL,
        net_speech_s=net_speech_s,
    )


def near(print_: Voiceprint, seed: int, *, net_speech_s: float = 5.0) -> Voiceprint:
    """Another voiceprint of the same voice, at a cosine of about 0.7."""
    noise = np.random.default_rng(seed).standard_normal(448) / np.sqrt(448)
    return Voiceprint(
        vector=(print_.vector + noise).astype(np.float32),
        model=DEFAULT_MODEL,
        net_speech_s=net_speech_s,
    )


def plain_search(
    people: dict[str, list[Voiceprint]], probe: Voiceprint, k: int
) -> list[tuple[str, float]]:
    """Everybody compared one by one, with the calibration's own words."""
    scored = []
    for speaker, prints in people.items():
        llr = CALIBRATION.compare([CALIBRATION.merge(prints)], [probe])
        scored.append((speaker, float(llr[0, 0])))
    return sorted(scored, key=lambda each: (-each[1], each[0]))[:k]


def test_a_search_is_that_of_a_plain_comparison_with_everybody() -> None:
    people = {
        f"p{i}": [voice(100 * i + j, net_speech_s=1.0 + i) for j in range(1 + i % 3)]
        for i in range(40)
    }
    index = Index()
    index.load(people.items())
    probe = near(people["p7"][0], 1)
    hits = index.search(probe, k=12)
    expected = plain_search(people, probe, 12)
    assert [hit.speaker for hit in hits] == [speaker for speaker, _ in expected]
    assert [hit.llr for hit in hits] == pytest.approx([llr for _, llr in expected], abs=1e-5)
    assert hits[0].speaker == "p7"
    assert [hit.probability for hit in hits] == pytest.approx(
        CALIBRATION.probability([hit.llr for hit in hits]).tolist()
    )


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["put", "remove"]), st.integers(0, 9), st.integers(0, 99)),
        max_size=60,
    )
)
def test_putting_and_removing_leaves_what_a_fresh_index_would_hold(
    steps: list[tuple[str, int, int]],
) -> None:
    index = Index(CALIBRATION)
    people: dict[str, list[Voiceprint]] = {}
    for what, person, seed in steps:
        speaker = f"p{person}"
        if what == "put":
            people[speaker] = [voice(seed)]
            index.put(speaker, people[speaker])
        else:
            assert index.remove(speaker) == (people.pop(speaker, None) is not None)
    fresh = Index(CALIBRATION)
    fresh.load(people.items())
    assert len(index) == len(people)
    assert index.search(voice(1000)) == fresh.search(voice(1000))


def test_people_come_from_portable_voiceprints_as_from_others() -> None:
    people = {f"p{i}": [voice(10 * i + j) for j in range(1 + i % 3)] for i in range(30)}
    plain, portable = Index(CALIBRATION), Index(CALIBRATION, room=7)
    plain.load(people.items())
    rows = [(name, each.to_bytes()) for name, prints in people.items() for each in prints]
    portable.load_portable(rows)
    portable.load_portable([])
    assert len(portable) == 30
    assert portable.search(near(people["p8"][1], 1), k=30) == plain.search(
        near(people["p8"][1], 1), k=30
    )
    changed = [("p8", voice(900).to_bytes()), ("p8", voice(901).to_bytes())]
    portable.load_portable(changed)
    plain.put("p8", [voice(900), voice(901)])
    assert portable.search(voice(900), k=3) == plain.search(voice(900), k=3)


@pytest.mark.parametrize("at", [0, 5, 6, 7, 8, 16, 20, 300, 1825])
def test_a_portable_voiceprint_that_is_damaged_is_not_put(at: int) -> None:
    damaged = bytearray(voice(2).to_bytes())
    damaged[at] ^= 0xFF
    index = Index(CALIBRATION)
    with pytest.raises(VoiceprintError):
        index.load_portable([("a", voice(1).to_bytes()), ("b", bytes(damaged))])
    with pytest.raises(VoiceprintError):
        index.load_portable([("a", voice(1).to_bytes()[:-1])])
    assert "b" not in index


def test_a_portable_voiceprint_with_a_right_checksum_is_looked_into_as_well() -> None:
    foreign = Voiceprint(vector=voice(1).vector, model="earmark-9", net_speech_s=1.0)
    with pytest.raises(ForeignVoiceprint):
        Index(CALIBRATION).load_portable([("a", foreign.to_bytes())])
    for at, changed in (
        (6, b"\x09"),
        (8, struct.pack("<d", float("nan"))),
        (27, struct.pack("<f", 2.0)),
    ):
        body = voice(1).to_bytes()[:-8]
        body = body[:at] + changed + body[at + len(changed) :]
        data = body + hashlib.sha256(body).digest()[:8]
        with pytest.raises(VoiceprintError):
            Index(CALIBRATION).load_portable([("a", data)])


def test_the_index_grows_past_its_first_rows() -> None:
    index = Index(CALIBRATION)
    for i in range(300):
        index.put(str(i), [voice(i)])
    assert [index.search(voice(i), k=1)[0].speaker for i in (0, 63, 64, 299)] == [
        "0",
        "63",
        "64",
        "299",
    ]


def test_one_probe_scores_the_same_among_others_and_among_some_people() -> None:
    index = Index(CALIBRATION)
    index.load((str(i), [voice(i)]) for i in range(200))
    probes = [near(voice(i), i) for i in range(5)]
    alone = [index.search(probe, k=3) for probe in probes]
    assert index.search_many(probes, k=3) == alone
    few = {hit.speaker for hit in alone[0]}
    many = {str(i) for i in range(150)} | few
    assert index.search(probes[0], k=3, among=few | {"nobody"}) == alone[0]
    assert index.search(probes[0], k=3, among=many) == alone[0]
    assert index.search(probes[0], among=[]) == []


def test_equals_are_told_by_id() -> None:
    index = Index(CALIBRATION)
    same = voice(1)
    index.load((name, [same]) for name in ("c", "a", "d", "b"))
    assert [hit.speaker for hit in index.search(same, k=2)] == ["a", "b"]


def test_a_removed_vector_is_nowhere_in_the_matrix() -> None:
    index = Index(CALIBRATION)
    index.load((str(i), [voice(i)]) for i in range(10))
    gone = voice(4).vector
    index.remove("4")
    assert not (index._vectors == gone).all(axis=1).any()
    assert not index._vectors[9:].any()


def test_an_empty_index_finds_nobody() -> None:
    assert Index(CALIBRATION).search(voice(1)) == []


def test_what_cannot_be_put_or_searched_is_refused() -> None:
    index = Index(CALIBRATION)
    foreign = Voiceprint(vector=np.ones(448, np.float32), model="other", net_speech_s=1.0)
    short = Voiceprint(vector=np.ones(8, np.float32), model=DEFAULT_MODEL, net_speech_s=1.0)
    with pytest.raises(ForeignVoiceprint):
        index.put("a", [voice(1), foreign])
    with pytest.raises(ForeignVoiceprint):
        index.search(foreign)
    with pytest.raises(VoiceprintError):
        index.put("a", [short])
    with pytest.raises(InvalidInput, match="without a voiceprint"):
        index.put("a", [])
    with pytest.raises(InvalidOption):
        index.search(voice(1), k=0)
    assert len(index) == 0


def test_searches_see_whole_people_while_others_come_and_go() -> None:
    index = Index(CALIBRATION)
    index.load((f"stays{i}", [voice(i)]) for i in range(100))
    over = Event()

    def come_and_go(worker: int) -> None:
        for i in range(100):
            name = f"{worker}-{i % 7}"
            index.put(name, [voice(1000 + worker * 100 + i)])
            index.remove(name)

    def look() -> int:
        looked = 0
        while not over.is_set() or not looked:
            for i in (3, 77):
                first = index.search(voice(i), k=1)[0]
                assert first.speaker == f"stays{i}"
                assert first.cosine == pytest.approx(1.0)
                looked += 1
        return looked

    with ThreadPoolExecutor(4) as threads:
        readers = [threads.submit(look) for _ in range(2)]
        try:
            for writer in [threads.submit(come_and_go, n) for n in range(2)]:
                writer.result()
        finally:
            over.set()
        assert all(reader.result() for reader in readers)
    assert len(index) == 100
