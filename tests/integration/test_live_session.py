"""Live sessions on real speech: what they tell, to whom, and when they end."""

from __future__ import annotations

import gc
import random
import threading
import wave
import weakref
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import pytest

from earmark.audio import PcmFormat, open_audio
from earmark.errors import Conflict, Draining, InvalidOption, RateLimited, SessionOver
from earmark.live import (
    CloseReason,
    Ended,
    Event,
    Flushed,
    Identity,
    LiveConfig,
    LiveEngine,
    LiveSession,
    Relabel,
    RelabelReason,
    SpeakerIdentified,
    SpeechStarted,
    Stats,
    TraitsTold,
    TurnState,
    TurnUpdate,
)
from earmark.live._tracker import Tracker
from earmark.settings import Settings
from earmark.traits import TraitKind, TraitOptions
from earmark.voiceprints import SpeechSpan, Voiceprint, VoiceprintExtractor
from people import RATE, People, wav_of
from waiting import until

TELEPHONE = PcmFormat(sample_rate=RATE)
MOST_BYTES = 20_000_000


@pytest.fixture(scope="module")
def engine(models_dir: Path) -> Iterator[LiveEngine]:
    with LiveEngine(Settings(models_dir=models_dir, offline=True, threads=2)) as engine:
        yield engine


@pytest.fixture(scope="module")
def call(sample_wav: Path) -> bytes:
    """14 s of a telephone call, two people: PCM16 at 16 kHz."""
    with wave.open(str(sample_wav), "rb") as file:
        file.setpos(6 * 16_000)
        sound: bytes = file.readframes(14 * 16_000)
    return sound


@pytest.fixture(scope="module")
def extractor(models_dir: Path) -> Iterator[VoiceprintExtractor]:
    settings = Settings(models_dir=models_dir, offline=True, threads=2)
    with VoiceprintExtractor(settings) as extractor:
        yield extractor


def heard(session: LiveSession, sound: bytes, cuts: list[int] | None = None) -> list[Event]:
    """Push all sound, cut as asked, finish, and wait for all events."""
    edges = [0, *sorted(cuts or []), len(sound)]
    for first, last in pairwise(edges):
        session.push(sound[first:last])
    session.finish()
    return list(session.events())


def arrays_of(root: object, seen: set[int]) -> int:
    """Bytes of the arrays that an object holds, but for what was ``seen``, which all of it is."""
    todo, total = [root], 0
    while todo:
        each = todo.pop()
        if id(each) in seen or isinstance(each, type | ModuleType | FunctionType | MethodType):
            continue
        seen.add(id(each))
        if not isinstance(each, np.ndarray):
            todo += gc.get_referents(each)
        elif isinstance(each.base, np.ndarray):
            todo.append(each.base)
        else:
            total += each.nbytes
    return total


def test_a_session_tells_turns_and_ends(engine: LiveEngine, call: bytes) -> None:
    session = LiveSession(LiveConfig(stats_s=5.0), engine=engine)
    events = heard(session, call)
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert isinstance(events[-1], Ended)
    assert (events[-1].reason, events[-1].at) == (CloseReason.FINISHED, 14.0)
    assert any(isinstance(event, SpeechStarted) for event in events)
    assert sum(isinstance(event, Stats) for event in events) == 2
    told: dict[int, list[TurnUpdate]] = {}
    for event in events:
        if isinstance(event, TurnUpdate):
            told.setdefault(event.turn, []).append(event)
    for updates in told.values():
        assert [update.revision for update in updates] == list(range(1, len(updates) + 1))
        assert TurnState.WITHDRAWN not in [update.state for update in updates[:-1]]
    last = {number: updates[-1] for number, updates in told.items()}
    kept = {n: turn for n, turn in last.items() if turn.state != TurnState.WITHDRAWN}
    assert {turn.state for turn in kept.values()} == {TurnState.CONFIRMED}
    view = session.snapshot()
    assert len(view.speakers) == 2
    assert {turn.turn: turn.end for turn in view.turns} == {n: t.end for n, t in kept.items()}
    assert set(view.speakers) == set(session.result.speakers)
    assert session.result.duration == 14.0
    assert arrays_of(session._listener, set()) < 10_000


def test_the_same_sound_tells_the_same_however_it_is_cut_and_whoever_else_speaks(
    engine: LiveEngine, call: bytes, people: People
) -> None:
    config = LiveConfig(
        voiceprints=True, traits=TraitOptions(kinds=(TraitKind.SPEECH, TraitKind.SPEECH_RT))
    )
    call = call[: 6 * 32_000]
    alone = heard(LiveSession(config, engine=engine), call)
    other = LiveSession(LiveConfig(format=TELEPHONE), engine=engine)
    other.push(people.samples("ira", 3.0).tobytes())
    cuts = random.Random(7).sample(range(len(call)), 100)
    session = LiveSession(config, engine=engine)
    among_others = heard(session, call, cuts)
    other.abandon(CloseReason.CANCELED, "Enough was heard.")
    assert other.wait(60)

    def without_stats(events: list[Event]) -> list[Event]:
        return [event for event in events if not isinstance(event, Stats)]

    assert without_stats(among_others) == without_stats(alone)
    assert len(among_others) == len(alone)


def test_speakers_are_named_and_only_by_their_own_session(
    engine: LiveEngine, extractor: VoiceprintExtractor, people: People
) -> None:
    spans = {"june": [SpeechSpan(start=0.0, end=5.0)]}
    gallery = extractor.extract(open_audio(people.wav("june", 5.0, part=2)), spans)

    def recognize(voices: Mapping[str, Voiceprint]) -> Mapping[str, Identity | None]:
        return {label: _identity(voice, gallery) for label, voice in voices.items()}

    sessions = {
        name: LiveSession(LiveConfig(format=TELEPHONE), engine=engine, recognizer=recognize)
        for name in ("june", "carlo")
    }
    for name, session in sessions.items():
        session.push(people.samples(name, 4.0, part=1).tobytes())
        session.finish()
    for name, session in sessions.items():
        events = list(session.events())
        names = {e.name for e in events if isinstance(e, TurnUpdate) and e.name is not None}
        found = [e for e in events if isinstance(e, SpeakerIdentified)]
        assert found
        assert found[0].net_speech_s < 3.0
        known = {name} & set(gallery)
        assert names == known
        assert {e.identity.name for e in found if e.identity is not None} == known
        relabels = [e for e in events if isinstance(e, Relabel)]
        assert {e.target for e in relabels if e.reason == RelabelReason.IDENTIFIED} == known
        view = session.snapshot()
        assert {turn.name for turn in view.turns} - {None} == known


def test_voices_are_those_of_the_same_speech_in_a_recording(
    engine: LiveEngine, extractor: VoiceprintExtractor, people: People
) -> None:
    said = people.samples("carlo", 5.0, part=1)
    session = LiveSession(LiveConfig(format=TELEPHONE, voiceprints=True), engine=engine)
    heard(session, said.tobytes())
    voices = session.voices()
    label = max(voices, key=lambda label: voices[label].net_speech_s)
    turns = [turn for turn in session.result.turns if turn.speaker == label]
    spans = [SpeechSpan(start=turn.start, end=turn.end) for turn in turns]
    expected = extractor.extract(open_audio(wav_of(said)), {label: spans})[label]
    assert voices[label].cosine(expected) > 0.95
    assert voices[label].net_speech_s > 0.6 * expected.net_speech_s


def test_a_recognizer_that_fails_knows_nobody(engine: LiveEngine, people: People) -> None:
    def recognize(voices: Mapping[str, Voiceprint]) -> Mapping[str, Identity | None]:
        raise RateLimited(f"{len(voices)} are too many.", retry_after_s=1.0)

    session = LiveSession(LiveConfig(format=TELEPHONE), engine=engine, recognizer=recognize)
    events = heard(session, people.samples("june", 4.0).tobytes())
    assert not any(isinstance(event, SpeakerIdentified) for event in events)
    assert isinstance(events[-1], Ended)
    assert events[-1].reason == CloseReason.FINISHED


def test_traits_alone_need_no_network_that_tells_people_apart(
    engine: LiveEngine, people: People
) -> None:
    _, runner = engine.load()
    missed = {name: runner.networks.pop(name) for name in ("segmentation-body", "segmentation")}
    options = TraitOptions(kinds=tuple(TraitKind), period_s=0.512)
    config = LiveConfig(format=TELEPHONE, turns=False, traits=options)
    try:
        events = heard(LiveSession(config, engine=engine), people.samples("june", 5.0).tobytes())
    finally:
        runner.networks.update(missed)
    reports = [event.report for event in events if isinstance(event, TraitsTold)]
    starts = [report.start for report in reports]
    assert starts == pytest.approx([0.512 * n for n in range(len(reports))])
    assert reports[-1].end == 5.0
    assert {report.traits[TraitKind.SPEECH].result for report in reports} == {"speech"}
    assert {(report.speaker, report.speakers) for report in reports} == {(None, None)}
    assert {type(event) for event in events} == {TraitsTold, Ended}


def test_traits_tell_who_speaks(engine: LiveEngine, people: People) -> None:
    options = TraitOptions(kinds=(TraitKind.SPEECH,), period_s=1.024)
    session = LiveSession(LiveConfig(format=TELEPHONE, traits=options), engine=engine)
    events = heard(session, people.samples("june", 5.0).tobytes())
    reports = [event.report for event in events if isinstance(event, TraitsTold)]
    (label,) = session.snapshot().speakers
    assert {(report.speaker, report.speakers) for report in reports[1:-1]} == {(label, 1)}


def test_a_flush_tells_of_all_that_was_pushed_and_the_session_goes_on(
    engine: LiveEngine, call: bytes
) -> None:
    options = TraitOptions(kinds=(TraitKind.SPEECH_RT,), period_s=1.0)
    session = LiveSession(LiveConfig(traits=options), engine=engine)
    half = len(call) // 2 // 32_000 * 32_000
    session.push(call[: half + 4_000])
    session.flush()
    told = session.events()
    events: list[Event] = []
    while not (events and isinstance(events[-1], Flushed)):
        events.append(next(told))
    seen: set[int] = set()
    arrays_of(engine.load()[0], seen)
    assert 1_000_000 < arrays_of(session._listener, seen) < MOST_BYTES
    at = len(events) - 1
    session.push(call[half + 4_000 :])
    session.finish()
    events += told
    before = [event for event in events[:at] if isinstance(event, TraitsTold)]
    assert before[-1].report.end == half / 32_000
    reports = [event.report for event in events if isinstance(event, TraitsTold)]
    assert [report.start for report in reports] == [float(n) for n in range(14)]
    assert session.result.duration == 14.0


def test_a_flush_without_new_sound_costs_nothing(
    engine: LiveEngine, call: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []
    flush = Tracker.flush

    def counted(tracker: Tracker, rest: Any) -> Any:
        flushed.append(len(rest))
        return flush(tracker, rest)

    monkeypatch.setattr(Tracker, "flush", counted)
    session = LiveSession(engine=engine)
    for first, last in ((0, 16_200), (16_200, 60_000), (60_000, 60_100), (60_100, 62_000)):
        session.push(call[first:last])  # 16,200 bytes are a step
        session.flush()
        session.flush()
    session.finish()
    told = [event.at for event in session.events() if isinstance(event, Flushed)]
    assert told == [end / 32_000 for end in (16_200, 60_000, 60_100, 62_000) for _ in range(2)]
    assert flushed == [5_700, 6_700]


def test_sound_may_begin_with_silence(engine: LiveEngine, people: People) -> None:
    """Also when the last ten seconds begin in it, between two windows of the analysis."""
    silence = bytes(4 * 2 * RATE)
    said = people.samples("ira", 9.0).tobytes()
    session = LiveSession(LiveConfig(format=TELEPHONE), engine=engine)
    last = heard(session, silence + said)[-1]
    assert isinstance(last, Ended)
    assert last.reason == CloseReason.FINISHED
    assert session.result.turns[0].start == pytest.approx(4.0, abs=0.5)


@pytest.mark.parametrize("options", [{"stats_s": 0.0}, {"speakers": 0}, {"min_speakers": -1}])
def test_a_config_that_makes_no_sense_is_refused(
    engine: LiveEngine, options: dict[str, Any]
) -> None:
    with pytest.raises(InvalidOption):
        LiveSession(LiveConfig(**options), engine=engine)


def test_a_session_that_is_over_takes_no_more(engine: LiveEngine, call: bytes) -> None:
    session = LiveSession(engine=engine)
    with pytest.raises(Conflict, match="not finished"):
        _ = session.result
    session.push(call[:32_000])
    session.finish()
    assert session.wait(60)
    with pytest.raises(SessionOver):
        session.push(b"\0\0")
    with pytest.raises(SessionOver):
        session.flush()
    with pytest.raises(SessionOver):
        session.finish()
    session.abandon(CloseReason.IDLE, "Nobody spoke.")
    events = list(session.events())
    assert isinstance(events[-1], Ended)
    assert events[-1].reason == CloseReason.FINISHED
    assert session.heard_s == 1.0
    assert session.backlog_s == 0.0


def test_an_abandoned_session_ends_with_its_reason(engine: LiveEngine, call: bytes) -> None:
    session = LiveSession(engine=engine)
    session.push(call * 50)
    assert session.backlog_s > 0
    session.abandon(CloseReason.UNREAD, "Nobody reads.")
    last = list(session.events())[-1]
    assert isinstance(last, Ended)
    assert (last.reason, last.message) == (CloseReason.UNREAD, "Nobody reads.")
    assert last.at < 14 * 50
    with pytest.raises(Conflict, match="before its sound did: Nobody reads"):
        _ = session.result
    with pytest.raises(SessionOver):
        session.push(call)


def test_events_go_to_who_asked_for_them_one_at_a_time(engine: LiveEngine, call: bytes) -> None:
    events: list[Event] = []
    threads = set()

    def told(event: Event) -> None:
        threads.add(threading.current_thread().name)
        events.append(event)

    session = LiveSession(engine=engine, on_event=told)
    with pytest.raises(InvalidOption):
        next(session.events())
    session.push(call[: 4 * 32_000])
    session.finish()
    assert session.wait(60)
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert all(name.startswith("earmark-live") for name in threads)


def test_a_defect_ends_one_session_and_no_other(
    engine: LiveEngine, call: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Event] = []

    def broken(event: Event) -> None:
        told.append(event)
        if not isinstance(event, Ended):
            raise ZeroDivisionError

    failing = LiveSession(engine=engine, on_event=broken)
    other = LiveSession(engine=engine)
    failing.push(call)
    events = heard(other, call)
    assert failing.wait(60)
    assert isinstance(told[-1], Ended)
    assert told[-1].reason == CloseReason.FAILED
    assert "ZeroDivisionError" in caplog.text
    assert isinstance(events[-1], Ended)
    assert events[-1].reason == CloseReason.FINISHED


def test_one_that_floods_is_not_waited_for(engine: LiveEngine, people: People) -> None:
    sound = people.samples("carlo", 60.0).tobytes()
    flood = LiveSession(LiveConfig(format=TELEPHONE), engine=engine)
    flood.push(sound * 4)
    paced = LiveSession(LiveConfig(format=TELEPHONE), engine=engine)
    for second in range(4):
        paced.push(sound[second * 2 * RATE : (second + 1) * 2 * RATE])
        paced.flush()
    paced.finish()
    assert paced.wait(60)
    assert flood.backlog_s > 60
    flood.abandon(CloseReason.CANCELED, "Enough was heard.")
    assert flood.wait(60)


def test_an_engine_that_closes_ends_its_sessions(models_dir: Path, call: bytes) -> None:
    with LiveEngine(Settings(models_dir=models_dir, offline=True, threads=1)) as engine:
        session = LiveSession(engine=engine)
        session.push(call)
    last = list(session.events())[-1]
    assert isinstance(last, Ended)
    assert last.reason == CloseReason.SHUTTING_DOWN


def test_an_engine_that_is_closed_meanwhile_opens_no_session(models_dir: Path) -> None:
    engine = LiveEngine(Settings(models_dir=models_dir, offline=True, threads=1))

    def load_and_close() -> Any:
        loaded = LiveEngine.load(engine)
        engine.close()
        return loaded

    engine.load = load_and_close  # type: ignore[method-assign]
    with pytest.raises(Draining):
        LiveSession(engine=engine)


def test_what_is_over_is_freed_without_the_collector(engine: LiveEngine, call: bytes) -> None:
    session = LiveSession(LiveConfig(voiceprints=True), engine=engine, recognizer=lambda _: {})
    heard(session, call[: 5 * 32_000])
    assert session.voices()
    left = weakref.ref(session)
    gc.disable()
    try:
        del session
        until(lambda: left() is None, what="the session to be freed")
    finally:
        gc.enable()


def _identity(voice: Voiceprint, gallery: Mapping[str, Voiceprint]) -> Identity | None:
    cosines = {name: voice.cosine(known) for name, known in gallery.items()}
    best = max(cosines, key=lambda name: cosines[name])
    if cosines[best] < 0.55:
        return None
    return Identity(speaker_id=best, name=best, cosine=cosines[best], llr=5.0, probability=0.99)


def test_a_session_that_waits_for_what_it_did_behind_can_be_abandoned(
    engine: LiveEngine, call: bytes
) -> None:
    told: list[Event] = []
    sessions = [LiveSession(engine=engine, on_event=told.append) for _ in range(2)]
    for session in sessions:
        session.push(2 * call)  # long enough that there is something

    def waits() -> bool:
        return any(
            each._behind is not None and each._listener.due and not each._lane.busy
            for each in sessions
        )

    until(waits, what="work behind that is waited for")
    for session in sessions:
        session.abandon(CloseReason.CANCELED, "Enough was heard.")
    assert all(session.wait(30) for session in sessions)
    ended = [event.reason for event in told if isinstance(event, Ended)]
    assert ended == [CloseReason.CANCELED] * 2
