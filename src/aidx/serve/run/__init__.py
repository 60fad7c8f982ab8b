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
from aidx.serve.app import App, Log, Service
from aidx.serve.door import LOOPBACK, Door
from aidx.serve.run.keep import Keepers, Offer, Say
from aidx.serve.run.listen import Listen, address, bound, listening

__all__ = ["Listen", "Offer", "serve"]


def serve(
    offers: Sequence[Offer],
    listen: Listen,
    plan: Mapping[str, Any],
    *,
    say: Say,
    tell: Say,
    log: Log | None = None,
) -> None:
    """Serve *offers* until SIGTERM or Ctrl-C (which raises ``KeyboardInterrupt`` once all is down).

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
        return App(services, plan, Door(listen.host, listen.key), log=log)

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
    loop = asyncio.get_running_loop()
    gates = [Gate(offer.limits, loop.time, tell=_warning(offer.role, tell)) for offer in offers]
    app = make(
        [
            Service(offer.role, offer.model, gate, offer.cell_bytes, offer.embeds)
            for offer, gate in zip(offers, gates, strict=True)
        ]
    )
    with _signals() as ended:
        async with Keepers(tell, app.restarted) as keepers, listening(app, on):
            ready = [keepers.keep(offer, gate) for offer, gate in zip(offers, gates, strict=True)]
            await _first(asyncio.gather(*ready), ended)
            if not ended.done():
                gc.collect()
                gc.freeze()  # what is alive now stays: the collector need not look at it again
                opened()
                await ended
        if ended.result() == signal.SIGINT:
            raise KeyboardInterrupt


def _warning(role: str, tell: Say) -> Say:
    return lambda line: tell(f"aidx: {role}: {line}")


async def _first(*waited: asyncio.Future[Any]) -> None:
    """Wait for the first of *waited*; raise what it raises."""
    done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    for future in done:
        future.result()


@contextmanager
def _signals() -> Iterator[asyncio.Future[int]]:
    """A future that becomes the number of the first SIGTERM or SIGINT; a second SIGINT interrupts at once."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def end(number: int) -> None:
        if not ended.done():
            ended.set_result(number)

    def note(number: int, _: object) -> None:
        if ended.done():
            raise KeyboardInterrupt
        loop.call_soon_threadsafe(end, number)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _invitation(offers: Sequence[Offer], plan: Mapping[str, Any], on: socket.socket) -> str:
    """One line: what is served within which budget, and how to point a client at it."""
    models = ", ".join(
        f"{offer.role} = {offer.model} ({offer.limits.n_ctx:,} tokens, {offer.limits.slots} slots)" for offer in offers
    )
    planned = sum(device["planned_bytes"] for device in plan.get("devices", ()))
    return f"aidx: {models}; {planned / (1 << 30):.2f} GiB planned; OPENAI_BASE_URL={address(on)}/v1"


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop
