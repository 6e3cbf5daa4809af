"""Live sessions as the service hosts them: limits, names, ends, resumption, on the real engine."""

from __future__ import annotations

import asyncio
import threading
import wave
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from callers import new_caller
from earmark.audio import PcmFormat
from earmark.dialects import _live
from earmark.dialects._live import LiveFeed
from earmark.errors import Draining, Forbidden, NotFound, RateLimited, SessionOver, Unavailable
from earmark.live import CloseReason, Ended, Event, LiveConfig, SpeakerIdentified, Stats, TurnUpdate
from earmark.service import Caller, IdentifyOptions, LiveStream, NewConsent, Scope, Service, Store
from earmark.settings import Settings
from people import People
from waiting import until

LIMITS: dict[str, Any] = {
    "live_idle_s": 1.5,
    "live_resume_s": 0.5,
    "live_longest_s": 20.0,
    "live_sessions_per_tenant": 2,
    "live_sessions": 3,
    "live_unread_events": 20,
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("live")
    settings = Settings(data_dir=folder, models_dir=models_dir, offline=True, **LIMITS)
    service = Service(Store.open(settings))
    yield service
    service.close()


@pytest.fixture
def caller(service: Service, request: pytest.FixtureRequest) -> Caller:
    """Of a tenant for each test."""
    return new_caller(service.store, request.node.name, Scope.LIVE, Scope.GALLERIES)


@pytest.fixture(scope="module")
def sound(sample_wav: Path) -> bytes:
    """15 s of a telephone call, PCM16 at 16 kHz."""
    with wave.open(str(sample_wav)) as recording:
        recording.setpos(6 * 16_000)
        return bytes(recording.readframes(15 * 16_000))


def as_admin(caller: Caller) -> Caller:
    return replace(caller, scopes=frozenset({Scope.ADMIN}))


class Heard(list[Event]):
    """The events of a stream."""

    @property
    def end(self) -> Ended | None:
        return next((event for event in self if isinstance(event, Ended)), None)

    def wait(self) -> Ended:
        return until(lambda: self.end, what="the end of the session")


def opened(
    service: Service, caller: Caller, *, resumable: bool = False
) -> tuple[LiveStream, Heard]:
    heard = Heard()
    stream = service.live.open(caller, LiveConfig(), on_event=heard.append, resumable=resumable)
    return stream, heard


def test_nobody_has_more_sessions_open_than_they_may(service: Service, caller: Caller) -> None:
    other = new_caller(service.store, "other", Scope.LIVE)
    streams = [opened(service, caller)[0] for _ in range(2)]
    with pytest.raises(RateLimited, match="EARMARK_LIVE_SESSIONS_PER_TENANT"):
        opened(service, caller)
    streams.append(opened(service, other)[0])
    with pytest.raises(Unavailable, match="EARMARK_LIVE_SESSIONS"):
        opened(service, other)
    assert service.live.count == 3
    for stream in streams:
        stream.lost()
    until(lambda: service.live.count == 0, what="sessions to end")


def test_who_does_not_read_is_ended_and_let_go(
    service: Service, caller: Caller, sound: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_live, "_PATIENCE_S", 0.05)

    async def stuck() -> None:
        async with LiveFeed.open(service, caller, LiveConfig(), dialect="native") as feed:
            await feed.push(sound)
            await asyncio.Event().wait()

    with pytest.raises(SessionOver, match="EARMARK_LIVE_UNREAD_EVENTS"):
        asyncio.run(stuck())
    assert service.live.endings[CloseReason.UNREAD] == 1


def test_a_key_needs_the_scope(service: Service) -> None:
    with pytest.raises(Forbidden, match="live"):
        opened(service, new_caller(service.store, "jobs only", Scope.JOBS))
    live = new_caller(service.store, "live only", Scope.LIVE)
    with pytest.raises(Forbidden, match="galleries"):
        service.live.open(
            live, LiveConfig(), identify=IdentifyOptions(galleries=("g",)), on_event=print
        )
    assert service.live.count == 0


def test_who_is_silent_is_ended_and_no_thread_stays(
    service: Service, caller: Caller, sound: bytes
) -> None:
    stream, heard = opened(service, caller)
    stream.push(sound[:32_000])
    assert heard.wait().reason is CloseReason.IDLE
    stream.lost()
    until(
        lambda: "earmark-live-clock" not in {each.name for each in threading.enumerate()},
        what="the clock to stop",
    )
    with pytest.raises(SessionOver):
        stream.push(sound[:320])


def test_who_sends_too_much_is_ended(service: Service, caller: Caller, sound: bytes) -> None:
    stream, heard = opened(service, caller)
    stream.push(sound)
    stream.push(sound)
    assert heard.wait().reason is CloseReason.TOO_LONG
    stream.lost()


def test_a_session_goes_on_where_it_was_lost(
    service: Service, caller: Caller, sound: bytes
) -> None:
    whole, straight = opened(service, caller)
    whole.push(sound)
    whole.finish()
    straight.wait()
    whole.lost()

    first, before = opened(service, caller, resumable=True)
    first.push(sound[:200_001])  # in the middle of a sample
    until(lambda: any(isinstance(each, TurnUpdate) for each in before), what="a turn")
    first.acknowledge(before[0].number)
    first.lost()
    assert first.token is not None
    after = Heard()
    second = service.live.resume(caller, first.token, after=1, on_event=after.append)
    assert second.received_bytes == 200_001
    with pytest.raises(SessionOver, match="another connection"):
        first.push(sound[200_001:])
    second.push(sound[200_001:])
    second.finish()
    after.wait()
    told = [each for each in (before[0], *after) if not isinstance(each, Stats)]
    assert told == [each for each in straight if not isinstance(each, Stats)]
    second.lost()


def test_a_later_connection_takes_the_session_from_an_earlier_one(
    service: Service, caller: Caller
) -> None:
    replaced = threading.Event()
    first = service.live.open(
        caller, LiveConfig(), on_event=print, on_replaced=replaced.set, resumable=True
    )
    assert first.token is not None
    second = service.live.resume(caller, first.token, after=0, on_event=print)
    assert replaced.wait(10)
    with pytest.raises(SessionOver):
        first.flush()
    first.abandon(CloseReason.CANCELED, "no effect")
    first.lost()
    second.push(bytes(320))
    assert second.received_bytes == 320
    assert not second.over
    second.abandon(CloseReason.CANCELED, "effect")
    until(lambda: second.over, what="the end")
    second.lost()


def test_a_token_opens_nothing_for_another_tenant_nor_when_it_is_too_late(
    service: Service, caller: Caller
) -> None:
    stream, heard = opened(service, caller, resumable=True)
    assert stream.token is not None
    stranger = new_caller(service.store, "stranger", Scope.LIVE)
    for who, token in ((stranger, stream.token), (caller, stream.token[:-1])):
        with pytest.raises(SessionOver, match="opens no live session"):
            service.live.resume(who, token, after=0, on_event=print)
    assert service.live.listing(stranger) == ()
    with pytest.raises(NotFound):
        service.live.cancel(stranger, stream.id)
    with pytest.raises(SessionOver, match="number 7"):
        service.live.resume(caller, stream.token, after=7, on_event=print)
    stream.lost()
    until(lambda: service.live.count == 0, what="the session to be given up")
    with pytest.raises(SessionOver, match="opens no live session"):
        until(
            lambda: service.live.resume(caller, str(stream.token), after=0, on_event=print) is None,
            what="the session to be forgotten",
        )
    assert heard.end is None  # the connection was gone


def test_a_session_ends_by_request_and_with_its_key(service: Service) -> None:
    made = service.keys.create("keyed", [Scope.LIVE], "a test's")
    caller = service.keys.authenticate(made.token)
    stream, heard = opened(service, caller)
    assert [each.id for each in service.live.listing(caller)] == [stream.id]
    service.live.cancel(caller, stream.id)
    assert heard.wait().reason is CloseReason.CANCELED
    stream.lost()

    stream, heard = opened(service, caller)
    service.keys.revoke(made.id)
    assert heard.wait().reason is CloseReason.REVOKED
    stream.lost()


def test_who_speaks_is_named_and_every_search_is_on_record(
    service: Service, caller: Caller, people: People
) -> None:
    agreed = NewConsent(subject="the person", text="You may recognise me by my voice.")
    staff = service.galleries.create(caller, name="staff")
    june = service.speakers.create(caller, staff.id, name="June", consent=agreed)
    heard = Heard()
    stream = service.live.open(
        caller,
        LiveConfig(format=PcmFormat(sample_rate=8000), voiceprints=True),
        on_event=heard.append,
    )
    stream.push(people.samples("june", 7.0).tobytes())
    stream.finish()
    heard.wait()
    (voice,) = stream.voices().values()
    stream.lost()
    service.enrolment.enroll_voiceprint(caller, june.id, voice)

    among = IdentifyOptions(galleries=(staff.id,))
    heard = Heard()
    stream = service.live.open(
        caller,
        LiveConfig(format=PcmFormat(sample_rate=8000)),
        identify=among,
        on_event=heard.append,
    )
    stream.push(people.samples("june", 5.0, part=1).tobytes())
    stream.finish()
    heard.wait()
    stream.lost()
    names = [each.identity for each in heard if isinstance(each, SpeakerIdentified)]
    assert [each and (each.speaker_id, each.name) for each in names][-1] == (june.id, "June")
    entries = service.audit.list(as_admin(caller), action="speaker.identify").items
    assert entries[0].subject == june.id
    assert entries[0].actor == caller.key_id

    with pytest.raises(NotFound, match="no gallery"):
        service.live.open(
            caller, LiveConfig(), identify=IdentifyOptions(galleries=("g",)), on_event=print
        )


def test_nothing_is_opened_while_the_server_shuts_down(service: Service, caller: Caller) -> None:
    stream, heard = opened(service, caller, resumable=True)
    service.live.drain()
    assert heard.wait().reason is CloseReason.SHUTTING_DOWN
    assert not service.live.settle(0.0)
    with pytest.raises(Draining):
        opened(service, caller)
    stream.lost()
    assert service.live.settle(10.0)
