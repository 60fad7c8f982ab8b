"""The endpoint: what it offers, and one answer for every request."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct, field

import aidx
from aidx.errors import AidxError, InputError
from aidx.serve import answer, tokenize, wire
from aidx.serve.account import account
from aidx.serve.caller import Caller, check_head
from aidx.serve.door import PREFLIGHT, Door, Headers
from aidx.serve.evict import only
from aidx.serve.exchange import Exchange, Offered, line
from aidx.serve.metrics import TYPE, Metrics, Reading
from aidx.serve.service import Catalogue, Service
from aidx.serve.strict import SMALL

__all__ = ["App", "Service"]

ASKED: Mapping[str, wire.Reader] = {
    "/v1/chat/completions": wire.CHAT,
    "/v1/completions": wire.TEXT,
    "/v1/embeddings": wire.EMBEDDING,
    tokenize.PATH: tokenize.READER,
}
ONE_MODEL = "/v1/models/"
FORMAT, ESCAPE = b"response_format", b"\\u"  # a name can be written with escapes; reading a schema takes up to 0.1 s
READS = frozenset({"GET", "HEAD"})
State = Literal["loading", "ready", "silent", "draining", "asleep"]
Route = Callable[[], answer.Answer | Awaitable[answer.Answer]]
Log = Callable[[Mapping[str, Any]], object]


def _now() -> float:
    """The loop's time; which loop that is costs a call of the system to find out."""
    return asyncio.get_running_loop().time()


class App(Struct, eq=False):
    """Serves *services*, and *patterns* over them; *plan* is the plan's JSON object, *door* who is let in.

    *log* is handed a line about each request, *tell_bug* what ended one and is no error of ours; *clock* has seconds.
    """

    services: Sequence[Service]
    plan: Mapping[str, Any]
    door: Door = field(default_factory=Door)
    log: Log | None = None
    patterns: Sequence[Offered] = ()
    clock: Callable[[], float] = _now
    tell_bug: Callable[[Exception], object] = bool
    bugs: int = 0
    draining: bool = False
    metrics: Metrics = field(default_factory=Metrics)
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    _restarts: dict[str, int] = field(default_factory=dict)
    _routes: dict[str, Route] = field(default_factory=dict)
    _catalogue: Catalogue = field(default_factory=lambda: Catalogue(()))

    def __post_init__(self) -> None:
        self._catalogue = Catalogue((*self.services, *self.patterns))
        self._routes = {
            "/health": lambda: answer.whole({"status": "ok", "server": "aidx", "version": aidx.__version__}),
            "/ready": self._ready,
            "/plan": self._plan,
            "/props": self._props,
            "/metrics": self._metrics,
            "/v1/models": self._models,
        }

    @property
    def _owners(self) -> tuple[Service, ...]:
        """Those under whose names the processes stand in the ledger: cells that are shared are counted once."""
        return tuple(service for service in self.services if not service.shares)

    def restarted(self, role: str) -> None:
        """Note that the engine of *role* had to be started again."""
        self._restarts[role] = self._restarts.get(role, 0) + 1

    def refused(self, status: int, code: str) -> None:
        """Write down what the listener answered: it never became a request."""
        if self.log is not None:
            self.log({"event": "request", "path": "…", "status": status, "code": code})

    async def __call__(self, caller: Caller) -> None:
        """Answer one request; whatever is wrong with it, or with us, is an answer in OpenAI's shape."""
        exchange = Exchange(caller, self.clock())
        try:
            await self._answer(caller, exchange)
        except AidxError as wrong:
            exchange.code = wrong.code
            exchange.reply.whole(answer.error(wrong, close=not exchange.read))
        except asyncio.CancelledError:
            exchange.code = "client_left" if caller.gone else "engine_loading"
            if not (caller.gone or exchange.reply.started):  # its time to drain is over, and its body never came
                exchange.reply.whole(answer.error(answer.stopping()))
        except Exception as bug:  # the last line of defence: a bug of ours is one answer, never a broken connection
            exchange.code = "internal_error"
            self.bugs += 1
            self.tell_bug(bug)
            if exchange.reply.started:
                raise
            exchange.reply.whole(answer.error(AidxError(f"internal error: {type(bug).__name__}")))
        finally:
            self._note(caller, exchange)

    async def _answer(self, caller: Caller, exchange: Exchange) -> None:
        method, path = caller.method, caller.path
        exchange.reply.extra = self.door.check(caller.headers)
        if method == "OPTIONS" and exchange.reply.extra:  # a browser asks before its page may
            exchange.reply.whole(answer.Answer(204, PREFLIGHT, b""))
            return
        self.door.check_key(path, caller.headers)
        asked = ASKED.get(path)
        if asked is not None and method == "POST":
            exchange.kind = asked.kind
            if self.draining:  # whatever its body says
                raise answer.stopping()
            check_head(caller.headers)
            body = await caller.body()
            exchange.read = True
            parsed = asked.at_once(body) or await self._parsed(asked, body)
            if asked is tokenize.READER:
                found = self._catalogue.find(parsed.model, embeds=False)
                exchange.reply.whole(await tokenize.count(parsed, found))
                return
            offered = exchange.offered = self._catalogue.find(parsed.model, embeds=exchange.kind == "embedding")
            if self.draining:
                raise answer.stopping()
            await offered.answer(parsed, exchange)
        else:
            made = self._front(caller.headers) if path == "/" and method in READS else self._route(method, path)()
            exchange.reply.whole(await made if isinstance(made, Awaitable) else made)

    def _route(self, method: str, path: str) -> Route:
        found = self._routes.get(path)
        if found is not None and method in READS:
            return found
        if path.startswith(ONE_MODEL) and method in READS:
            return lambda: answer.whole(self._catalogue.entry(path.removeprefix(ONE_MODEL)))
        if found is not None or path == "/" or path.startswith(ONE_MODEL):
            raise answer.MethodError(path, method, "GET, HEAD")
        if path in ASKED:
            raise answer.MethodError(path, method, "POST")
        paths = sorted({"/", *self._routes, *ASKED})
        raise InputError("there is nothing here", code="not_found", hint=f"There is: {', '.join(paths)}.")

    def _front(self, headers: Headers) -> answer.Answer:
        """The page; for who has not given the key, one that asks for it."""
        from aidx.serve import front

        host = next((value for name, value in headers if name == b"host"), b"")
        if not self.door.knows(headers):
            return front.closed(host)
        return front.shown(host, self._loaded(), self.services, self.patterns, keyed=self.door.key is not None)

    async def _parsed(self, reader: wire.Reader, body: bytes) -> wire.Parsed:
        """Read *body*: in a thread where that may take a while, one after the other, so that the rest goes on."""
        if len(body) <= SMALL and FORMAT not in body and ESCAPE not in body:
            return reader.parse(body)
        async with self._reading:
            return await asyncio.to_thread(reader.parse, body)

    async def _ready(self) -> answer.Answer:
        if self.draining:
            states: Sequence[State] = ["draining"] * len(self.services)
        else:
            states = await asyncio.gather(*map(self._readiness, self.services))
        roles = {service.role: state for service, state in zip(self.services, states, strict=True)}
        state = "draining" if self.draining else self._overall(states)
        ready = state == "ready"
        due = (
            answer.DRAINING_S
            if self.draining
            else max([service.gate.due for service in self.services if not service.gate.open], default=1)
        )
        headers = None if ready else [(b"retry-after", b"%d" % due)]
        return answer.whole({"status": state, "roles": roles}, 200 if ready else 503, headers)

    async def _readiness(self, service: Service) -> State:
        if not service.gate.open:
            return "loading" if service.gate.pool.wake is None else "asleep"
        return "ready" if await service.gate.answers() else "silent"

    def _overall(self, states: Sequence[State]) -> State:
        """All that run here must be there; of those elsewhere one, where none runs here."""
        here = [state for service, state in zip(self.services, states, strict=True) if not service.leaves]
        missing = [state for state in here or states if state not in {"ready", "asleep"}]
        return missing[0] if missing and (here or len(missing) == len(states)) else "ready"

    def _plan(self) -> answer.Answer:
        taken = [(service, service.gate.reserved) for service in self._owners if not service.leaves]
        reserved = {
            "tokens": sum(now.cells for _, now in taken),
            "bytes": sum(now.cells * service.cell_bytes for service, now in taken),
            "requests": sum(now.requests for _, now in taken),
            "queued": sum(now.queued for _, now in taken),
        }
        return answer.whole({"plan": self._loaded(), "reserved": reserved, "allocated": list(self._allocated())})

    def _allocated(self) -> Iterator[Mapping[str, Any]]:
        """What each engine says of its own buffers; one that runs elsewhere says nothing."""
        for service in self._owners:
            told = service.gate.pool.allocated
            if told is not None and told.devices:
                yield account(service.role, told)

    def _loaded(self) -> Mapping[str, Any]:
        """The plan; where models take turns, with the entries of those that are loaded now."""
        if all(service.gate.pool.wake is None for service in self.services):
            return self.plan
        return only(self.plan, {service.owner for service in self.services if service.gate.open})

    def _models(self) -> answer.Answer:
        return answer.whole({"object": "list", "data": self._catalogue.listed()})

    def _props(self) -> answer.Answer:
        """What clients of llama.cpp's server look up, of the first role."""
        first = next((service for service in self.services if not service.embeds), self.services[0])
        limits = first.gate.limits
        return answer.whole(
            {
                "default_generation_settings": {"n_ctx": limits.n_ctx_seq},
                "total_slots": limits.slots,
                "model_alias": first.model,
                "build_info": f"aidx {aidx.__version__}",
            }
        )

    def _metrics(self) -> answer.Answer:
        body = self.metrics.render(self._readings())
        return answer.Answer(200, [(b"content-type", TYPE), (b"content-length", b"%d" % len(body))], body)

    def _readings(self) -> Iterator[Reading]:
        yield Reading("aidx_internal_errors_total", "counter", "Requests that ended with a bug of ours.", {}, self.bugs)
        for service in self._owners:
            gate, labels = service.gate, {"role": service.role}
            now = gate.reserved
            if not service.leaves:  # elsewhere nobody planned them
                yield Reading("aidx_kv_cells", "gauge", "KV cells that the plan allows.", labels, gate.limits.n_ctx)
                yield Reading("aidx_kv_cells_reserved", "gauge", "KV cells that are reserved.", labels, now.cells)
            yield Reading("aidx_requests_running", "gauge", "Requests that hold cells.", labels, now.requests)
            yield Reading("aidx_requests_queued", "gauge", "Requests that wait.", labels, now.queued)
            yield Reading("aidx_slots", "gauge", "Requests that may run at a time.", labels, gate.limits.slots)
            yield Reading("aidx_ready", "gauge", "Whether the engine is there.", labels, gate.open)
            drifts, restarts = gate.counter.drifts, self._restarts.get(service.role, 0)
            yield Reading("aidx_token_drift_total", "counter", "Prompts that were counted wrong.", labels, drifts)
            yield Reading("aidx_engine_restarts_total", "counter", "Starts after the first.", labels, restarts)
            if (memory := service.memory) is not None and memory.held:  # 0: not ours to see
                about = "Host memory that the engine's process holds."
                yield Reading("aidx_engine_memory_bytes", "gauge", about, labels, memory.held)
                about = "Host memory beyond which it is ended."
                yield Reading("aidx_engine_memory_limit_bytes", "gauge", about, labels, memory.most)
                about = "Engines that were ended for their memory."
                yield Reading("aidx_engine_outgrown_total", "counter", about, labels, memory.outgrown)
            for by, count in (("aidx", gate.counter.own_counts), ("engine", gate.counter.by_engine)):
                about = "Prompts counted, by whom."
                yield Reading("aidx_token_counts_total", "counter", about, {**labels, "by": by}, count)

    def _note(self, caller: Caller, exchange: Exchange) -> None:
        """Write down what became of a request: never what it said."""
        offered, grant, status = exchange.offered, exchange.grant, exchange.reply.status or 499
        now = self.clock()
        if offered is not None:
            served = exchange.served(offered, status, now)
            self.metrics.note(served)
            if self.log is not None:
                self.log(line(served, grant))
        elif self.log is not None:
            path = caller.path if caller.path in {"/", *self._routes, *ASKED} else "…"
            said = {"event": "request", "path": path, "status": status, "code": exchange.code or None}
            self.log({**said, "ms": round((now - exchange.began) * 1e3, 3)})
