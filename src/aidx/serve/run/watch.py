"""Watches a running engine until it may not go on."""

import asyncio

from aidx.gate.drive import Gate
from aidx.ports.engine import Deployment
from aidx.serve.memory import Memory

LOOK_S = 0.25


async def over(deployment: Deployment, gate: Gate, memory: Memory | None) -> str:
    """Wait until the engine has ended, is silent for longer than one may be, or outgrows its *memory*; say which."""
    waited = [asyncio.ensure_future(deployment.ended()), asyncio.ensure_future(_silent(gate))]
    if memory is not None and deployment.pid is not None:
        waited.append(asyncio.ensure_future(_outgrown(deployment.pid, memory)))
    try:
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        return next(one.result() for one in waited if one.done())
    finally:
        for one in waited:
            one.cancel()


async def _silent(gate: Gate) -> str:
    await gate.hung.wait()
    return "the engine hangs"


async def _outgrown(pid: int, memory: Memory) -> str:
    while not (wrong := memory.wrong(pid)):  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(LOOK_S)
    return wrong
