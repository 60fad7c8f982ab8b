"""One request from beginning to end, for a caller without an event loop."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import NamedTuple

from aidx.errors import AidxError, EngineError
from aidx.gate.admit import Limits
from aidx.gate.drive import Gate
from aidx.gate.patterns import Runner, advance, drive, perform
from aidx.gate.prompt import Prompt
from aidx.gate.reply import Reply
from aidx.patterns.vocabulary import Answer, Ask, Pattern, Result, Returned, Steps
from aidx.ports.engine import Deployment

Write = Callable[[str], object]


def ask(start: Callable[[], Deployment], limits: Limits, prompt: Prompt, write: Write) -> Reply:
    """Start a model, put *prompt* (which asks for a stream) through its gate, hand the text to *write*, stop it.

    Raises ``RefusedError`` when the prompt is over the gate, ``EngineError`` when the engine fails.
    """
    deployment = start()
    try:
        return asyncio.run(_through_gate(deployment, limits, prompt, write))
    finally:
        deployment.stop()


def drive_all(
    role: str, start: Callable[[], Deployment], limits: Limits, patterns: Iterable[Steps[Returned]]
) -> list[Returned]:
    """Start a model for *role*, drive *patterns* with it one after the other, stop it; what each returned."""
    deployment = start()
    try:
        return asyncio.run(_drive_all(role, deployment, limits, patterns))
    finally:
        deployment.stop()


async def _drive_all(
    role: str, deployment: Deployment, limits: Limits, patterns: Iterable[Steps[Returned]]
) -> list[Returned]:
    gate = Gate(limits, time.monotonic)
    gate.attach(deployment.chat())
    try:
        return [await drive(pattern, {role: gate}) for pattern in patterns]
    finally:
        gate.detach()


class Seat(NamedTuple):
    """Who fills a role: how its model is started, and what it may use; those of one *process* share it.

    What *leaves* is on another machine.
    """

    start: Callable[[], Deployment]
    limits: Limits
    process: object = None
    leaves: bool = False


def answer(pattern: Pattern, seats: Mapping[str, Seat], runner: Runner | None = None) -> Answer:
    """The answer of *pattern*; the model of a role is started when that is asked first, and all are stopped then.

    Raises what the pattern raises, and what goes wrong with a start.
    """
    house = _House(seats)
    result: Result | AidxError | None = None
    with asyncio.Runner() as loop:
        try:
            while True:
                try:
                    effect = advance(pattern, result)
                except StopIteration as stop:
                    found: Answer = stop.value
                    return found
                try:
                    if isinstance(effect, Ask):
                        house.open(effect.role)
                    result = loop.run(perform(effect, house.gates, runner))
                except AidxError as error:
                    result = error
        finally:
            pattern.close()
            house.close()


class _House:
    """Models that were started, each behind its gate."""

    def __init__(self, seats: Mapping[str, Seat]) -> None:
        self.gates: dict[str, Gate] = {}
        self._seats = seats
        self._running: dict[object, tuple[Deployment, Gate]] = {}

    def open(self, role: str) -> None:
        """Start the model of *role*, unless it runs, or nobody fills the role."""
        seat = self._seats.get(role)
        if seat is None or role in self.gates:
            return
        process = role if seat.process is None else seat.process
        if process in self._running:
            self.gates[role] = self._running[process][1].beside(seat.limits)
            return
        deployment = seat.start()
        gate = self.gates[role] = Gate(seat.limits, time.monotonic)
        self._running[process] = (deployment, gate)
        gate.attach(deployment.chat())

    def close(self) -> None:
        """Stop them."""
        for deployment, gate in self._running.values():
            gate.detach()
            deployment.stop()


def relay(chunks: AsyncIterator[bytes], write: Write) -> Reply:
    """Put together the answer that *chunks* stream from an endpoint, handing the text to *write*."""
    return asyncio.run(_collect(chunks, write))


async def _through_gate(deployment: Deployment, limits: Limits, prompt: Prompt, write: Write) -> Reply:
    gate = Gate(limits, time.monotonic)
    gate.attach(deployment.chat())
    try:
        async with await gate.admit(prompt) as grant:
            return await _collect(grant, write)
    finally:
        gate.detach()


async def _collect(chunks: AsyncIterator[bytes], write: Write) -> Reply:
    reply = Reply()
    async for chunk in chunks:
        if text := reply.feed(chunk):
            write(text)
    if not reply.complete:
        raise EngineError("the answer broke off", code="engine_failed")
    return reply
