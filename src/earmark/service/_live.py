"""Live sessions: opened, named, watched over, resumed and ended."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from earmark.errors import Draining, EarmarkError, NotFound, RateLimited, SessionOver, Unavailable
from earmark.service._live_stream import Hosted, LiveStream, OnEvent, Teller
from earmark.service._model import Caller, IdentifyOptions, Scope
from earmark.service._store import Store
from earmark.storage import keys as key_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from earmark.live import CloseReason, Identity, LiveConfig, LiveEngine
    from earmark.service._search import Search
    from earmark.voiceprints import Voiceprint

__all__ = ["GalleryRecognizer", "LiveSessions"]

_SHUTTING_DOWN = "The server is shutting down: connect again in a moment."
_LOOK_S = 0.25  # between two looks at who is silent or has gone
_KEYS_S = 1.0  # between two looks at which keys are revoked
_RETRY_S = 5.0


class LiveSessions:
    """The live sessions of this process; each tenant sees and resumes only its own.

    The engine is loaded when the first one is opened. Sessions without sound for ``live_idle_s``
    are ended, and so are those that nobody resumed within ``live_resume_s``, those of a key that
    was revoked, and all when the process is to end.
    """

    def __init__(self, store: Store, search: Search) -> None:
        self._store = store
        self._settings = store.settings
        self._search = search
        self._changed = threading.Condition()
        self._hosted: dict[str, Hosted] = {}
        self._clock: threading.Thread | None = None
        self._engine: LiveEngine | None = None
        self._loading = threading.Lock()
        self._draining = False
        self.endings: Counter[CloseReason] = Counter()
        """How many have ended, by reason."""

    @property
    def count(self) -> int:
        """How many sessions are open."""
        return sum(not each.over for each in list(self._hosted.values()))

    def open(
        self,
        caller: Caller,
        config: LiveConfig,
        *,
        identify: IdentifyOptions | None = None,
        on_event: OnEvent,
        on_replaced: Callable[[], None] | None = None,
        dialect: str = "native",
        resumable: bool = False,
    ) -> LiveStream:
        """Begin a session; ``identify`` has its speakers named.

        ``on_event`` is called on threads of the engine, one at a time, in order, and must not
        wait; ``on_replaced`` when another connection has taken the session over.
        Raises `Forbidden` without the scope for live sessions (and for galleries, to identify),
        `NotFound` for galleries and speakers, `RateLimited` when the tenant has as many sessions
        open as it may, `Unavailable` when the server has, `Draining`, and what loading the models
        raises.
        """
        from earmark.live import CloseReason, LiveSession

        caller.require(Scope.LIVE)
        if identify is not None:
            self._search.prepare(caller, identify)
        hosted = Hosted(caller, config.format, self._settings, dialect=dialect, resumable=resumable)
        hosted.on_over = self._over
        stream = hosted.attach(on_event, on_replaced)
        self._admit(hosted)
        try:
            recognizer = (
                None if identify is None else GalleryRecognizer(self._search, caller, identify)
            )
            hosted.host(
                LiveSession(
                    config, engine=self._loaded(), recognizer=recognizer, on_event=Teller(hosted)
                )
            )
        except BaseException:
            self._forget(hosted)
            raise
        if self._draining:
            hosted.abandon(CloseReason.SHUTTING_DOWN, _SHUTTING_DOWN)
        return stream

    def resume(
        self,
        caller: Caller,
        token: str,
        *,
        after: int,
        on_event: OnEvent,
        on_replaced: Callable[[], None] | None = None,
    ) -> LiveStream:
        """Go on with a session on another connection; the earlier one loses it.

        ``on_event`` is called first with the events that followed number ``after``. Raises
        `Forbidden`, and `SessionOver` for a token that opens no session of the caller's, or whose
        events from there on are not kept any more.
        """
        caller.require(Scope.LIVE)
        with self._changed:
            own = (each for each in self._hosted.values() if each.tenant_id == caller.tenant_id)
            found = next((each for each in own if each.opens(token)), None)
        if found is None:
            raise SessionOver(
                "This token opens no live session: it has ended, or nobody came back in time."
                " Start another one."
            )
        return found.attach(on_event, on_replaced, after=after)

    def listing(self, caller: Caller) -> tuple[Hosted, ...]:
        """The open sessions of the caller's tenant, oldest first."""
        caller.require(Scope.LIVE)
        with self._changed:
            found = list(self._hosted.values())
        return tuple(each for each in found if each.tenant_id == caller.tenant_id and not each.over)

    def cancel(self, caller: Caller, session_id: str) -> None:
        """End a session. Raises `NotFound` for one that is not open or not the caller's."""
        from earmark.live import CloseReason

        for each in self.listing(caller):
            if each.id == session_id:
                each.abandon(CloseReason.CANCELED, "The session was ended by request.")
                return
        raise NotFound(f"There is no open live session {session_id!r}.")

    def drain(self) -> None:
        """Take no more sessions, and end those there are."""
        with self._changed:
            self._draining = True
            ending = list(self._hosted.values())
        if ending:
            from earmark.live import CloseReason

            for each in ending:
                each.abandon(CloseReason.SHUTTING_DOWN, _SHUTTING_DOWN)

    def settle(self, timeout_s: float) -> bool:
        """Wait until no connection holds a session any more; False when that took too long."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not any(each.held for each in self._hosted.values()), timeout_s
            )

    def close(self) -> None:
        """End all sessions and free the engine."""
        self.drain()
        with self._changed:
            self._hosted.clear()
            self._changed.notify_all()
            clock = self._clock
        if clock is not None:
            clock.join()
        with self._loading:
            if self._engine is not None:
                self._engine.close()
                self._engine = None

    def _loaded(self) -> LiveEngine:
        from earmark.live import LiveEngine

        with self._loading:
            if self._engine is None:
                self._engine = LiveEngine(self._settings)
            return self._engine

    def _admit(self, hosted: Hosted) -> None:
        with self._changed:
            if self._draining:
                raise Draining("The server is shutting down: connect again in a moment.")
            there = [each for each in self._hosted.values() if not each.over]
            most = self._settings.live_sessions_per_tenant
            if sum(each.tenant_id == hosted.tenant_id for each in there) >= most:
                raise RateLimited(
                    f"{most} live sessions of yours are open, and no more may be"
                    " (EARMARK_LIVE_SESSIONS_PER_TENANT): end one, or try again later.",
                    retry_after_s=_RETRY_S,
                )
            most = self._settings.live_sessions
            if len(there) >= most:
                raise Unavailable(
                    f"{most} live sessions are open on this server, and no more may be"
                    " (EARMARK_LIVE_SESSIONS): try again later."
                )
            self._hosted[hosted.id] = hosted
            if self._clock is None:
                self._clock = threading.Thread(
                    target=self._look, name="earmark-live-clock", daemon=True
                )
                self._clock.start()

    def _over(self, hosted: Hosted) -> None:
        """A session has ended, or a connection has let go of one."""
        with self._changed:
            if hosted.end is not None and not hosted.counted:
                hosted.counted = True
                self.endings[hosted.end] += 1
            if hosted.forgettable(time.monotonic()):
                self._hosted.pop(hosted.id, None)
            self._changed.notify_all()

    def _forget(self, hosted: Hosted) -> None:
        with self._changed:
            self._hosted.pop(hosted.id, None)
            self._changed.notify_all()

    def _look(self) -> None:
        """Ends what has to be ended; a thread, as long as there are sessions."""
        look_at_keys = time.monotonic() + _KEYS_S
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not self._hosted, _LOOK_S)
                if not self._hosted:
                    self._clock = None
                    return
                there = list(self._hosted.values())
            now = time.monotonic()
            for each in there:
                each.look(now)
                if each.forgettable(now):
                    self._forget(each)
            if now >= look_at_keys:
                self._end_revoked([each for each in there if not each.over])
                look_at_keys = now + _KEYS_S

    def _end_revoked(self, there: list[Hosted]) -> None:
        from earmark.live import CloseReason

        keys = {each.caller.key_id for each in there if each.caller.key_id is not None}
        try:
            with self._store.database.read() as connection:
                revoked = key_rows.revoked(connection, keys)
        except EarmarkError:
            return  # the database is away: look again later
        for each in there:
            if each.caller.key_id in revoked:
                each.abandon(CloseReason.REVOKED, "The key of this session was revoked.")


class GalleryRecognizer:
    """Who voices are, by a search in the galleries of the caller; every one is in the audit log."""

    def __init__(self, search: Search, caller: Caller, options: IdentifyOptions) -> None:
        self._search = search
        self._caller = caller
        self._options = options

    def __call__(self, voices: Mapping[str, Voiceprint]) -> Mapping[str, Identity | None]:
        from earmark.live import Identity

        named = self._search.identify(self._caller, voices, self._options)
        return {
            label: None
            if found.match is None or found.match.speaker_id is None
            else Identity(
                speaker_id=found.match.speaker_id,
                name=found.match.label,
                cosine=found.match.cosine,
                llr=found.match.llr,
                probability=found.match.probability,
                margin=found.margin,
            )
            for label, found in named.items()
        }
