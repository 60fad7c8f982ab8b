"""The endpoint as an ASGI application: whom it lets in, what it offers, and one answer for every request."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import aidx
from aidx.errors import AidxError, EngineError, InputError
from aidx.gate.drive import Gate, Grant
from aidx.serve import answer, sse, wire

Message = dict[str, Any]
Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BODY_S = 30.0
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to
OPEN = frozenset({"/health", "/ready"})  # without a key: a supervisor has none
EVENTS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
State = Literal["loading", "ready", "silent", "draining"]
Route = Callable[[], answer.Answer | Awaitable[answer.Answer]]


@dataclass(frozen=True, slots=True)
class Service:
    """A role that is served: its gate, the model in it, and the bytes of one KV cell for those who ask."""

    role: str
    model: str
    gate: Gate
    cell_bytes: int

    @property
    def names(self) -> tuple[str, ...]:
        """What a request may call it: the role first, or the model."""
        return tuple(dict.fromkeys((self.role, self.model)))


@dataclass(slots=True)
class App:
    """Serves *services*; *plan* is the plan's JSON object, *host* the address bound to, *key* wanted of clients."""

    services: Sequence[Service]
    plan: Mapping[str, Any]
    host: str = "127.0.0.1"
    key: str | None = None
    draining: bool = False
    _routes: dict[tuple[str, str], Route] = field(init=False)

    def __post_init__(self) -> None:
        self._routes = {
            ("GET", "/health"): lambda: answer.whole({"status": "ok", "server": "aidx", "version": aidx.__version__}),
            ("GET", "/ready"): self._ready,
            ("GET", "/plan"): self._plan,
            ("GET", "/v1/models"): self._models,
        }

    @property
    def state(self) -> State:
        """Whether requests are taken."""
        if self.draining:
            return "draining"
        return "ready" if all(service.gate.open for service in self.services) else "loading"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever is wrong with it, or with us, is an answer in OpenAI's shape."""
        send = _Sent(send)
        try:
            self._let_in(scope)
            if (scope["method"], scope["path"]) == ("POST", "/v1/chat/completions"):
                await self._chat(scope, receive, send)
            else:
                made = self._route(scope["method"], scope["path"])()
                await _send(send, await made if isinstance(made, Awaitable) else made)
        except AidxError as wrong:
            await _send(send, answer.error(wrong))
        except asyncio.CancelledError:
            if not self.draining:
                raise
            if not send.started:  # its time to drain is over, and its body never came
                await _send(send, answer.error(EngineError("the server is stopping", code="engine_loading")))
        except Exception as bug:  # the last line of defence: a bug of ours is one answer, never a broken connection
            if send.started:
                raise
            await _send(send, answer.error(AidxError(f"internal error: {type(bug).__name__}")))

    def _let_in(self, scope: Scope) -> None:
        headers = {name: value for name, value in scope["headers"] if name in {b"host", b"origin", b"authorization"}}
        host = headers.get(b"host", b"").decode("latin-1")
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        if self.host not in WILDCARDS and name.strip("[]").lower() not in LOOPBACK | {self.host}:
            raise InputError("this Host is not served here", code="host_not_allowed", hint=f"Use {self.host}.")
        origin = headers.get(b"origin")
        if origin is not None and origin != b"http://" + host.encode("latin-1"):
            raise InputError("pages of this Origin are not allowed", code="origin_not_allowed")
        if self.key is not None and scope["path"] not in OPEN:
            given = headers.get(b"authorization", b"")
            if not hmac.compare_digest(given, b"Bearer " + self.key.encode()):
                raise InputError("the API key is missing or wrong", code="invalid_api_key")

    def _route(self, method: str, path: str) -> Route:
        found = self._routes.get((method, path))
        if found is not None:
            return found
        paths = {known for _, known in self._routes} | {"/v1/chat/completions"}
        if path in paths:
            raise InputError(f"{path} does not take {method}", code="method_not_allowed")
        raise InputError("there is nothing here", code="not_found", hint=f"There is: {', '.join(sorted(paths))}.")

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
            {"id": name, **each, "context_length": service.gate.limits.n_ctx_seq}
            for service in self.services
            for name in service.names
        ]
        return answer.whole({"object": "list", "data": listed})

    def _service(self, model: str) -> Service:
        for service in self.services:
            if model in service.names:
                return service
        names = ", ".join(name for service in self.services for name in service.names)
        raise InputError(f"there is no such model; there is: {names}", code="model_not_found")

    async def _chat(self, scope: Scope, receive: Receive, send: Send) -> None:
        parsed = wire.parse(await _body(scope, receive))
        service = self._service(parsed.model)
        if self.draining:
            raise EngineError("the server is stopping", code="engine_loading")
        async with _UntilGone(receive), await service.gate.admit(parsed.prompt) as grant:
            headers = answer.granted(service.role, grant.booking, parsed.ignored)
            if parsed.stream:
                await _stream(grant, headers, send)
            else:
                body = b"".join([chunk async for chunk in grant])
                length = (b"content-length", b"%d" % len(body))
                await _send(send, answer.Answer(200, [answer.JSON, length, *headers], body))


class _Sent:
    """A ``send`` that knows whether the answer has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def __call__(self, message: Any) -> None:  # noqa: ANN401 - ASGI
        self.started = True
        await self._send(message)


class _UntilGone:
    """Runs its block until the client leaves; then the block is cancelled, and that is all."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._gone = False

    async def __aenter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None, "a request is handled in a task"
        self._task = task
        self._watch = asyncio.get_running_loop().create_task(self._look())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        self._watch.cancel()
        if not self._gone or kind is not asyncio.CancelledError:
            return False
        return self._task.uncancel() == 0

    async def _look(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self._task.cancel()


async def _stream(grant: Grant, headers: answer.Headers, send: Send) -> None:
    """Pass whole events on; a stream that cannot be completed ends with one event that says so."""
    events = sse.Events()
    first = await anext(grant, b"")  # whatever fails before the first bytes still has a status of its own
    await send({"type": "http.response.start", "status": 200, "headers": [*EVENTS, *headers]})
    last = b""
    try:
        await _events(events, first, send)
        async for chunk in grant:
            await _events(events, chunk, send)
        if not events.complete:
            last = sse.failure("the engine's answer broke off", "engine_failed")
    except (EngineError, InputError) as wrong:
        last = sse.failure(str(wrong), wrong.code)
    except asyncio.CancelledError:  # the server stops, or nobody is there to read this
        await send({"type": "http.response.body", "body": sse.failure("the server is stopping", "engine_loading")})
        raise
    await send({"type": "http.response.body", "body": last})


async def _events(events: sse.Events, chunk: bytes, send: Send) -> None:
    if whole := events.feed(chunk):
        await send({"type": "http.response.body", "body": whole, "more_body": True})


async def _send(send: Send, found: answer.Answer) -> None:
    await send({"type": "http.response.start", "status": found.status, "headers": found.headers})
    await send({"type": "http.response.body", "body": found.body})


async def _body(scope: Scope, receive: Receive) -> bytes:
    """The request's body; raises ``InputError`` when it is too large, encoded, or too slow in coming."""
    headers = dict(scope["headers"])
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise InputError("an encoded body is not read", code="unsupported_encoding", hint="Send plain JSON.")
    if int(headers.get(b"content-length", b"0")) > wire.MAX_BODY:
        raise _too_large()
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_S):
            while True:
                message = await receive()
                part = message.get("body", b"")
                size += len(part)
                if size > wire.MAX_BODY:
                    raise _too_large()
                parts.append(part)
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        raise InputError(f"the body took longer than {BODY_S:.0f} s", code="body_too_slow") from None


def _too_large() -> InputError:
    return InputError(f"the body has more than {wire.MAX_BODY} bytes", code="body_too_large")
