"""When an engine that died is started again, and one that is not ours is looked at again."""

from collections import deque

from msgspec import Struct, field

MOST = 3
WINDOW_S = 60.0
FIRST_S = 0.1
FIRST_LOOK_S, LAST_LOOK_S = 0.5, 5.0


class Restarts(Struct):
    """At most three in any minute, each later than the one before; never given up, since memory may free up.

    What is not *ours* to start is looked at instead, which costs it next to nothing: in seconds, however often.
    """

    ours: bool = True
    _looks: int = 0
    _times: deque[float] = field(default_factory=lambda: deque(maxlen=MOST))

    def delay(self, now: float) -> float:
        """Seconds from *now* to the next start or look; that it then happens is taken for granted."""
        if not self.ours:
            wait = min(FIRST_LOOK_S * 2.0**self._looks, LAST_LOOK_S)
            self._looks = min(self._looks + 1, 10)
            return wait
        recent = [time for time in self._times if now - time < WINDOW_S]
        wait = FIRST_S * 4.0 ** len(recent)
        if len(recent) == MOST:
            wait = max(wait, recent[0] + WINDOW_S - now)
        self._times.append(now + wait)
        return wait

    def began(self, *, ours: bool) -> None:
        """It is there."""
        self.ours = ours
        self._looks = 0
