"""One request on its way through, and what may be said of it afterwards: never what it said."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from aidx.gate.grant import Grant
from aidx.serve.caller import Caller, Reply
from aidx.serve.metrics import Served

if TYPE_CHECKING:
    from aidx.patterns.prompt import Kind
    from aidx.serve.wire import Parsed


class Offered(Protocol):
    """A model that is offered: a role (``Service``), or a pattern over roles, which is handed theirs."""

    @property
    def role(self) -> str:
        """What its requests are counted under."""
        ...

    @property
    def model(self) -> str:
        """The name of the model behind it; a pattern's own name where there are several."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """What a request may call it."""
        ...

    @property
    def embeds(self) -> bool:
        """Whether it makes vectors, and nothing else."""
        ...

    @property
    def bounds(self) -> Mapping[str, int]:
        """What ``/v1/models`` says of its context and its bounds, in tokens."""
        ...

    async def answer(self, parsed: "Parsed", exchange: "Exchange", *, route: str = "") -> None:
        """Answer *parsed* by way of ``exchange.reply``, exactly once; *route* says who chose this one.

        Raises ``AidxError`` where nothing was sent so far: that becomes the answer.
        """
        ...


class Exchange:
    """One request on its way through: what is known of it when it has been answered."""

    kind: "Kind" = "chat"
    offered: Offered | None = None
    grant: Grant | None = None
    code = ""
    read = False
    tokens: tuple[int, int] | None = None  # of a pattern's prompts and answers, all together

    def __init__(self, caller: Caller, began: float) -> None:
        self.caller = caller
        self.reply = Reply(caller)
        self.began = began

    def served(self, offered: "Offered", status: int, now: float) -> Served:
        """It as the metrics see it: *offered* answered with *status* at *now*."""
        grant, seconds = self.grant, now - self.began
        if grant is None:
            read, written = self.tokens or (None, None)
            return Served(
                offered.role,
                offered.model,
                self.kind,
                status,
                self.code,
                seconds,
                prompt=read,
                completion=written,
            )
        booking = grant.booking
        return Served(
            offered.role,
            offered.model,
            self.kind,
            status,
            self.code,
            seconds,
            booking.begun - booking.came,
            None if grant.first is None else grant.first - booking.begun,
            grant.usage.prompt,
            grant.usage.completion,
        )


def line(served: Served, grant: Grant | None) -> Mapping[str, Any]:
    """It as a line of the log."""
    found: dict[str, Any] = {
        "event": "request",
        "role": served.role,
        "kind": served.kind,
        "status": served.status,
        "code": served.code or None,
        "ms": round(served.seconds * 1e3, 3),
    }
    if grant is not None:
        fitted = grant.booking.fitted
        found |= {
            "stream": grant.streamed,
            "counted_tokens": fitted.tokens,
            "prompt_tokens": served.prompt,
            "completion_tokens": served.completion,
            "reserved_tokens": grant.booking.admitted.cells,
            "evicted_messages": fitted.evicted_messages,
            "queued_ms": round((served.waited or 0.0) * 1e3, 3),
            "first_ms": None if served.first is None else round(served.first * 1e3, 3),
        }
    return found


def as_json(found: Mapping[str, Any]) -> str:
    """A line of the log as text."""
    return json.dumps({name: value for name, value in found.items() if value is not None})
