"""One request from beginning to end, for a caller without an event loop."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable

from aidx.errors import EngineError
from aidx.gate.admit import Limits
from aidx.gate.drive import Gate, Prompt
from aidx.gate.patterns import drive
from aidx.gate.reply import Reply
from aidx.patterns.vocabulary import Returned, Steps
from aidx.ports import Deployment

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
