"""Where a program that edits by itself works: its gateway is opened with the first errand and closed with the run."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from msgspec import Struct

from aidx.errors import EngineError
from aidx.pipeline.contract import OTHERWISE, Request
from aidx.pipeline.effects import Hand
from aidx.pipeline.ending import TooLongError
from aidx.pipeline.run.held import Trust
from aidx.pipeline.run.models import Seat
from aidx.ports.programs import Errand, Program, Worked

Note = Callable[[Mapping[str, Any]], object]
OVER = "context_length_exceeded"


class Bench(Struct, frozen=True):
    """*open* starts the model of *seat* behind a gateway and hands out the program that is pointed at it.

    *open* is given who is told of each request that the gateway saw, and what is known of the model's counts. *name* is
    the program's.
    """

    name: str
    seat: Callable[[], Seat]
    open: Callable[[Note, Trust], AbstractContextManager[Program]]


class Workbench:
    """One run's use of *bench*; *trust* is what the answers of a model have said of its counts."""

    def __init__(self, bench: Bench | None, trust: Callable[[str], Trust]) -> None:
        self._bench = bench
        self._trust = trust
        self._known = Trust()
        self._stack = ExitStack()
        self._program: Program | None = None
        self._seen: list[Mapping[str, Any]] = []

    def work(self, hand: Hand) -> tuple[Worked, list[Request]]:
        """Let the program do its errand, and say what it asked its model meanwhile.

        Raises ``TooLongError`` where the gate refused all that it asked, ``EngineError`` where there is no program.
        """
        assert self._bench is not None
        if self._program is None:
            self._known = self._trust(self._bench.seat().model)
            self._program = self._stack.enter_context(self._bench.open(self._note, self._known))
        self._seen.clear()
        self._known.stopped = False
        worked = self._program.work(hand.errand)
        requests = [self._request(hand, line) for line in self._seen if line.get("counted_tokens") is not None]
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

    def _note(self, line: Mapping[str, Any]) -> None:
        """Keep a *line* about a request; after one that took more than the gate nothing more is sent."""
        assert self._bench is not None
        self._seen.append(line)
        if int(line.get("prompt_tokens") or 0) > self._bench.seat().limits.gate:
            self._known.stopped = True

    def _request(self, hand: Hand, line: Mapping[str, Any]) -> Request:
        assert self._bench is not None
        seat = self._bench.seat()
        counted, used, cells = int(line["counted_tokens"]), line.get("prompt_tokens"), int(line["reserved_tokens"])
        prompt = counted if used is None else int(used)
        items = ((f"composed by {self._bench.name}", counted), (OTHERWISE, prompt - counted))
        precision = self._known.precision
        return Request(
            phase=hand.phase,
            role="editor",
            model=seat.model,
            prompt_tokens=prompt,
            completion_tokens=int(line.get("completion_tokens") or 0),
            gate=seat.limits.gate,
            reserved_tokens=cells,
            reserved_bytes=cells * seat.cell_bytes,
            context=items if prompt != counted else items[:1],
            price=seat.price,
            counted=precision,
            estimated=used is None and precision != "exact",
        )

    def _too_long(self, errand: Errand) -> TooLongError:
        assert self._bench is not None
        return TooLongError(
            f"what {self._bench.name} wanted to send about {errand.path} is over the Editor's gate of "
            f"{self._bench.seat().limits.gate} tokens: refused, and not cut",
            hint=f"Raise ctx_size, split the file, or let aidx edit: it sends less than {self._bench.name} does.",
        )
