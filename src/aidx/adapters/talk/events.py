"""Server-sent events, read from whatever pieces arrive."""

from typing import NamedTuple

from aidx.errors import EngineError

MOST = 8 << 20  # bytes of one event


class Event(NamedTuple):
    """One event: its name where it has one, and its data."""

    name: str
    data: bytes


class EventReader:
    """Cuts a stream into events, with either kind of line end; comments are dropped."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> list[Event]:
        """The events that *piece* completes."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > MOST:
            raise EngineError("an event of the answer has no end", code="engine_failed")
        found = []
        for line in lines:
            text = line.removesuffix(b"\r")
            if text:
                self._take(text)
            elif self._data:
                found.append(Event(self._name, b"\n".join(self._data)))
                self._name, self._data = "", []
        return found

    def _take(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
