"""The endpoint as an ASGI application: what it offers, and one answer for every request."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import aidx
from aidx.errors import AidxError, EngineError, InputError
from aidx.gate.drive import Gate, Grant
from aidx.ports import Kind
from aidx.serve import answer, sse, wire
from aidx.serve.asgi import Receive, Reply, Scope, Send, UntilGone, read_body
from aidx.serve.door import Door
from aidx.serve.metrics import TYPE, Metrics, Reading, Served

EVENTS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
ASKED: Mapping[str, tuple[Kind, Callable[[bytes], wire.Parsed]]] = {
    "/v1/chat/completions": ("chat", wire.parse),
    "/v1/completions": ("text", wire.parse_text),
    "/v1/embeddings": ("embedding", wire.parse_embedding),
}
BROKEN_OFF = EngineError("the engine's answer broke off", code="engine_failed")
State = Literal["loading", "ready", "silent", "draining"]
Route = Callable[[], answer.Answer | Awaitable[answer.Answer]]
Log = Callable[[Mapping[str, Any]], object]


@dataclass(frozen=True, slots=True)
class Service:
    """A role that is served: its gate, the model in it, and the bytes of one KV cell for those who ask.

    With *embeds* it makes vectors, and answers nothing else.
    """

    role: str
    model: str
    gate: Gate
    cell_bytes: int
    embeds: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """What a request may call it: the role first, or the model."""
        return tuple(dict.fromkeys((self.role, self.model)))


class Exchange:
    """One request on its way through: what is known of it when it has been answered."""

    __slots__ = ("began", "code", "grant", "kind", "read", "receive", "reply", "service")

    def __init__(self, receive: Receive, reply: Reply, began: float) -> None:
        self.receive = receive
        self.reply = reply
        self.began = began
        self.kind: Kind = "chat"
        self.service: Service | None = None
        self.grant: Grant | None = None
        self.code = ""
        self.read = False


@dataclass(slots=True)
class App:
    """Serves *services*; *plan* is the plan's JSON object, *door* who is let in, *log* what each request is told."""

    services: Sequence[Service]
    plan: Mapping[str, Any]
    door: Door = field(default_factory=Door)
    log: Log | None = None
    draining: bool = False
    metrics: Metrics = field(default_factory=Metrics)
    _restarts: dict[str, int] = field(default_factory=dict)
    _routes: dict[tuple[str, str], Route] = field(init=False)
    _by_name: dict[str, Service] = field(init=False)

    def __post_init__(self) -> None:
        self._by_name = {name: service for service in reversed(self.services) for name in service.names}
        self._routes = {
            ("GET", "/health"): lambda: answer.whole({"status": "ok", "server": "aidx", "version": aidx.__version__}),
            ("GET", "/ready"): self._ready,
            ("GET", "/plan"): self._plan,
            ("GET", "/props"): self._props,
            ("GET", "/metrics"): self._metrics,
            ("GET", "/v1/models"): self._models,
        }

    @property
    def state(self) -> State:
        """Whether requests are taken."""
        if self.draining:
            return "draining"
        return "ready" if all(service.gate.open for service in self.services) else "loading"

    def restarted(self, role: str) -> None:
        """Note that the engine of *role* had to be started again."""
        self._restarts[role] = self._restarts.get(role, 0) + 1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever is wrong with it, or with us, is an answer in OpenAI's shape."""
        clock = asyncio.get_running_loop().time
        exchange = Exchange(receive, Reply(send, clock), clock())
        try:
            await self._answer(scope, exchange)
        except AidxError as wrong:
            exchange.code = wrong.code
            await exchange.reply.whole(answer.error(wrong, close=not exchange.read))
        except asyncio.CancelledError:
            exchange.code = "engine_loading" if self.draining else "client_left"
            if not self.draining:
                raise
            if not exchange.reply.started:  # its time to drain is over, and its body never came
                await exchange.reply.whole(answer.error(answer.stopping()))
        except Exception as bug:  # the last line of defence: a bug of ours is one answer, never a broken connection
            exchange.code = "internal_error"
            if exchange.reply.started:
                raise
            await exchange.reply.whole(answer.error(AidxError(f"internal error: {type(bug).__name__}")))
        finally:
            self._note(scope, exchange)

    async def _answer(self, scope: Scope, exchange: Exchange) -> None:
        method, path = scope["method"], scope["path"]
        self.door.check(path, scope["headers"])
        asked = ASKED.get(path)
        if asked is not None and method == "POST":
            exchange.kind = asked[0]
            body = await read_body(scope, exchange.receive)
            exchange.read = True
            await self._ask(asked[1](body), exchange)
        else:
            made = self._route(method, path)()
            await exchange.reply.whole(await made if isinstance(made, Awaitable) else made)

    def _route(self, method: str, path: str) -> Route:
        found = self._routes.get((method, path))
        if found is not None:
            return found
        paths = {known for _, known in self._routes} | set(ASKED)
        if path in paths:
            raise InputError(f"{path} does not take {method}", code="method_not_allowed")
        raise InputError("there is nothing here", code="not_found", hint=f"There is: {', '.join(sorted(paths))}.")

    async def _ask(self, parsed: wire.Parsed, exchange: Exchange) -> None:
        """Bring the request to its model and the answer back."""
        service = exchange.service = self._service(parsed.model, exchange.kind)
        if self.draining:
            raise answer.stopping()
        client = UntilGone(exchange.receive, exchange.reply)
        async with client, await service.gate.admit(parsed.prompt) as grant:
            exchange.grant = grant
            route = "named by role" if parsed.model == service.role else "named by model"
            headers = answer.granted(service.role, route, grant.booking, parsed.ignored)
            if parsed.stream:
                await _stream(grant, [*EVENTS, *headers], exchange, usage=parsed.usage)
            else:
                body = b"".join([chunk async for chunk in grant])
                length = (b"content-length", b"%d" % len(body))
                await exchange.reply.whole(answer.Answer(200, [answer.JSON, length, *headers], body))
        if client.gone:
            exchange.code = "client_left"

    def _service(self, model: str, kind: Kind) -> Service:
        service = self._by_name.get(model)
        if service is None:
            raise InputError(f"there is no such model; there is: {', '.join(self._by_name)}", code="model_not_found")
        if service.embeds != (kind == "embedding"):
            does = "makes embeddings only" if service.embeds else "makes no embeddings"
            raise InputError(
                f"{model} {does}", hint="Name another model: GET /v1/models lists them.", code="wrong_kind_of_model"
            )
        return service

    async def _ready(self) -> answer.Answer:
        state: State = self.state
        if state == "ready" and not all([await service.gate.answers() for service in self.services]):
            state = "silent"
        ready = state == "ready"
        return answer.whole({"status": state}, 200 if ready else 503, None if ready else [(b"retry-after", b"1")])

    def _plan(self) -> answer.Answer:
        taken = [(service, service.gate.reserved) for service in self.services]
        reserved = {
            "tokens": sum(now.cells for _, now in taken),
            "bytes": sum(now.cells * service.cell_bytes for service, now in taken),
            "requests": sum(now.requests for _, now in taken),
            "queued": sum(now.queued for _, now in taken),
        }
        return answer.whole({"plan": self.plan, "reserved": reserved})

    def _models(self) -> answer.Answer:
        each = {"object": "model", "created": 0, "owned_by": "aidx"}
        listed = [
            {
                "id": name,
                **each,
                "context_length": service.gate.limits.n_ctx_seq,
                "max_prompt_tokens": service.gate.limits.gate,
                "max_output_tokens": service.gate.limits.max_tokens,
            }
            for service in self.services
            for name in service.names
        ]
        return answer.whole({"object": "list", "data": listed})

    def _props(self) -> answer.Answer:
        """What clients of llama.cpp's server look up, of the first role."""
        first = self.services[0]
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
        for service in self.services:
            gate, labels = service.gate, {"role": service.role}
            now = gate.reserved
            yield Reading("aidx_kv_cells", "gauge", "KV cells that the plan allows.", labels, gate.limits.n_ctx)
            yield Reading("aidx_kv_cells_reserved", "gauge", "KV cells that are reserved.", labels, now.cells)
            yield Reading("aidx_requests_running", "gauge", "Requests that hold cells.", labels, now.requests)
            yield Reading("aidx_requests_queued", "gauge", "Requests that wait.", labels, now.queued)
            yield Reading("aidx_slots", "gauge", "Requests that may run at a time.", labels, gate.limits.slots)
            yield Reading("aidx_ready", "gauge", "Whether the engine is there.", labels, gate.open)
            drifts, restarts = gate.counter.drifts, self._restarts.get(service.role, 0)
            yield Reading("aidx_token_drift_total", "counter", "Prompts that were counted wrong.", labels, drifts)
            yield Reading("aidx_engine_restarts_total", "counter", "Starts after the first.", labels, restarts)
            for by, count in (("aidx", gate.counter.own_counts), ("engine", gate.counter.by_engine)):
                about = "Prompts counted, by whom."
                yield Reading("aidx_token_counts_total", "counter", about, {**labels, "by": by}, count)

    def _note(self, scope: Scope, exchange: Exchange) -> None:
        """Write down what became of a request: never what it said."""
        service, grant, status = exchange.service, exchange.grant, exchange.reply.status or 499
        now = asyncio.get_running_loop().time()
        if service is not None:
            served = _served(service, grant, exchange, status, now)
            self.metrics.note(served)
            if self.log is not None:
                self.log(_line(served, grant))
        elif self.log is not None:
            path = scope["path"] if (scope["method"], scope["path"]) in self._routes or scope["path"] in ASKED else "…"
            line = {"event": "request", "path": path, "status": status, "code": exchange.code or None}
            self.log({**line, "ms": round((now - exchange.began) * 1e3, 3)})


def _served(service: Service, grant: Grant | None, exchange: Exchange, status: int, now: float) -> Served:
    seconds = now - exchange.began
    if grant is None:
        return Served(service.role, service.model, exchange.kind, status, exchange.code, seconds)
    booking = grant.booking
    return Served(
        service.role,
        service.model,
        exchange.kind,
        status,
        exchange.code,
        seconds,
        booking.begun - booking.came,
        None if grant.first is None else grant.first - booking.begun,
        grant.usage.prompt,
        grant.usage.completion,
    )


def _line(served: Served, grant: Grant | None) -> Mapping[str, Any]:
    line: dict[str, Any] = {
        "event": "request",
        "role": served.role,
        "kind": served.kind,
        "status": served.status,
        "code": served.code or None,
        "ms": round(served.seconds * 1e3, 3),
    }
    if grant is not None:
        fitted = grant.booking.fitted
        line |= {
            "stream": grant.streamed,
            "counted_tokens": fitted.tokens,
            "prompt_tokens": served.prompt,
            "completion_tokens": served.completion,
            "reserved_tokens": grant.booking.admitted.cells,
            "evicted_messages": fitted.evicted_messages,
            "queued_ms": round((served.waited or 0.0) * 1e3, 3),
            "first_ms": None if served.first is None else round(served.first * 1e3, 3),
        }
    return line


async def _stream(grant: Grant, headers: answer.Headers, exchange: Exchange, *, usage: bool) -> None:
    """Pass whole events on; a stream that cannot be completed ends with one event that says so."""
    events = sse.Events(usage=usage)
    reply = exchange.reply
    begun = events.feed(await anext(grant, b""))  # whatever fails before has a status of its own
    if events.failed is not None and not begun:
        raise events.failed
    await reply.begin(200, headers)
    wrong: AidxError | None = None
    try:
        if begun:
            await reply.write(begun)
        while not events.complete and events.failed is None and (chunk := await anext(grant, b"")):
            if whole := events.feed(chunk):
                await reply.write(whole)
        wrong = events.failed or (None if events.complete else BROKEN_OFF)
    except (EngineError, InputError) as error:
        wrong = error
    except asyncio.CancelledError:  # the server stops, or nobody is there to read this
        await reply.write(sse.failure("the server is stopping", "engine_loading"), more=False)
        raise
    exchange.code = "" if wrong is None else wrong.code
    await reply.write(b"" if wrong is None else sse.failure(str(wrong), wrong.code), more=False)
    await grant.finish()


def as_json(line: Mapping[str, Any]) -> str:
    """A line of the log."""
    return json.dumps({name: value for name, value in line.items() if value is not None})
