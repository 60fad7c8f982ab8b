"""When somebody who is turned away should come again: from what those who run have left to say, and how fast."""

from collections.abc import Iterable
from math import ceil
from typing import NamedTuple

from msgspec import Struct

SMOOTHING = 0.2  # weight of the newest answer in the average
UNKNOWN = 20.0  # tokens a second, before anything was measured: a 14B model on a small card
LONGEST_WAIT_S = 600


class Running(NamedTuple):
    """One request in progress: the cells that it holds, and the most tokens that it may still bring forth."""

    cells: int
    remaining: float


class Speed(Struct):
    """Tokens a second of one answer, averaged over the latest ones."""

    tokens_per_second: float = UNKNOWN
    measured: bool = False

    def note(self, tokens: int, seconds: float) -> None:
        """Take an answer of *tokens* into account; one of a single token says nothing."""
        if tokens < 2 or seconds <= 0:
            return
        found = tokens / seconds
        self.tokens_per_second += (SMOOTHING if self.measured else 1.0) * (found - self.tokens_per_second)
        self.measured = True


def retry_after(running: Iterable[Running], free: int, wanted: int, slots: int, speed: Speed) -> int:
    """Seconds until the first of a full queue gets its *wanted* cells, and leaves its place to another.

    *free* cells and *slots* are what nobody holds now. At least 1, at most ``LONGEST_WAIT_S``.
    """
    seconds = 0.0
    for one in sorted(running, key=lambda one: one.remaining):
        if slots > 0 and free >= wanted:
            break
        seconds = max(one.remaining, 1.0) / speed.tokens_per_second
        free, slots = free + one.cells, slots + 1
    return min(LONGEST_WAIT_S, max(1, ceil(seconds)))
