"""A reservation in use: the answer's bytes on their way back, and what is given back when it ends, once."""

from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, Self

from msgspec import Struct

from aidx.errors import EngineError
from aidx.gate.admit import Admitted
from aidx.gate.fit import Fitted
from aidx.gate.forecast import Running, Speed
from aidx.gate.usage import Usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from aidx.gate.prompt import Prompt
    from aidx.ports.chat import Chat, Patience


class Lender(Protocol):
    """The gate that a reservation is of."""

    @property
    def speed(self) -> Speed:
        """How fast the model was so far."""
        ...

    def now(self) -> float:
        """The clock."""
        ...

    def note(self, error: EngineError) -> None:
        """Take *error* for what it says of the engine."""
        ...

    def patience(self, prompt: "Prompt", booking: "Booking") -> "Patience":
        """How long the engine may be silent over *prompt*."""
        ...

    def release(self, grant: "Grant") -> None:
        """Take back what was reserved."""
        ...

    def release_after(self, stream: "AsyncGenerator[bytes, None]", grant: "Grant") -> None:
        """The same, as soon as the engine has let go of *stream*."""
        ...


class Booking(Struct, frozen=True):
    """What was reserved for what, when the request *came*, when its turn had *begun*, and whether it *waited*."""

    ticket: object
    admitted: Admitted
    fitted: Fitted
    came: float
    begun: float
    waited: bool = False

    @property
    def prompt_tokens(self) -> int:
        """Of the prompt as it is sent on."""
        return self.fitted.tokens

    @property
    def max_tokens(self) -> int:
        """The bound on the output."""
        return self.fitted.output


class Grant:
    """A reservation in use: iterate over the answer's bytes, then ``close``.

    Iterating raises what ``Chat.answer`` raises. Closing early frees the engine's slot as well. *usage* is what
    the engine said, *first* when its first bytes came.
    """

    def __init__(self, gate: Lender, chat: "Chat", fitted: Fitted, body: bytes, booking: Booking) -> None:
        self.booking = booking
        self.usage = Usage()
        self.first: float | None = None
        self.streamed = fitted.prompt.stream
        self.exact = chat.precision == "exact"
        self._gate = gate
        self._pieces = 0
        if fitted.prompt.kind != "embedding":
            body = body[:-1] + b',"max_tokens":%d}' % booking.max_tokens
        self._stream = chat.answer(
            body,
            slot=booking.admitted.slot,
            kind=fitted.prompt.kind,
            patience=gate.patience(fitted.prompt, booking),
        )
        self._started = self._ended = self._closed = False

    def left(self) -> Running:
        """What it holds, and what it may still bring forth; of an answer in one piece that is a guess by the clock."""
        done: float = self._pieces
        if not self.streamed:
            done = (self._gate.now() - self.booking.begun) * self._gate.speed.tokens_per_second
        return Running(self.booking.admitted.cells, max(0.0, self.booking.max_tokens - done))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        self._started = True
        try:
            data = await anext(self._stream)
        except StopAsyncIteration:
            self._ended = True
            raise
        except EngineError as error:
            self._ended = True
            self._gate.note(error)
            raise
        if self.first is None:
            self.first = self._gate.now()
        if self.streamed:
            self._pieces += data.count(b"\n\n")
        self.usage.feed(data)
        return data

    async def whole(self) -> bytes:
        """All of the answer."""
        self._started = True
        try:
            parts = [piece async for piece in self._stream]
            self._ended = True
        except EngineError as error:
            self._ended = True
            self._gate.note(error)
            raise
        self.first = self._gate.now()
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        self.usage.feed(body)
        return body

    async def finish(self) -> None:
        """Read what is left of an answer that is complete, so that its connection can be used again."""
        with suppress(EngineError):
            async for _ in self:
                pass

    def close(self) -> None:
        """Give back the reservation, now or as soon as the engine has stopped working on it; once."""
        if self._closed:
            return
        self._closed = True
        if self._started and not self._ended:
            self._gate.release_after(self._stream, self)
        else:
            self._gate.release(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
