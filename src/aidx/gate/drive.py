"""The shell around admission: counts, waits, hands the request to the model, and releases exactly once.

The only code that calls ``Chat.answer``.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from math import ceil
from typing import TypeVar

from aidx.errors import AidxError, EngineError
from aidx.gate.admit import Admission, Admitted, Limits, RefusedError, Reserved
from aidx.gate.count import Counter, Own
from aidx.gate.fit import Fitted, Fitter, no_tools
from aidx.gate.forecast import UNKNOWN, Speed, retry_after
from aidx.gate.grant import Booking, Grant
from aidx.gate.pool import Pool
from aidx.gate.prompt import Prompt
from aidx.ports.chat import Chat, Enforced, Patience
from aidx.ports.engine import Allocated

Counted = TypeVar("Counted")
PROBE_S = 2.0  # an engine that needs longer to count one word hangs
PROBE = b'{"messages":[{"role":"user","content":"x"}]}'
BORNE_S = 60.0  # of silence, whatever the request
SLOWEST_READ = 10.0  # tokens a second: a 14B model on two cores reads faster
SLOWEST_WRITE = 0.5
READS = 5  # tokens in the time in which one is written, at least
BATCH = 2048  # tokens of another request that the engine may read between two of ours


class LoadingError(EngineError):
    """There is no model yet, or none at the moment; *retry_after* is when there should be one, in seconds."""

    code = "engine_loading"

    def __init__(self, retry_after: int = 1, why: str = "") -> None:
        said = f"the model is not there now: {why}" if why else "the model is being loaded"
        super().__init__(said, hint=f"Try again in {retry_after} s.")
        self.retry_after = retry_after


def patience(prompt: Prompt, tokens: int, output: int, speed: float = UNKNOWN) -> Patience:
    """How long an engine may be silent over a request before it is taken for dead: longer than any that lives.

    *speed* is that of the latest answers, in tokens a second.
    """
    first = BORNE_S + tokens / SLOWEST_READ + (0 if prompt.stream else output / SLOWEST_WRITE)
    lasts = 0.0 if prompt.stream else (output + tokens / READS) / speed
    return Patience(first, BORNE_S + BATCH / SLOWEST_READ, lasts)


class Gate:
    """The way to one model. Without a model (starting, restarting) every request is told to come again.

    Belongs to one event loop; *clock* gives its seconds. *own* is what we know of the model's tokens, *tell* is
    handed warnings. *patient* says how long the engine may be silent; when that was too long, ``hung`` is set.
    """

    def __init__(
        self,
        limits: Limits,
        clock: Callable[[], float],
        *,
        own: Own | None = None,
        tell: Callable[[str], object] = lambda _: None,
        patient: Callable[[Prompt, int, int, float], Patience] = patience,
    ) -> None:
        self.limits = limits
        self.pool = Pool(Admission(limits), Counter(own, tell))
        self._patient = patient
        self._fitter = Fitter(limits, self.counter)
        self._clock = clock
        self._leaving: set[asyncio.Task[None]] = set()

    def beside(self, limits: Limits) -> "Gate":
        """A gate of another role to the same model: its own bounds, the same cells, slots and queue."""
        other = Gate(limits, self._clock, patient=self._patient)
        other.pool = self.pool
        other._fitter = Fitter(limits, self.counter)
        return other

    @property
    def counter(self) -> Counter:
        """Who counts, and how often that was wrong."""
        return self.pool.counter

    @property
    def speed(self) -> Speed:
        """How fast the model was so far."""
        return self.pool.speed

    @property
    def hung(self) -> asyncio.Event:
        """Set when the engine was silent for longer than one may be."""
        return self.pool.hung

    @property
    def reserved(self) -> Reserved:
        """What is taken at the moment, by all roles that share the model."""
        return self.pool.admission.reserved

    @property
    def open(self) -> bool:
        """Whether a model stands behind the gate."""
        return self.pool.chat is not None

    @property
    def due(self) -> int:
        """Seconds until a model should be there, where there is none: what ``Retry-After`` says."""
        return max(1, ceil(self.pool.expected - self._clock()))

    def enforces(self) -> Enforced:
        """How the model behind the gate holds its answers to a schema; ``LoadingError`` where there is none."""
        return self._model().enforces()

    async def answers(self) -> bool:
        """Whether the engine is there and counts a word in `PROBE_S`: one that hangs is as good as none."""
        if self.pool.chat is None:
            return False
        try:
            async with asyncio.timeout(PROBE_S):
                return await self.pool.chat.count(PROBE) > 0
        except (TimeoutError, EngineError):
            return False

    def attach(self, chat: Chat, allocated: Allocated | None = None) -> None:
        """Let requests through to *chat*, whose engine says that it *allocated* so much."""
        self.pool.chat = chat
        self.pool.allocated = allocated
        self.pool.tools = None
        self.hung.clear()

    def detach(self) -> None:
        """Drop the connections; those who wait are told to come again, those in flight fail by themselves."""
        if self.pool.chat is not None:
            self.pool.chat.close()
            self.pool.chat = self.pool.allocated = None
        waiting, self.pool.waiting = self.pool.waiting, {}
        for ticket, future in waiting.items():
            self.pool.admission.leave(ticket)
            if not future.done():
                future.set_exception(self._loading())

    def expect(self, seconds: float, why: str = "") -> None:
        """A model is expected in so many *seconds*: those who come before are told so, and *why* it is not there."""
        self.pool.expected = self._clock() + seconds
        self.pool.why = why

    async def admit(self, prompt: Prompt) -> "Grant":
        """Count, reserve and wait for the turn of *prompt*; the caller closes what it gets.

        Raises ``RefusedError`` (too long, or the queue is full), ``InputError`` (the template refuses the
        messages, or drops the tools) and ``EngineError`` (no engine, or it died while counting).
        """
        came = self._clock()
        if self.pool.wake is not None:
            await self._awake(self.pool.wake)
        chat = self._model()
        fitted = self._at_once(chat, prompt)
        if fitted is None:
            try:
                fitted = await self._slotted(chat, prompt, self._fitter.fit)
            except EngineError as error:
                self.note(error)
                raise
            self._model(chat)
        ticket = object()
        body = fitted.prompt.body
        decision = self.pool.admission.ask(ticket, fitted.tokens + fitted.output, body)
        if decision is None:
            raise self._exhausted(fitted.tokens + fitted.output)
        waited = not isinstance(decision, Admitted)
        if not isinstance(decision, Admitted):
            decision = await self._turn(ticket)
        grant = Grant(self, chat, fitted, body, Booking(ticket, decision, fitted, came, self._clock(), waited))
        self.pool.running[ticket] = grant.left
        return grant

    async def count(self, prompt: Prompt) -> int:
        """Tokens of *prompt*, whether it fits or not; raises as ``admit``, ``not_counted`` for an estimating engine.

        Takes no place from those who want to be admitted.
        """
        if self.pool.wake is not None:
            await self._awake(self.pool.wake)
        chat = self._model()
        if chat.precision != "exact":
            raise EngineError("this model's engine does not say how it counts", code="not_counted")
        if self.pool.sizing >= self._places:
            raise self._exhausted(1)
        self.pool.sizing += 1
        try:
            return await self._taking(chat, prompt, self._fitter.count)
        finally:
            self.pool.sizing -= 1
            self.pool.quiet()

    @property
    def _places(self) -> int:
        """How many may be counted, or wait until the model is loaded, at the same time."""
        return self.limits.queue + self.limits.slots

    async def _awake(self, wake: Callable[[], Awaitable[None]]) -> None:
        """Wait until the model is loaded, with no more others than may wait for cells."""
        if self.pool.arriving >= self._places:
            raise self._exhausted(1)
        self.pool.arriving += 1
        try:
            await wake()
        finally:
            self.pool.arriving -= 1

    def _at_once(self, chat: Chat, prompt: Prompt) -> Fitted | None:
        try:
            return self._fitter.at_once(chat, prompt)
        except AidxError:
            self.pool.quiet()
            raise

    async def _slotted(
        self, chat: Chat, prompt: Prompt, count: Callable[[Chat, Prompt], Awaitable[Counted]]
    ) -> Counted:
        """What *count* makes of *prompt*, with no more others than may be counted at the same time."""
        if self.pool.counting >= self._places:
            raise self._exhausted(1)
        self.pool.counting += 1
        try:
            return await self._taking(chat, prompt, count)
        finally:
            self.pool.counting -= 1
            self.pool.quiet()

    async def _taking(self, chat: Chat, prompt: Prompt, count: Callable[[Chat, Prompt], Awaitable[Counted]]) -> Counted:
        if prompt.tools and not await self._takes_tools(chat):
            raise no_tools()
        return await count(chat, prompt)

    async def _takes_tools(self, chat: Chat) -> bool:
        if self.pool.tools is None:
            self.pool.tools = await chat.takes_tools()
        return self.pool.tools

    async def _turn(self, ticket: object) -> Admitted:
        future: asyncio.Future[Admitted] = asyncio.get_running_loop().create_future()
        self.pool.waiting[ticket] = future
        admitted = None
        try:
            admitted = await future
        finally:
            if admitted is None:  # the caller has gone, or the model: its place is given up
                self.pool.waiting.pop(ticket, None)
                self._leave(ticket)
        return admitted

    def _leave(self, ticket: object) -> None:
        for following, admitted in self.pool.admission.leave(ticket).items():
            future = self.pool.waiting.pop(following)
            if not future.done():
                future.set_result(admitted)
        self.pool.quiet()

    def note(self, error: EngineError) -> None:
        """Take *error* for what it says of the engine."""
        if error.code == "engine_silent":
            self.hung.set()

    def patience(self, prompt: Prompt, booking: "Booking") -> Patience:
        """How long the engine may be silent over *prompt*."""
        return self._patient(prompt, booking.prompt_tokens, booking.max_tokens, self.speed.tokens_per_second)

    def release(self, grant: "Grant") -> None:
        """Give back what was reserved and let the next ones in; what the engine said of the answer is noted."""
        booking, usage = grant.booking, grant.usage
        if usage.prompt is not None and (grant.exact or self.counter.knows):  # an estimate is not held against it
            self.counter.compare(booking.prompt_tokens, usage.prompt)
        if usage.completion is not None and grant.first is not None:
            since = grant.first if grant.streamed else booking.begun
            self.speed.note(usage.completion, self._clock() - since)
        self.pool.running.pop(booking.ticket, None)
        self._leave(booking.ticket)

    def release_after(self, stream: AsyncGenerator[bytes, None], grant: "Grant") -> None:
        """The same, as soon as the engine has let go of *stream*, in the background."""

        async def settle() -> None:
            try:
                await stream.aclose()
            except EngineError as error:
                self.note(error)
            finally:
                self.release(grant)

        task = asyncio.get_running_loop().create_task(settle())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def now(self) -> float:
        """The clock."""
        return self._clock()

    def _model(self, still: Chat | None = None) -> Chat:
        if self.pool.chat is None or (still is not None and self.pool.chat is not still):
            raise self._loading()
        return self.pool.chat

    def _loading(self) -> LoadingError:
        return LoadingError(self.due, self.pool.why)

    def _exhausted(self, cells: int) -> RefusedError:
        taken = self.reserved
        first = next(iter(self.pool.admission.waiting.values()), (cells, b""))
        wait = retry_after(
            [left() for left in self.pool.running.values()],
            self.limits.n_ctx - taken.cells,
            first[0],
            self.limits.slots - taken.requests,
            self.speed,
        )
        return RefusedError(
            f"{taken.cells} of {self.limits.n_ctx} KV cells are reserved and {taken.queued} requests wait",
            code="kv_budget_exhausted",
            hint=f"Try again in {wait} s, or serve with more context or slots.",
            retry_after=wait,
            reserved_tokens=taken.cells,
            wanted_tokens=cells,
            n_ctx=self.limits.n_ctx,
        )
