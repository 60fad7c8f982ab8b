"""The clients of a proof: they fill the pool, converse, come in crowds and ask for too much, all through the gate."""

import asyncio  # noqa: TID253 - this module is imported when something is proved, and not before
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from aidx.budget.witness import Occupied
from aidx.errors import EngineError, InputError
from aidx.gate.admit import Limits, RefusedError
from aidx.gate.drive import Gate
from aidx.gate.drive import patience as default_patience
from aidx.gate.grant import Grant
from aidx.gate.prompt import Prompt
from aidx.gate.reply import Reply
from aidx.ports.chat import Chat, Patience
from aidx.stress.exact import exact
from aidx.stress.load import OUTPUT, TURNS_EACH, Shape, prompt

Patient = Callable[[Prompt, int, int, float], Patience]


class Outcome(Struct, frozen=True):
    """How one request ended (*code* says why it was refused), its reply, and what was *counted* of its prompt.

    Its answer *began* and *ended* at these times.
    """

    how: Literal["answered", "refused", "lost"]
    why: str = ""
    code: str = ""
    reply: Reply = field(default_factory=Reply)
    waited: bool = False
    began: float = 0.0
    ended: float = 0.0
    counted: int = 0

    @property
    def read(self) -> int:
        """Tokens of the prompt, as the engine says; none where it says nothing."""
        return self.reply.usage.get("prompt_tokens", 0)

    @property
    def kept(self) -> int:
        """Cells that it took: the last token of an answer is never read, and so never kept."""
        return self.read + max(0, self.reply.usage.get("completion_tokens", 0) - 1)


class TooMuch(NamedTuple):
    """Whether the gate *refused* one token too many, and the engine *cut* a longer prompt, or *took* it at all."""

    refused: bool
    cut: bool
    took: bool


class Clients:
    """All of them, for one engine; what became of each request is in *outcomes*. Belongs to one event loop."""

    def __init__(
        self,
        chat: Chat,
        limits: Limits,
        shape: Shape,
        patient: Patient = default_patience,
        *,
        anywhere: bool = False,
    ) -> None:
        self.outcomes: list[Outcome] = []
        self.shape = shape
        self._anywhere = anywhere
        self._chat = chat
        self._patient = patient
        self._limits = limits
        bounds = replace(limits, gate=limits.n_ctx_seq - OUTPUT) if shape.gate is None else _open(limits, shape)
        self._gate = Gate(bounds, time.monotonic, patient=patient)
        self._gate.attach(chat)

    def close(self) -> None:
        """Drop the connections."""
        self._gate.detach()

    async def text(self, tokens: int, number: int, before: str = "") -> str:
        """A first message with which a prompt has just so many *tokens*; raises ``EngineError`` where none has."""
        found = await exact(self._count, tokens, number, before)
        if found is None:
            raise EngineError(f"no text of exactly {tokens} tokens was found for this tokenizer")
        return found

    async def _count(self, text: str) -> int:
        return await self._chat.count(prompt([("user", text)]).body)

    async def longest(self, text: str) -> int:
        """Tokens of the prompt that *text* alone becomes."""
        return await self._count(text)

    async def fill(self, before: str) -> float:
        """Fill each slot's share at the same time; the share of the pool that is in use then."""
        texts = [await self.text(self.shape.fill, number, before) for number in range(self.shape.slots)]
        output = self.shape.answer
        found = await asyncio.gather(*(self.send(prompt([("user", text)], output)) for text in texts))
        return await self._kept(found) / self.shape.cells

    async def _kept(self, found: list[Outcome]) -> int:
        """Cells in use at the same time: by the engine's own account, or by answers that were on their way together."""
        if isinstance(self._chat, Occupied) and all(each.how == "answered" for each in found):
            with suppress(EngineError):  # it does not tell
                return min(await self._chat.cells(), sum(each.kept for each in found))
        return _overlap(found)

    async def converse(self, number: int, turns: int, each: Callable[[int], object]) -> None:
        """So many *turns*: a conversation keeps its history until its slot is full, then another one begins.

        Where the engine may choose the slot (*anywhere*), it chooses for these requests. *each* is told after a turn
        how many there were; an engine that fails ends it.
        """
        said: list[tuple[str, str]] = []
        for turn in range(turns):
            if turn % TURNS_EACH == 0:
                said = []
            more = await self._turn_text(said, number + turn, (turn % TURNS_EACH + 1) * self.shape.turn)
            said.append(("user", more))
            found = await self.send(prompt(said, anywhere=self._anywhere))
            if found.how == "lost":
                return
            said.append(("assistant", found.reply.text))
            each(turn + 1)

    async def _turn_text(self, said: list[tuple[str, str]], number: int, upto: int) -> str:
        """The next message, with which the conversation has at most *upto* tokens."""

        async def count(text: str) -> int:
            return await self._chat.count(prompt([*said, ("user", text)]).body)

        return await exact(count, min(upto, self.shape.fill), number) or "."

    async def crowd(self) -> None:
        """More clients than there are slots and places to wait, at once."""
        texts = [await self.text(self.shape.crowd, 10_000 + number) for number in range(self.shape.clients)]
        await asyncio.gather(*(self.send(prompt([("user", text)])) for text in texts))

    async def too_much(self) -> "TooMuch":
        """One token more than the context for the gate; then one for the engine, past our gate.

        That one is asked through a gate that believes in a longer context.
        """
        text = await self.text(self.shape.over, 77)
        over = await self.send(prompt([("user", text)]))
        long = await self.text(self.shape.context + 1, 78)
        asked = await _send(self._past(), prompt([("user", long)], 1))
        if asked.how == "lost":
            self.outcomes.append(asked)
        taken = asked.how == "answered"
        refused = over.how == "refused" and over.code == "context_length_exceeded"
        return TooMuch(refused, taken and asked.read < asked.counted, taken)

    def _past(self) -> Gate:
        """A gate that believes in a longer context than there is."""
        if self.shape.gate is not None:
            return self._gate
        context = self.shape.context
        wider = replace(self._limits, n_ctx=2 * self._limits.n_ctx, n_ctx_seq=2 * context, gate=context + 1)
        gate = Gate(wider, time.monotonic, patient=self._patient)
        gate.attach(self._chat)
        return gate

    async def send(self, request: Prompt) -> Outcome:
        """One request to its end; never raises for what becomes of it."""
        found = await _send(self._gate, request)
        self.outcomes.append(found)
        return found


def _open(limits: Limits, shape: Shape) -> Limits:
    """Bounds that let everything through: another's gate is to be seen at work."""
    most = 1 << 30
    return replace(limits, n_ctx=most, n_ctx_seq=most, slots=shape.clients, gate=most - 1)


async def _send(gate: Gate, request: Prompt) -> Outcome:
    try:
        grant = await gate.admit(request)
    except RefusedError as refused:
        return Outcome("refused", str(refused), refused.code)
    except (InputError, EngineError) as error:
        return Outcome("lost", str(error))
    async with grant:
        return await _answer(grant)


async def _answer(grant: Grant) -> Outcome:
    reply = Reply()
    try:
        async for chunk in grant:
            reply.feed(chunk)
    except InputError as refused:  # by the engine, or by the gate before it
        return Outcome("refused", str(refused), refused.code, reply)
    except EngineError as error:
        return Outcome("lost", str(error), error.code, reply)
    if not reply.complete:
        return Outcome("lost", "the answer broke off", "", reply)
    waited, counted = grant.booking.waited, grant.booking.prompt_tokens
    return Outcome("answered", "", "", reply, waited, grant.first or 0.0, time.monotonic(), counted)


def _overlap(found: list[Outcome]) -> int:
    """Cells of those answers that were on their way at the same moment; of the longest one where none were."""
    done = [each for each in found if each.how == "answered"]
    if not done:
        return 0
    if max(each.began for each in done) <= min(each.ended for each in done):
        return sum(each.kept for each in done)
    return max(each.kept for each in done)
