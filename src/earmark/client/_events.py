"""Server-sent events, from the lines of a stream (https://html.spec.whatwg.org, section 9.2)."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Event", "EventReader"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One event; ``id`` is the last that was told, with it or before."""

    name: str
    data: str
    id: str | None


@dataclass(kw_only=True, slots=True)
class EventReader:
    """Puts lines together to events; ``last_id`` survives a reconnection."""

    last_id: str | None = None
    _name: str = ""
    _data: list[str] = field(default_factory=list)

    def feed(self, line: str) -> Event | None:
        """The event that this line completes, if it does."""
        if not line:
            name, data = self._name or "message", self._data
            self._name, self._data = "", []
            return Event(name=name, data="\n".join(data), id=self.last_id) if data else None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._name = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self.last_id = value
        return None

    def restart(self) -> None:
        """Forget an event that was cut off."""
        self._name, self._data = "", []
