"""Runs the endpoint: binds, starts the engines, watches them, and takes everything down again."""

import asyncio
import gc
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Self

import uvicorn

from aidx.errors import AidxError, InputError
from aidx.gate.admit import Limits
from aidx.gate.drive import Gate
from aidx.ports import Deployment
from aidx.serve.app import LOOPBACK, App, Service
from aidx.serve.lifecycle import Restarts

DRAIN_S = 4  # of the five seconds that SIGTERM has; the rest is for the engines
BACKLOG = 256
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Offer:
    """A role to serve: *start* loads its model and blocks until it answers; *limits* are the plan's."""

    role: str
    model: str
    start: Callable[[], Deployment]
    limits: Limits
    cell_bytes: int


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen; *key* is wanted of clients, and needed on anything but loopback."""

    host: str = "127.0.0.1"
    port: int = 8411
    key: str | None = None


def serve(offers: Sequence[Offer], listen: Listen, plan: Mapping[str, Any], *, say: Say, tell: Say) -> None:
    """Serve *offers* until SIGTERM or Ctrl-C (which raises ``KeyboardInterrupt`` once all is down).

    *say* is handed the address as soon as requests are answered, *tell* what happens besides. Raises
    ``InputError`` for an address that cannot be had, ``EngineError`` when a model cannot be started.
    """
    if listen.host not in LOOPBACK and listen.key is None:
        raise InputError(
            f"{listen.host} can be reached by others: it needs an API key",
            hint="Put a key into a variable and name it with --api-key-env, or serve on 127.0.0.1.",
        )
    with _bound(listen) as bound, asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(offers, listen, plan, bound, say=say, tell=tell))


async def _serve(
    offers: Sequence[Offer], listen: Listen, plan: Mapping[str, Any], bound: socket.socket, *, say: Say, tell: Say
) -> None:
    loop = asyncio.get_running_loop()
    gates = [Gate(offer.limits, loop.time) for offer in offers]
    services = [
        Service(offer.role, offer.model, gate, offer.cell_bytes) for offer, gate in zip(offers, gates, strict=True)
    ]
    app = App(services, plan, host=listen.host, key=listen.key)
    with _signals() as ended:
        async with _Keepers(tell) as keepers, _listening(app, bound):
            ready = [keepers.keep(offer, gate) for offer, gate in zip(offers, gates, strict=True)]
            await _first(asyncio.gather(*ready), ended)
            if not ended.done():
                gc.collect()
                gc.freeze()  # what is alive now stays: the collector need not look at it again
                say(f"aidx: serving on {_address(bound)}")
                tell(_invitation(offers, plan, bound))
                await ended
        if ended.result() == signal.SIGINT:
            raise KeyboardInterrupt


class _Keepers:
    """Keeps the engines running: starts each, and again when it dies; leaving the block stops them."""

    def __init__(self, tell: Say) -> None:
        self._tell = tell
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def keep(self, offer: Offer, gate: Gate) -> asyncio.Future[None]:
        """Start *offer*; the future is done when it answers, or fails as the start did."""
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks.append(asyncio.get_running_loop().create_task(self._run(offer, gate, ready)))
        return ready

    async def _run(self, offer: Offer, gate: Gate, ready: asyncio.Future[None]) -> None:
        restarts = Restarts()
        while True:
            try:
                deployment = await _in_thread(offer.start)
            except AidxError as error:
                if not ready.done():
                    ready.set_exception(error)
                    return
                why = str(error)
            else:
                if not ready.done():
                    ready.set_result(None)
                why = await self._watch(deployment, gate)
            delay = restarts.delay(asyncio.get_running_loop().time())
            self._tell(f"aidx: {offer.role}: {why}; starting it again in {delay:.1f} s")
            await asyncio.sleep(delay)

    async def _watch(self, deployment: Deployment, gate: Gate) -> str:
        try:
            gate.attach(deployment.chat())
            return await deployment.ended()
        finally:
            gate.detach()
            deployment.stop()


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: engines must be stopped after the last answer, by us."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


@asynccontextmanager
async def _listening(app: App, bound: socket.socket) -> AsyncIterator[None]:
    """Answer on *bound* for as long as the block runs; afterwards let what is in flight end."""
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=DRAIN_S,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        yield
    finally:
        app.draining = True
        server.should_exit = True
        await serving


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


async def _in_thread(function: Callable[[], Deployment]) -> Deployment:
    """Run *function* in a thread that does not keep the process alive: loading a model cannot be interrupted."""
    future: Future[Deployment] = Future()

    def run() -> None:
        try:
            future.set_result(function())
        except AidxError as error:
            future.set_exception(error)
        finally:
            if not future.done():  # a bug: its traceback is the thread's, and nobody may wait for ever
                future.set_exception(AidxError("the start of the engine broke off"))

    threading.Thread(target=run, name="aidx-start", daemon=True).start()
    return await asyncio.shield(asyncio.wrap_future(future))


@contextmanager
def _bound(listen: Listen) -> Iterator[socket.socket]:
    """A socket that listens; port 0 takes a free one."""
    with ExitStack() as stack:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            bound = stack.enter_context(socket.socket(family, kind, protocol))
            if sys.platform != "win32":  # there it would let two servers share the port
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen(BACKLOG)
        except OSError as error:
            raise InputError(
                f"cannot listen on {listen.host}:{listen.port}: {error.strerror or error}",
                hint="Choose another --port (0 takes a free one), or stop what listens there.",
            ) from None
        yield bound


def _address(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _invitation(offers: Sequence[Offer], plan: Mapping[str, Any], bound: socket.socket) -> str:
    """One line: what is served within which budget, and how to point a client at it."""
    models = ", ".join(
        f"{offer.role} = {offer.model} ({offer.limits.n_ctx:,} tokens, {offer.limits.slots} slots)" for offer in offers
    )
    planned = sum(device["planned_bytes"] for device in plan.get("devices", ()))
    return f"aidx: {models}; {planned / (1 << 30):.2f} GiB planned; OPENAI_BASE_URL={_address(bound)}/v1"


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop
