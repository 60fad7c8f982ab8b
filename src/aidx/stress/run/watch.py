"""Looks at the engine's memory all the time, beside whatever else happens."""

import threading
import time
from typing import Self

from aidx.budget.proof import Moment
from aidx.budget.witness import Held, Sample, Sampler

EVERY_S = 0.02
MOST = 1000  # moments that are kept; beyond, every second one of the quiet ones goes
MOVED = 1 << 16  # bytes by which memory has to move to be worth a moment


class Watch:
    """A thread that samples from ``with`` to the end of it; *sampler* sees the engine, and *peak* is its most.

    *aside* sees processes that no ledger plans: an endpoint before the engine. *each* has the last of every process.
    """

    def __init__(self, sampler: Sampler, aside: Sampler | None = None) -> None:
        self.sampler = sampler
        self.aside = aside
        self.moments: list[Moment] = []
        self.peak = 0
        self.gpus: dict[str, int] = {}
        self.seen = False
        self.each: dict[int, Held] = {}
        self.beside: dict[int, Held] = {}
        self._begun = time.monotonic()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._look, name="aidx-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def mark(self, event: str) -> Sample | None:
        """Note that *event* happens, with the memory of this moment."""
        with self._lock:
            return self._take(event)

    def _look(self) -> None:
        while not self._over.wait(EVERY_S):
            with self._lock:
                self._take("")

    def _take(self, event: str) -> Sample | None:
        found = self.sampler.read()
        if found is not None:
            self.seen = True
            self.peak = max(self.peak, found.peak)
            self.each |= {held.pid: held for held in found.each}
            for name, size in found.gpus.items():
                self.gpus[name] = max(self.gpus.get(name, 0), size)
        if self.aside is not None and (other := self.aside.read()) is not None:
            self.beside |= {held.pid: held for held in other.each}
        size = 0 if found is None else found.resident
        if event or not self.moments or abs(size - self.moments[-1].bytes) >= MOVED:
            self.moments.append(Moment(round(time.monotonic() - self._begun, 3), size, event))
            self._thin()
        return found

    def _thin(self) -> None:
        if len(self.moments) > MOST:
            quiet = [number for number, moment in enumerate(self.moments) if not moment.event]
            dropped = set(quiet[1::2])
            self.moments[:] = [moment for number, moment in enumerate(self.moments) if number not in dropped]
