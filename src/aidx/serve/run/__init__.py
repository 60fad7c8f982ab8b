"""Runs the endpoint: binds, starts the engines, watches them, and takes everything down again."""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from aidx.errors import InputError
from aidx.gate.drive import Gate
from aidx.serve.app import App, Log
from aidx.serve.door import LOOPBACK, Door
from aidx.serve.exchange import Offered
from aidx.serve.run.bug import telling
from aidx.serve.run.keep import Keepers, Offer, Process, Say
from aidx.serve.run.listen import Listen, address, bound, listening
from aidx.serve.run.turns import Turns
from aidx.serve.service import Service

__all__ = ["Listen", "Offer", "Pattern", "Process", "serve"]

COLLECT = (20_000, 20, 20)  # a request makes a hundred objects, which go by themselves: looking less often suffices

Pattern = Callable[[Mapping[str, Service]], Offered]
"""Makes something to offer of the roles that are served, by name."""


def serve(
    offers: Sequence[Offer],
    listen: Listen,
    plan: Mapping[str, Any],
    *,
    say: Say,
    tell: Say,
    log: Log | None = None,
    patterns: Sequence[Pattern] = (),
) -> None:
    """Serve *offers*, and *patterns* over them, until SIGTERM, SIGHUP or Ctrl-C.

    Ctrl-C raises ``KeyboardInterrupt`` once all is down.
    *say* is handed the address as soon as requests are answered, *tell* what happens besides, *log* (where there
    is one) every request. Raises ``InputError`` for an address that cannot be had, ``EngineError`` when a model
    cannot be started.
    """
    if listen.host not in LOOPBACK and listen.key is None:
        raise InputError(
            f"{listen.host} can be reached by others: it needs an API key",
            hint="Put a key into a variable and name it with --api-key-env, or serve on 127.0.0.1.",
        )

    def app(services: Sequence[Service]) -> App:
        roles = {service.role: service for service in services}
        origins = frozenset(origin.encode() for origin in listen.origins)
        door = Door(listen.host, listen.key, origins)
        clock = asyncio.get_running_loop().time
        offered = [make(roles) for make in patterns]
        bug = telling(tell, verbose=log is not None)
        return App(services, plan, door, log=log, patterns=offered, clock=clock, tell_bug=bug)

    with bound(listen) as on, asyncio.Runner(loop_factory=_loop_factory()) as runner:

        def opened() -> None:
            say(f"aidx: serving on {address(on)}")
            tell(_invitation(offers, plan, on))

        runner.run(_serve(offers, on, app, opened, tell))


async def _serve(
    offers: Sequence[Offer],
    on: socket.socket,
    make: Callable[[Sequence[Service]], App],
    opened: Callable[[], None],
    tell: Say,
) -> None:
    services = _services(offers, tell)
    app = make(services)
    with _signals() as ended:
        keeping = Keepers(tell, app.restarted)
        async with keeping as keepers, Turns(keepers, tell) as turns, listening(app, on):
            here: list[asyncio.Future[None]] = []
            gates = {offer.process: service.gate for offer, service in zip(offers, services, strict=True)}
            for process, gate in gates.items():
                if process.turn is not None:
                    turns.add(process, process.turn, gate)
                    continue
                ready = keepers.keep(process, gate)
                if not process.leaves:
                    here.append(ready)
            await _first(asyncio.gather(*here, turns.begin()), ended)
            if not ended.done():
                gc.collect()
                gc.freeze()  # what is alive now stays: the collector need not look at it again
                gc.set_threshold(*COLLECT)
                opened()
                await ended
        if ended.result() == signal.SIGINT:
            raise KeyboardInterrupt


def _services(offers: Sequence[Offer], tell: Say) -> list[Service]:
    """One for each offer; all offers of a process have one pool of cells."""
    clock = asyncio.get_running_loop().time
    gates: dict[Process, Gate] = {}
    services = []
    for offer in offers:
        process = offer.process
        first = gates.get(process)
        gate = (
            Gate(offer.limits, clock, tell=_warning(process.role, tell))
            if first is None
            else first.beside(offer.limits)
        )
        gates.setdefault(process, gate)
        services.append(
            Service(
                offer.role,
                offer.model,
                gate,
                process.cell_bytes,
                embeds=offer.embeds,
                owner=process.role,
                leaves=process.leaves,
                memory=process.memory,
            )
        )
    return services


def _warning(role: str, tell: Say) -> Say:
    return lambda line: tell(f"aidx: {role}: {line}")


async def _first(*waited: asyncio.Future[Any]) -> None:
    """Wait for the first of *waited*; raise what it raises."""
    done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    for future in done:
        future.result()


@contextmanager
def _signals() -> Iterator[asyncio.Future[int]]:
    """A future that becomes the number of the first signal that ends; a second one interrupts at once.

    A SIGHUP that is ignored, as ``nohup`` has it, stays so.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def end(number: int) -> None:
        if not ended.done():
            ended.set_result(number)

    def note(number: int, _: object) -> None:
        if ended.done():
            raise KeyboardInterrupt
        loop.call_soon_threadsafe(end, number)

    numbers = [signal.SIGTERM, signal.SIGINT]
    hangup: signal.Signals | None = getattr(signal, "SIGHUP", None)  # a terminal that closes; not everywhere
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
        numbers.append(hangup)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _invitation(offers: Sequence[Offer], plan: Mapping[str, Any], on: socket.socket) -> str:
    """One line: what is served within which budget, and how to point a client at it."""
    models = ", ".join(_words(roles) for roles in _by_process(offers))
    turn = next((offer.process.turn for offer in offers if offer.process.turn is not None), None)
    if turn is None:
        planned = sum(device["planned_bytes"] for device in plan.get("devices", ()))
        budget = f"{planned / (1 << 30):.2f} GiB planned"
    else:
        budget = f"loaded in turns within {sum(turn.room.values()) / (1 << 30):.2f} GiB"
    return f"aidx: {models}; {budget}; OPENAI_BASE_URL={address(on)}/v1"


def _by_process(offers: Sequence[Offer]) -> Iterator[list[Offer]]:
    for process in dict.fromkeys(offer.process for offer in offers):
        yield [offer for offer in offers if offer.process is process]


def _words(offers: Sequence[Offer]) -> str:
    first = offers[0]
    roles = " and ".join(offer.role for offer in offers)
    if first.process.leaves:  # its cells are another machine's
        return f"{roles} = {first.model} elsewhere ({first.limits.n_ctx_seq:,} tokens a request)"
    return f"{roles} = {first.model} ({first.limits.n_ctx:,} tokens, {first.limits.slots} slots)"


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop
