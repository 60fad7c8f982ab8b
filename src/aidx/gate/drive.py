"""The shell around admission: counts, waits, hands the request to the model, and releases exactly once.

The only code that calls ``Chat.answer``.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from math import ceil
from typing import Self

from aidx.errors import EngineError
from aidx.gate.admit import Admission, Admitted, Limits, RefusedError, Reserved
from aidx.gate.tokens import certain_bytes
from aidx.ports import Chat

COUNTING = 4  # requests that the engine counts at the same time
LONGEST_WAIT_S = 60
SMOOTHING = 0.2  # weight of the newest request in the average time that one holds its cells
PROBE_S = 2.0  # an engine that needs longer to count one word hangs
PROBE = b'{"messages":[{"role":"user","content":"x"}]}'


@dataclass(frozen=True, slots=True)
class Prompt:
    """A checked chat completion request, without the bound on its output.

    *body* is the request as JSON, *texts* those messages that every template keeps whole but for their ends
    (what the user and the system say), *max_tokens* the output that was asked for.
    """

    body: bytes
    texts: tuple[str, ...]
    max_tokens: int | None = None


class Gate:
    """The way to one model. Without a model (starting, restarting) every request is told to come again.

    Belongs to one event loop; *clock* gives its seconds.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self.limits = limits
        self._clock = clock
        self._admission = Admission(limits)
        self._chat: Chat | None = None
        self._waiting: dict[object, asyncio.Future[Admitted]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._counting = 0
        self._counters = asyncio.Semaphore(COUNTING)
        self._held_s = 1.0

    @property
    def reserved(self) -> Reserved:
        """What is taken at the moment."""
        return self._admission.reserved

    @property
    def open(self) -> bool:
        """Whether a model stands behind the gate."""
        return self._chat is not None

    async def answers(self) -> bool:
        """Whether the engine is there and counts a word in `PROBE_S`: one that hangs is as good as none."""
        if self._chat is None:
            return False
        try:
            async with asyncio.timeout(PROBE_S):
                return await self._chat.count(PROBE) > 0
        except (TimeoutError, EngineError):
            return False

    def attach(self, chat: Chat) -> None:
        """Let requests through to *chat*."""
        self._chat = chat

    def detach(self) -> None:
        """Drop the connections; those who wait are told to come again, those in flight fail by themselves."""
        if self._chat is not None:
            self._chat.close()
            self._chat = None
        waiting, self._waiting = self._waiting, {}
        for ticket, future in waiting.items():
            self._admission.leave(ticket)
            if not future.done():
                future.set_exception(_loading())

    async def admit(self, prompt: Prompt) -> "Grant":
        """Count, reserve and wait for the turn of *prompt*; the caller closes what it gets.

        Raises ``RefusedError`` (too long, or the queue is full), ``InputError`` (the template refuses the
        messages) and ``EngineError`` (no engine, or it died while counting).
        """
        chat = self._model()
        tokens, output = await self._measure(chat, prompt)
        ticket = object()
        decision = self._admission.ask(ticket, tokens + output, prompt.body)
        if decision is None:
            raise self._exhausted(tokens + output)
        if not isinstance(decision, Admitted):
            decision = await self._turn(ticket)
        return Grant(self, chat, prompt, Booking(ticket, decision, tokens, output, self._clock()))

    async def _measure(self, chat: Chat, prompt: Prompt) -> tuple[int, int]:
        least = chat.least(certain_bytes(prompt.texts))
        if least > self.limits.gate:
            output = prompt.max_tokens or 1
            over = max(least - self.limits.gate, least + output - self.limits.n_ctx_seq)
            raise self.limits.too_long(least, output, over, at_least=True)
        if self._counting >= self.limits.queue + self.limits.slots:
            raise self._exhausted(least)
        self._counting += 1
        try:
            async with self._counters:
                tokens = await chat.count(prompt.body)
        finally:
            self._counting -= 1
        return tokens, self.limits.check(tokens, prompt.max_tokens)

    async def _turn(self, ticket: object) -> Admitted:
        future: asyncio.Future[Admitted] = asyncio.get_running_loop().create_future()
        self._waiting[ticket] = future
        admitted = None
        try:
            admitted = await future
        finally:
            if admitted is None:  # the caller has gone, or the model: its place is given up
                self._waiting.pop(ticket, None)
                self._leave(ticket)
        return admitted

    def _leave(self, ticket: object) -> None:
        for following, admitted in self._admission.leave(ticket).items():
            future = self._waiting.pop(following)
            if not future.done():
                future.set_result(admitted)

    def release(self, booking: "Booking") -> None:
        """Give back what was reserved and let the next ones in."""
        self._held_s += SMOOTHING * (self._clock() - booking.begun - self._held_s)
        self._leave(booking.ticket)

    def release_after(self, stream: AsyncGenerator[bytes, None], booking: "Booking") -> None:
        """The same, as soon as the engine has let go of *stream*, in the background."""

        async def settle() -> None:
            try:
                await stream.aclose()
            finally:
                self.release(booking)

        task = asyncio.get_running_loop().create_task(settle())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def _model(self) -> Chat:
        if self._chat is None:
            raise _loading()
        return self._chat

    def _exhausted(self, cells: int) -> RefusedError:
        taken = self.reserved
        turns = (taken.queued + self._counting + 1) / self.limits.slots
        wait = min(LONGEST_WAIT_S, max(1, ceil(turns * self._held_s)))
        return RefusedError(
            f"{taken.cells} of {self.limits.n_ctx} KV cells are reserved and {taken.queued} requests wait",
            code="kv_budget_exhausted",
            hint=f"Try again in {wait} s, or serve with more context or slots.",
            retry_after=wait,
            reserved_tokens=taken.cells,
            wanted_tokens=cells,
            n_ctx=self.limits.n_ctx,
        )


@dataclass(frozen=True, slots=True)
class Booking:
    """What was reserved, since when, for a prompt of so many tokens and so much output."""

    ticket: object
    admitted: Admitted
    prompt_tokens: int
    max_tokens: int
    begun: float


class Grant:
    """A reservation in use: iterate over the answer's bytes, then ``close``.

    Iterating raises what ``Chat.answer`` raises. Closing early frees the engine's slot as well.
    """

    def __init__(self, gate: Gate, chat: Chat, prompt: Prompt, booking: Booking) -> None:
        self.booking = booking
        self._gate = gate
        body = prompt.body[:-1] + b',"max_tokens":%d}' % booking.max_tokens
        self._stream = chat.answer(body, slot=booking.admitted.slot)
        self._started = self._ended = self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        self._started = True
        try:
            return await anext(self._stream)
        except StopAsyncIteration:
            self._ended = True
            raise

    def close(self) -> None:
        """Give back the reservation, now or as soon as the engine has stopped working on it; once."""
        if self._closed:
            return
        self._closed = True
        if self._started and not self._ended:
            self._gate.release_after(self._stream, self.booking)
        else:
            self._gate.release(self.booking)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


def _loading() -> EngineError:
    return EngineError("the model is being loaded", code="engine_loading", hint="Try again in a moment.")
