"""What is sent is held to its gate before it is sent: counts that are exact, or the most that a prompt can be.

What a model says of its answers is compared with both. A count that was too low once is not believed again: the bound
holds from then on, and where even that was too low, as many times more of it. Nothing that was seen makes a bound
smaller: of a text whose beginning is known, the rest may still be a token a byte, and the beginning itself may be cut
into others.
"""

import json
from collections.abc import AsyncGenerator, Callable
from fractions import Fraction
from math import ceil

from msgspec import Struct

from aidx.errors import InputError
from aidx.gate.bound import at_most, longest
from aidx.gate.count import Own
from aidx.gate.prompt import Prompt, Turn
from aidx.gate.tokens import Tokens
from aidx.patterns.prompt import Kind, Precision
from aidx.pipeline.contract import OTHERWISE, Json
from aidx.pipeline.ending import TooLongError
from aidx.ports.chat import PATIENCE, Chat, Enforced, Patience
from aidx.ports.engine import Allocated, Deployment

MARKS = 2  # tokens of a message by which another template of the same model may differ; as many again, twice
KEPT = 256  # prompts whose count is remembered: more than one question is asked about each


class Trust(Struct):
    """What a model's answers have said of its counts: whether one was too low, and how many times its bound.

    *precision* is that of the chat that was held last. While it is *stopped*, nothing is let through.
    """

    counts: bool = True
    ratio: Fraction = Fraction(1)
    precision: Precision = "exact"
    stopped: bool = False

    def learn(self, told: Json) -> None:
        """Take over what a request of the ledger says of both figures."""
        counted = told["prompt_tokens"] - beyond(told)
        if beyond(told) <= 0 or counted <= 0:
            return
        if told["counted"] in {"exact", "near"}:
            self.counts = False
            return
        # A scaled bound was rounded up by less than one token: what is learned from it does not err low.
        before = counted if self.ratio == 1 else max(counted - 1, 1)
        self.counts, self.ratio = False, self.ratio * Fraction(told["prompt_tokens"], before)


class Held:
    """*inner*, whose counts never err low, as far as *trust* goes; *own* counts a text as the model's file does.

    What *inner* would only estimate is counted so, or bounded; unless that is *foreseen*: its service counts it later.
    """

    def __init__(self, inner: Chat, trust: Trust, own: Own | None = None, *, foreseen: bool = False) -> None:
        self._inner, self._trust, self._foreseen = inner, trust, foreseen
        self._text = longest if own is None else _by(own.tokens)
        self._file = own if own is not None and own.template is not None else None
        self._known: dict[bytes, int] = {}

    @property
    def precision(self) -> Precision:
        """The inner one's, where it is believed; never an estimate of what is about to be sent."""
        if not self._trust.counts:
            return "bound"
        if self._inner.precision != "estimate" or self._foreseen:
            return self._inner.precision
        return "bound" if self._file is None else "near"

    async def count(self, body: bytes, *, kind: Kind = "chat") -> int:
        """As many tokens as the prompt has, or may have."""
        if self._trust.stopped:
            raise TooLongError("an answer before took more than the gate: nothing more is sent")
        if kind != "chat":
            return await self._inner.count(body, kind=kind)
        if not self._trust.counts:
            return ceil(at_most(body, self._text) * self._trust.ratio)
        if self._inner.precision == "estimate" and not self._foreseen:
            return ceil(self._by_file(body) * self._trust.ratio)
        key = _prompt(body)
        if key not in self._known:
            if len(self._known) >= KEPT:
                self._known.clear()
            self._known[key] = await self._asked(body)
        return self._known[key]

    def _by_file(self, body: bytes) -> int:
        """As the model's file counts, with its template and room for another; else the most that it can be.

        An engine that has a template of its own has a system text of its own as well, where none is given.
        """
        most = at_most(body, self._text)
        found = json.loads(body)
        turns = tuple(Turn.of(each["role"], each["content"]) for each in found["messages"] if _plain(each))
        known = len(turns) == len(found["messages"]) and not found.get("tools")
        if self._file is None or not known or turns[0].role != "system":
            return most
        prompt = Prompt(turns)
        text = self._file.text(prompt)
        if text is None:
            return most
        room = MARKS * (len(turns) + 2)
        return min(most, self._file.begins(prompt) + self._file.tokens.count(text) + room)

    async def _asked(self, body: bytes) -> int:
        """What the inner one says; of what it refuses as too long the most that it can be."""
        try:
            return await self._inner.count(body)
        except InputError as refused:
            if refused.code != "context_length_exceeded":
                raise
            return at_most(body, self._text)

    def forget(self, body: bytes) -> None:
        """Count the prompt of *body* anew: it is about to be sent, maybe long after it was planned."""
        self._known.pop(_prompt(body), None)

    def least(self, size: int) -> int:
        """As the inner one."""
        return self._inner.least(size)

    async def takes_tools(self) -> bool:
        """As the inner one."""
        return await self._inner.takes_tools()

    def enforces(self) -> Enforced:
        """As the inner one."""
        return self._inner.enforces()

    def answer(
        self, body: bytes, *, slot: int, kind: Kind = "chat", patience: Patience = PATIENCE
    ) -> AsyncGenerator[bytes, None]:
        """As the inner one."""
        return self._inner.answer(body, slot=slot, kind=kind, patience=patience)

    def close(self) -> None:
        """As the inner one."""
        self._inner.close()


class HeldDeployment:
    """*inner*, whose chats are ``Held``: for a program that is let at it through a gateway of ours."""

    def __init__(self, inner: Deployment, trust: Trust, own: Callable[[], Own | None]) -> None:
        self._inner, self._trust, self._own = inner, trust, own

    @property
    def pid(self) -> int | None:
        """As the engine's own."""
        return self._inner.pid

    def chat(self) -> Chat:
        """One that never counts low."""
        return held(self._inner.chat(), self._trust, self._own)

    def allocated(self) -> Allocated:
        """As the engine's own."""
        return self._inner.allocated()

    async def ended(self) -> str:
        """As the engine's own."""
        return await self._inner.ended()

    def stop(self) -> None:
        """As the engine's own."""
        self._inner.stop()


def held(chat: Chat, trust: Trust, own: Callable[[], Own | None], *, foreseen: bool = False) -> Held:
    """*chat*, held; the model's file is read where nothing else counts for it."""
    found = Held(chat, trust, own() if chat.precision == "estimate" and not foreseen else None, foreseen=foreseen)
    trust.precision = found.precision
    return found


def beyond(told: Json) -> int:
    """By how many tokens the model says that the prompt of the request *told* was longer than it was counted."""
    return sum(item["tokens"] for item in told["context"] if item["item"] == OTHERWISE)


def otherwise(told: Json) -> str:
    """What is to be said of a request that its model counts otherwise than was counted, or beyond the bound."""
    off, taken = beyond(told), told["prompt_tokens"]
    if not off or (told["counted"] != "exact" and off < 0):
        return ""
    what = "were counted" if told["counted"] == "exact" else "were the most that it could have"
    now = "; from now on it is held to a bound" if off > 0 else ""
    return f"{told['model']} says that the prompt had {taken} tokens, and {taken - off} {what}{now}"


def within(told: Json, gate: int) -> None:
    """Raise ``TooLongError`` where the request *told* in the ledger took more than its *gate* lets through."""
    taken = told["prompt_tokens"]
    if taken <= gate:
        return
    raise TooLongError(
        f"{told['model']} says that the prompt had {taken} tokens, and the {told['role']}'s gate is {gate} "
        f"({taken - beyond(told)} were expected): its answer is not used",
        hint=f"Send it less, or give [roles.{told['role']}] a larger gate, and go on with --resume.",
    )


def _by(tokens: Tokens) -> Callable[[str], int]:
    """The tokens of a text as the model's file has them, never more than its bytes."""
    return lambda text: min(tokens.count(text), longest(text))


def _plain(message: Json) -> bool:
    """Whether *message* is a text and nothing else."""
    return message.keys() == {"role", "content"} and isinstance(message["content"], str)


def _prompt(body: bytes) -> bytes:
    """What is counted of *body*."""
    found = json.loads(body)
    return json.dumps([found.get("messages"), found.get("tools")]).encode()
