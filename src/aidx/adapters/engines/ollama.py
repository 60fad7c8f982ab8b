"""Ollama, which runs already: asked over ``/api/chat`` with a constant context, and never let to cut a prompt."""

import asyncio
import json
import os
import time
from collections.abc import AsyncGenerator, Mapping
from typing import Any, NamedTuple

from aidx.adapters.http import Pool, Streamed, UnreachableError
from aidx.adapters.talk.address import Address, address, bearer, pool
from aidx.adapters.talk.attached import AttachedDeployment
from aidx.adapters.talk.ollama import PATHS, Answer, packed, parsed, request
from aidx.adapters.talk.readback import enough, told
from aidx.adapters.talk.refusal import refused
from aidx.errors import EngineError
from aidx.gate.estimate import estimate
from aidx.patterns.prompt import Kind, Precision
from aidx.ports.chat import PATIENCE, Enforced, Patience
from aidx.ports.engine import Allocated, Deployment, Launch

NAME = "ollama"
RUNS_ALREADY = True
WHO = "Ollama"
PORT = 11434
NOT_TOLD = ("cache_type_k", "cache_type_v", "parallel", "layers on the GPU")
LINE = 8 << 20  # bytes of one object of a stream
LOADING = Patience(600.0, 600.0)
SCHEMA = {"type": "object", "properties": {"a": {"enum": [1]}}, "required": ["a"]}
ROOM = 160  # tokens: llama.cpp's grammars allow 22 of white space in each of six places


class Known(NamedTuple):
    """What is known of a model there."""

    tools: bool
    enforced: Enforced


class Ollama:
    """The engine as a port."""

    def start(self, launch: Launch) -> Deployment:
        """Load the model with the planned context, and read back what it was given."""
        return asyncio.run(_attach(launch))


class OllamaChat:
    """Requests to *pool*, each with the same *num_ctx*."""

    precision: Precision = "estimate"

    def __init__(self, pool: Pool, model: str, num_ctx: int, known: Known) -> None:
        self._pool = pool
        self._model = model
        self._num_ctx = num_ctx
        self._known = known

    async def count(self, body: bytes, *, kind: Kind = "chat") -> int:
        """An estimate: Ollama has no path that counts. A file of the model on this machine is counted from instead."""
        return estimate(body, kind)

    def least(self, size: int) -> int:
        """Nothing is known of its tokens."""
        del size
        return 0

    async def takes_tools(self) -> bool:
        """Whether it lists that among the model's capabilities."""
        return self._known.tools

    def enforces(self) -> Enforced:
        """What was seen."""
        return self._known.enforced

    async def answer(
        self, body: bytes, *, slot: int, kind: Kind = "chat", patience: Patience = PATIENCE
    ) -> AsyncGenerator[bytes, None]:
        """Ollama's answer as OpenAI's."""
        del slot  # it has no number there
        asked = json.loads(body)
        sent = json.dumps(request(asked, kind, self._model, self._num_ctx)).encode()
        account = bool((asked.get("stream_options") or {}).get("include_usage"))
        made = Answer(kind, self._model, int(time.time()), account=account)
        async with self._pool.stream("POST", PATHS[kind], sent, patience=patience) as reply:
            if reply.status != 200:
                raise refused(reply.status, await reply.whole(), who=WHO)
            if not asked.get("stream"):
                answer = made.whole(parsed(await reply.whole()))
                yield packed(answer) if asked.get("encoding_format") == "base64" else answer
                return
            async for events in _events(reply, made):
                yield events

    def close(self) -> None:
        """Drop the connections."""
        self._pool.close()


async def _events(reply: Streamed, made: Answer) -> AsyncGenerator[bytes, None]:
    rest = b""
    async for piece in reply.chunks():
        *lines, rest = (rest + piece).split(b"\n")
        if len(rest) > LINE:
            raise EngineError("an object of Ollama's answer has no end", code="engine_failed")
        for line in filter(None, lines):
            if events := made.feed(parsed(line)):
                yield events
            if made.complete:
                return
    raise EngineError("Ollama's answer broke off", code="engine_failed")


def where(urls: tuple[str, ...], environment: Mapping[str, str]) -> Address:
    """Where it listens: as configured, as ``OLLAMA_HOST`` says, or where it does by default."""
    if urls:
        return address(urls[0])
    host = environment.get("OLLAMA_HOST", "").strip().strip("\"'") or "127.0.0.1"
    at = address(host if "://" in host else f"http://{host}")
    explicit = "://" in host or host.rpartition(":")[2].isdigit()
    loopback = "127.0.0.1" if at.host in {"0.0.0.0", "::"} else at.host  # noqa: S104 - where it listens, not we
    return at._replace(host=loopback, port=at.port if explicit else PORT)


def runs() -> bool:
    """Whether it answers where it is expected."""
    try:
        asyncio.run(_look(where((), os.environ), None))
    except EngineError:
        return False
    return True


async def _attach(launch: Launch) -> AttachedDeployment:
    at = where(launch.urls, os.environ)
    connections = pool(at, bearer(launch.key))
    num_ctx = launch.settings.n_ctx_seq
    try:
        build = await _build(connections, at)
        capabilities = await _capabilities(connections, launch.name)
        chat = OllamaChat(connections, launch.name, num_ctx, Known("tools" in capabilities, "none"))
        enforced = await _load(chat, embedding=launch.embedding)
        context = await _read_back(connections, launch)
    finally:
        connections.close()
    known = Known("tools" in capabilities, enforced)

    def talk() -> OllamaChat:
        return OllamaChat(pool(at, bearer(launch.key)), launch.name, num_ctx, known)

    allocated = Allocated({}, context, build, 1, 0, assumed=NOT_TOLD)
    return AttachedDeployment(at.shown, allocated, talk, lambda: _look(at, launch.key))


async def _build(connections: Pool, at: Address) -> str:
    try:
        found = await told(connections, "/api/version", who=f"Ollama at {at.shown}")
    except UnreachableError:
        raise EngineError(
            f"nothing answers at {at.shown[7:]}: Ollama does not run there",
            hint="Start it with ollama serve, or name its url.",
            code="engine_missing",
        ) from None
    return f"Ollama {found.get('version', '') if isinstance(found, dict) else ''}".strip()


async def _capabilities(connections: Pool, model: str) -> frozenset[str]:
    try:
        found = await told(connections, "/api/show", who=WHO, body=json.dumps({"model": model}).encode())
    except EngineError as error:
        if error.code != "model_not_there":
            raise
        raise EngineError(
            f"Ollama does not have {model}", hint=f"Fetch it: ollama pull {model}", code="model_not_here"
        ) from None
    listed = found.get("capabilities") if isinstance(found, dict) else None
    return frozenset(map(str, listed or ()))


async def _load(chat: OllamaChat, *, embedding: bool) -> Enforced:
    """One answer, end to end, and whether a schema decides what it says."""
    if embedding:
        order: dict[str, Any] = {"input": ["."]}
    else:
        schema = {"type": "json_schema", "json_schema": {"name": "probe", "schema": SCHEMA}}
        order = {"messages": [{"role": "user", "content": "."}], "max_tokens": ROOM, "temperature": 0}
        order["response_format"] = schema
    body = json.dumps(order).encode()
    kind: Kind = "embedding" if embedding else "chat"
    whole = b"".join([piece async for piece in chat.answer(body, slot=0, kind=kind, patience=LOADING)])
    if embedding:
        return "none"
    try:
        held = json.loads(json.loads(whole)["choices"][0]["message"]["content"]) == {"a": 1}
    except ValueError:
        held = False
    return "json_schema" if held else "none"


async def _read_back(connections: Pool, launch: Launch) -> int:
    """The context that the model was given; ``BudgetError`` where that is less, ``EngineError`` without its GPU."""
    found = await told(connections, "/api/ps", who=WHO)
    loaded = [each for each in found.get("models", ()) if same(launch.name, str(each.get("name", "")))]
    if not loaded:
        raise EngineError(f"Ollama does not list {launch.name} among what it runs", hint="See ollama ps.")
    context = int(loaded[0].get("context_length") or 0)
    if not context:
        raise EngineError("this Ollama does not say which context a model has", hint="Update Ollama.")
    enough(launch.settings.n_ctx_seq, context, who=f"{launch.name} in Ollama")
    if launch.settings.n_gpu_layers and not loaded[0].get("size_vram"):
        raise EngineError(
            f"{launch.settings.n_gpu_layers} layers are planned on a GPU, and Ollama runs {launch.name} on the CPU",
            hint="See its log for why it does not use the GPU, or plan for the CPU with -ngl 0.",
            code="no_gpu",
        )
    return context


def same(asked: str, listed: str) -> bool:
    """Whether *listed*, as ``/api/ps`` shows names, is the model that was *asked* for."""
    short = asked.lower().removeprefix("registry.ollama.ai/").removeprefix("library/")
    return listed.lower() == (short if ":" in short else f"{short}:latest")


async def _look(at: Address, key: str | None) -> None:
    connections = pool(at, bearer(key))
    try:
        await told(connections, "/api/version", who=WHO)
    finally:
        connections.close()


ENGINE = Ollama()
