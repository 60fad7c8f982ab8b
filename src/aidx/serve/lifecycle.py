"""When an engine that died is started again."""

from collections import deque

from msgspec import Struct, field

MOST = 3
WINDOW_S = 60.0
FIRST_S = 0.1


class Restarts(Struct):
    """At most three in any minute, each later than the one before; never given up, since memory may free up."""

    _times: deque[float] = field(default_factory=lambda: deque(maxlen=MOST))

    def delay(self, now: float) -> float:
        """Seconds from *now* to the next start; that it then happens is taken for granted."""
        recent = [time for time in self._times if now - time < WINDOW_S]
        wait = FIRST_S * 4.0 ** len(recent)
        if len(recent) == MOST:
            wait = max(wait, recent[0] + WINDOW_S - now)
        self._times.append(now + wait)
        return wait
