"""Sound of calls that comes as a stream: kept in pieces, and listened to while it comes."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from earmark.audio import PcmDecoder, PcmFormat
from earmark.errors import Conflict, EarmarkError, InvalidOption, Kind
from earmark.service._call_listener import LegListener
from earmark.service._call_sound import of_leg
from earmark.service._calls import Call
from earmark.service._model import Caller, Leg

if TYPE_CHECKING:
    from earmark.service._service import Service

__all__ = ["CallMedia", "CallMediaStream"]

_PIECE_S = 4.0  # of sound are kept at a time: what a process that is killed loses at most
_LISTEN_S = 0.25  # of sound are given to who listens at a time
_KEEP_S = 60.0  # of sound wait for storage that is away
_LATER = frozenset({Kind.UNAVAILABLE, Kind.EXHAUSTED})
_TELLERS = 4

_log = logging.getLogger(__name__)


class CallMedia:
    """The streams of this process, one at a time for each leg of a call."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = threading.Lock()
        self._streams: dict[tuple[str, Leg], CallMediaStream] = {}
        self._tellers: ThreadPoolExecutor | None = None

    def open(
        self, caller: Caller, call: Call, *, leg: Leg | None, sound: PcmFormat
    ) -> CallMediaStream:
        """Begin a stream of raw sound, which follows what has come of the leg before.

        ``leg`` None: of both, interleaved, the caller in channel 0 and the callee in channel 1. An
        earlier stream of the same leg is over, and what it has not stored is not stored any more:
        its connection was lost. The stream's ``call`` says what had come until then.
        Raises `Conflict` when the call has ended, `InvalidOption` for channels that do not fit.
        """
        if sound.channels != (2 if leg is None else 1):
            raise InvalidOption(
                "A stream of one leg has one channel, and one of both has two, the caller's and the"
                f" callee's, not {sound.channels}."
            )
        stream = CallMediaStream(self._service, self, caller, call, leg, sound)
        own = {(call.id, each): stream for each in stream.legs}
        with self._lock:
            if self._tellers is None:
                self._tellers = ThreadPoolExecutor(_TELLERS, "earmark-call")
            stream.tellers = self._tellers
            replaced = {self._streams[key] for key in own if key in self._streams}
            self._streams |= own
        try:
            for each in replaced:
                each.await_storing()
            stream.call = self._service.calls.find(caller, call.id)
            if stream.call.ended_at is not None:
                raise Conflict(
                    f"The call {call.transaction_id!r} has ended: open another, by a name of its"
                    " own."
                )
        except BaseException:
            self.forget(stream)
            raise
        return stream

    def current(self, stream: CallMediaStream) -> bool:
        """Whether no other stream has come in this one's place."""
        with self._lock:
            return all(self._streams.get((stream.call.id, leg)) is stream for leg in stream.legs)

    def forget(self, stream: CallMediaStream) -> None:
        """Let go of a stream that is closed."""
        with self._lock:
            for leg in stream.legs:
                if self._streams.get((stream.call.id, leg)) is stream:
                    del self._streams[stream.call.id, leg]

    def close(self) -> None:
        """Tell no task anything any more."""
        with self._lock:
            if self._tellers is not None:
                self._tellers.shutdown(cancel_futures=True)


class CallMediaStream:
    """One connection's sound. Not for several threads at once.

    ``add`` never waits; `store` and `close` do, for storage.
    """

    tellers: ThreadPoolExecutor

    def __init__(
        self,
        service: Service,
        media: CallMedia,
        caller: Caller,
        call: Call,
        leg: Leg | None,
        sound: PcmFormat,
    ) -> None:
        self._service, self._media = service, media
        self._caller, self._leg, self._sound = caller, leg, sound
        self.call = call
        self.legs = tuple(Leg) if leg is None else (leg,)
        self._kept = bytearray()  # what has come and is not stored
        self._unheard = bytearray()  # what has come and was not given to who listens
        self._heard = {each: PcmDecoder(replace(sound, channels=1)) for each in self.legs}
        self._listeners: dict[Leg, LegListener] = {}
        self._due_bytes = self._bytes(_PIECE_S)
        self._storing = threading.Lock()
        self._closed = False
        self.stored_bytes = 0

    @property
    def backlog_s(self) -> float:
        """Seconds of sound that have come and were not listened to, of those who listen."""
        return max((each.backlog_s for each in self._listeners.values()), default=0.0)

    def add(self, data: bytes) -> bool:
        """Take sound, cut anywhere; whether so much has come that it should be stored.

        Raises `Conflict` when another stream has come in this one's place.
        """
        self._require_current()
        self._kept += data
        self._unheard += data
        if len(self._unheard) >= self._bytes(_LISTEN_S):
            self._listen()
        return len(self._kept) >= self._due_bytes or any(
            each.asks_to_store for each in self._listeners.values()
        )

    def store(self) -> Call:
        """Store what has come; the call as it then stands.

        Sound waits for storage that is away, for a while. Raises what `Calls.append` and its
        writer raise, `Unauthenticated` once the key is revoked, and as `add`.
        """
        whole = len(self._kept) - len(self._kept) % self._sound.frame_bytes
        if not whole:
            if not self._closed:
                self._require_current()
            if any(each.asks_to_store for each in self._listeners.values()):
                self._attend()
            return self.call
        try:
            with self._storing:
                self._require_current()
                self._append(bytes(self._kept[:whole]))
        except EarmarkError as error:
            if self._closed or error.kind not in _LATER or whole > self._bytes(_KEEP_S):
                raise
            _log.warning("The sound of a call waits to be stored: %s", error)
            self._due_bytes = whole + self._bytes(_PIECE_S)
            return self.call
        del self._kept[:whole]
        self.stored_bytes += whole
        self._due_bytes = self._bytes(_PIECE_S)
        if not self._closed:
            self._attend()
        return self.call

    def listen_no_more(self) -> None:
        """For whoever listens is too slow: the tasks read what is stored."""
        _log.warning("A call is not listened to any more while it comes: this server is too slow.")
        for listener in self._listeners.values():
            listener.close()

    def close(self) -> Call:
        """Store the rest and listen no more; again does nothing. Raises as `store`."""
        if self._closed:
            return self.call
        self._closed = True
        try:
            return self.store() if self._media.current(self) else self.call
        finally:
            for listener in self._listeners.values():
                listener.close()
            self._listeners.clear()
            self._media.forget(self)

    def await_storing(self) -> None:
        """Wait until what is being stored is."""
        with self._storing:
            pass

    def _require_current(self) -> None:
        if not self._media.current(self):
            raise Conflict("Another connection brings the sound of this leg now.")

    def _append(self, data: bytes) -> None:
        if self._caller.key_id is not None:
            self._service.keys.caller(self._caller.key_id)
        calls, call = self._service.calls, self.call
        with calls.append(
            self._caller,
            call.connector,
            call.transaction_id,
            leg=self._leg,
            sound_format=self._sound,
            listened=[leg for leg, each in self._listeners.items() if not each.over],
        ) as writer:
            writer.write(data)
            self.call = writer.commit()

    def _attend(self) -> None:
        """Listen to the legs whose voice a task waits for, and to no others.

        Where that cannot be done now, sound is kept all the same.
        """
        try:
            awaited = self._service.speaker_search.awaited(self.call)
        except EarmarkError as error:
            _log.warning("The tasks of a call cannot be looked at now: %s", error)
            return
        self._listen()  # up to where all is stored, from where who is new begins
        for leg in self.legs:
            needed_s, listener = awaited.get(leg), self._listeners.get(leg)
            if needed_s is None:
                if listener is not None:
                    listener.close()
                    del self._listeners[leg]
                continue
            if listener is None:
                listener = self._begin(leg)
            if listener is not None:
                listener.want(needed_s)

    def _begin(self, leg: Leg) -> LegListener | None:
        """Listen to a leg from the beginning of the call on, if that can be."""
        listener = LegListener.open(self._service, self._caller, self.call, leg, self.tellers)
        if listener is not None:
            self._heard[leg] = PcmDecoder(replace(self._sound, channels=1))
            self._listeners[leg] = listener
        return listener

    def _listen(self) -> None:
        """Give what has come to who listens."""
        whole = len(self._unheard) - len(self._unheard) % self._sound.frame_bytes
        data = bytes(self._unheard[:whole])
        del self._unheard[:whole]
        for leg, listener in self._listeners.items():
            own = of_leg(data, self._sound, leg) if self._leg is None else data
            listener.push(self._heard[leg].push(own))

    def _bytes(self, seconds: float) -> int:
        return round(seconds * self._sound.sample_rate) * self._sound.frame_bytes
