"""Where a program that edits by itself works: its gateway is opened with the first errand and closed with the run."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from msgspec import Struct

from aidx.errors import EngineError
from aidx.pipeline.contract import Request
from aidx.pipeline.effects import Hand
from aidx.pipeline.ending import TooLongError
from aidx.pipeline.run.models import Seat
from aidx.ports import Errand, Program, Worked

Note = Callable[[Mapping[str, Any]], object]
OVER = "context_length_exceeded"


class Bench(Struct, frozen=True):
    """*open* starts the model of *seat* behind a gateway and hands out the program that is pointed at it.

    *open* is given who is told of each request that the gateway saw. *name* is the program's.
    """

    name: str
    seat: Callable[[], Seat]
    open: Callable[[Note], AbstractContextManager[Program]]


class Workbench:
    """One run's use of *bench*; ``kv_bytes`` is what its model was planned with."""

    def __init__(self, bench: Bench | None) -> None:
        self._bench = bench
        self._stack = ExitStack()
        self._program: Program | None = None
        self._seen: list[Mapping[str, Any]] = []

    def work(self, hand: Hand) -> tuple[Worked, list[Request]]:
        """Let the program do its errand, and say what it asked its model meanwhile.

        Raises ``TooLongError`` where the gate refused all that it asked, ``EngineError`` where there is no program.
        """
        assert self._bench is not None
        if self._program is None:
            self._program = self._stack.enter_context(self._bench.open(self._seen.append))
        self._seen.clear()
        worked = self._program.work(hand.errand)
        requests = [self._request(hand, line) for line in self._seen if line.get("prompt_tokens") is not None]
        if not self._seen and not worked.files:
            last = [line.strip() for line in worked.said.splitlines() if line.strip()][-1:]
            raise EngineError(
                f"{self._bench.name} asked its model nothing: {' '.join(last)[:300] or 'it said nothing'}",
                hint=f"Run {self._bench.name} by itself to see whether it works.",
                code="engine_failed",
            )
        if not requests and any(line.get("code") == OVER for line in self._seen):
            raise self._too_long(hand.errand)
        return worked, requests

    def close(self) -> None:
        """Close the gateway and stop the model."""
        self._stack.close()
        self._program = None

    def _request(self, hand: Hand, line: Mapping[str, Any]) -> Request:
        assert self._bench is not None
        seat = self._bench.seat()
        prompt, cells = int(line["prompt_tokens"]), int(line.get("reserved_tokens") or 0)
        return Request(
            phase=hand.phase,
            role="editor",
            model=seat.model,
            prompt_tokens=prompt,
            completion_tokens=int(line.get("completion_tokens") or 0),
            gate=seat.limits.gate,
            reserved_tokens=cells,
            reserved_bytes=cells * seat.cell_bytes,
            context=((f"composed by {self._bench.name}", prompt),),
            price=seat.price,
        )

    def _too_long(self, errand: Errand) -> TooLongError:
        assert self._bench is not None
        return TooLongError(
            f"what {self._bench.name} wanted to send about {errand.path} is over the Editor's gate of "
            f"{self._bench.seat().limits.gate} tokens: refused, and not cut",
            hint=f"Raise ctx_size, split the file, or let aidx edit: it sends less than {self._bench.name} does.",
        )
