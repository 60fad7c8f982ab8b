"""An answer is written down piece by piece before anybody reads it: one that was paid for is not asked for again.

A run asks one thing at a time, so that one file holds the answer that is arriving or that came last: a comment with
the question, then the stream as it came.
"""

from collections import Counter
from collections.abc import Callable, Iterable

from msgspec import Struct, convert
from msgspec.json import encode
from msgspec.structs import replace

from aidx.budget.prices import Price
from aidx.errors import EngineError
from aidx.gate.reply import Reply
from aidx.pipeline.contract import OTHERWISE, Json, Request
from aidx.pipeline.effects import Ask, Consult, Phase
from aidx.pipeline.replay import key, record
from aidx.ports.workspace import Records

FILE = "arriving.sse"
PLANNING: Phase = "plan"


class Sink(Struct, frozen=True):
    """Where the pieces of one answer go: *put* writes one that came, *end* has all of them on the disk."""

    put: Callable[[bytes], object]
    end: Callable[[], object]


Opening = Callable[[Request], Sink]


def _nothing(*_: object) -> None:
    """Keep nothing."""


class Arriving:
    """The answers of a run while they arrive; *lines* are its record of those that were taken.

    Without *records* nothing is kept.
    """

    def __init__(self, records: Records | None, lines: Iterable[bytes]) -> None:
        self._records = records
        self._taken: Counter[str | None] = Counter(
            found["asked"] for text in lines if (found := record(text)) is not None and "asked" in found
        )
        self._drop_thoughts()

    def taken(self, asked: str | None) -> None:
        """The answer to *asked* stands in the run's record now."""
        self._taken[asked] += 1
        self._drop_thoughts()

    def _drop_thoughts(self) -> None:
        """Of an answer with a plan only the plan is kept; until it was taken the stream has what came before it."""
        told = self._told()[0]
        planned = told and told["request"]["phase"] == PLANNING and told["taken"] < self._taken[told["asked"]]
        if self._records is not None and planned:
            self._records.write(FILE, b"")

    def _told(self) -> tuple[Json, bytes]:
        """What stands in the file of its question, and the stream."""
        data = None if self._records is None else self._records.read(FILE)
        head, _, stream = (data or b"").partition(b"\n\n")
        told = record(head.removeprefix(b": ")) or {}
        return told if {"asked", "taken", "request"} <= told.keys() else {}, stream

    def begin(self, effect: Ask | Consult) -> Opening:
        """How the answer to *effect* is opened, with the request as it is sent."""
        asked = key(effect)
        assert asked is not None

        def opened(request: Request) -> Sink:
            records = self._records
            if records is None:
                return Sink(_nothing, _nothing)
            told = {"asked": asked, "taken": self._taken[asked], "request": request.json, "price": request.price}
            records.write(FILE, b": " + encode(told) + b"\n\n")
            return Sink(lambda data: records.append(FILE, data, sync=False), lambda: records.append(FILE, b""))

        return opened

    def found(self, effect: Ask | Consult) -> tuple[Reply, Request] | None:
        """The whole answer to *effect* that had come when the run was killed before it was taken, if there is one.

        Whole is one that says why it ended; the answer to an ``Ask`` that was cut at its limit is of no use.
        """
        told, stream = self._told()
        asked = key(effect)
        if asked is None or told.get("asked") != asked or told["taken"] != self._taken[asked]:
            return None
        reply = Reply()
        try:
            reply.feed(stream)
        except (EngineError, ValueError):  # the engine had failed, or the disk did
            return None
        useless = (None, "length") if isinstance(effect, Ask) else (None,)
        return None if reply.finish_reason in useless else (reply, settled(_request(told), reply))


def _request(told: Json) -> Request:
    found, price = told["request"], told.get("price")
    context = tuple((each["item"], each["tokens"]) for each in found["context"])
    known = {name: value for name, value in found.items() if name in Request.__struct_fields__}
    return Request(**{**known, "context": context, "price": None if price is None else convert(price, Price)})


def settled(request: Request, reply: Reply) -> Request:
    """*request* with the tokens that its model says it took, where it does."""
    tokens = reply.usage.get("prompt_tokens", request.prompt_tokens)
    items = request.context
    if tokens != request.prompt_tokens:
        items = (*items, (OTHERWISE, tokens - request.prompt_tokens))
    return replace(
        request,
        prompt_tokens=tokens,
        completion_tokens=reply.usage.get("completion_tokens", 0),
        context=items,
        estimated=request.estimated and "prompt_tokens" not in reply.usage,
    )
