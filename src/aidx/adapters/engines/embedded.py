"""llama.cpp's server from the xllamacpp wheel, in a child process on loopback.

A child, because its asserts abort and a hostile grammar or prompt can crash it. A random port and a random
key for each run; the key travels over standard input.
"""

import asyncio
import json
import os
import secrets
import sys
from collections.abc import AsyncGenerator
from contextlib import ExitStack, suppress
from typing import Any
from urllib.parse import urlsplit

from aidx.adapters.child import Child
from aidx.adapters.enginelog import MIB, RESOLUTION, Account
from aidx.adapters.http import Pool
from aidx.errors import EngineError, InputError
from aidx.ports import PATIENCE, Allocated, Enforced, Kind, Launch, Patience

NAME = "embedded"
CHILD = "aidx.adapters.engines._embedded_child"
LOG_S = 5.0  # the log is written by a thread of the engine's and may lag behind its answers
IDLE_POLL_S = 0.02
HTTP_THREADS = 8  # beside two a slot: counting, health, connections kept alive
PASSED = ("PATH", "HOME", "LANG", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV")
PASSED_PREFIXES = ("LC_", "DYLD_", "OMP_", "GGML_", "CUDA_", "HIP_", "ROCR_", "HSA_", "VK_")

ANSWER = {"chat": "/v1/chat/completions", "text": "/v1/completions", "embedding": "/v1/embeddings"}
COUNT = "/v1/chat/completions/input_tokens"
COUNTED = Patience(60.0, 60.0)  # a batch of another request on a slow CPU comes first
CANARY = "aidx_canary"
WITH_TOOL = {
    "messages": [{"role": "user", "content": "."}],
    "tools": [{"type": "function", "function": {"name": CANARY, "parameters": {"type": "object", "properties": {}}}}],
}
FORCED_TEXT = "1"
FORCED = f'%llguidance {{}}\nstart: "{FORCED_TEXT}"'
NO_GPU_HINT = "Plan for the CPU with -ngl 0 (or --vram 0), or install a build of xllamacpp for your GPU."


class Embedded:
    """The engine as a port: ``start`` gives a deployment."""

    def start(self, launch: Launch) -> "EmbeddedDeployment":
        """Load the model in a child and prove it with one token; see ``ports.Engine``."""
        key = secrets.token_urlsafe(24)
        account = Account()
        order = json.dumps(_order(launch, key)).encode() + b"\n"
        child = Child([sys.executable, "-P", "-m", CHILD], env=_environment(), order=order, read=account.read)
        with ExitStack() as undo:  # whatever happens before the end of this block, nothing stays behind
            undo.callback(child.stop)
            url, build = _listening(child, launch)
            _settled(child)
            deployment = EmbeddedDeployment(child, account, url, key, build)
            deployment.enforced = asyncio.run(_probe(deployment.chat(), embedding=launch.embedding))
            undo.pop_all()
        return deployment


class EmbeddedDeployment:
    """A running child and its account of itself; *enforced* is what it was seen to hold an answer to."""

    enforced: Enforced = "none"

    def __init__(self, child: Child, account: Account, url: str, key: str, build: str) -> None:
        self._child = child
        self._account = account
        self._url = urlsplit(url)
        self._key = key
        self._build = build

    @property
    def pid(self) -> int | None:
        """The child."""
        return self._child.pid

    def chat(self) -> "EmbeddedChat":
        """Connections to the child, for the running event loop."""
        headers = {"Authorization": f"Bearer {self._key}"}
        pool = Pool(self._url.hostname or "127.0.0.1", self._url.port or 0, headers)
        return EmbeddedChat(pool, self._child, self._account.longest_token, self.enforced)

    def allocated(self) -> Allocated:
        """Buffers from the engine's log, memory of the process from the system."""
        devices = {name: tuple(entries) for name, entries in self._account.devices.items()}
        return Allocated(devices, self._account.n_ctx, self._build, RESOLUTION, _resident(self._child.pid))

    async def ended(self) -> str:
        """Wait for the child to end."""
        return await asyncio.wrap_future(self._child.ending())

    def stop(self) -> None:
        """End the child."""
        self._child.stop()


class EmbeddedChat:
    """Chat completions by the child; it counts, too, with the model's own template."""

    exact = True

    def __init__(self, pool: Pool, child: Child, longest_token: int, enforced: Enforced) -> None:
        self._pool = pool
        self._child = child
        self._longest_token = longest_token
        self._enforced = enforced

    async def count(self, body: bytes, *, kind: Kind = "chat") -> int:
        """Ask the engine, which renders and tokenizes exactly as for an answer."""
        if kind != "chat":
            return sum([await self._tokens(text) for text in _inputs(body)])
        return int(json.loads(await self._ask(COUNT, body))["input_tokens"])

    async def takes_tools(self) -> bool:
        """Render a request with a tool of a name that stands nowhere else, and look for it."""
        try:
            return CANARY in (await self._ask("/apply-template", json.dumps(WITH_TOOL).encode())).decode()
        except InputError:  # the template refuses them
            return False

    def enforces(self) -> Enforced:
        """What the probe saw."""
        return self._enforced

    async def _tokens(self, text: str) -> int:
        order = {"content": text, "add_special": True, "parse_special": True}
        return len(json.loads(await self._ask("/tokenize", json.dumps(order).encode()))["tokens"])

    async def _ask(self, path: str, body: bytes) -> bytes:
        try:
            status, found = await self._pool.request("POST", path, body, patience=COUNTED)
        except EngineError as error:
            raise await self._explained(error) from None
        if status != 200:
            raise _refused(status, found)
        return found

    def least(self, size: int) -> int:
        """No token is longer than the longest of the vocabulary."""
        return -(-size // self._longest_token) if self._longest_token else 0

    async def answer(
        self, body: bytes, *, slot: int, kind: Kind = "chat", patience: Patience = PATIENCE
    ) -> AsyncGenerator[bytes, None]:
        """Pass the engine's bytes on; left early, wait until the engine has let go of *slot*."""
        held = True
        sent = body if kind == "embedding" else b'{"id_slot":%d,' % slot + body[1:]
        try:
            async with self._pool.stream("POST", ANSWER[kind], sent, patience=patience) as reply:
                if reply.status != 200:
                    raise _refused(reply.status, await reply.whole())
                async for chunk in reply.chunks():
                    yield chunk
            held = False
        except EngineError as error:
            held = error.code != "engine_silent"  # it would not tell that it has let go, either
            raise await self._explained(error) from None
        finally:
            if held:
                await self._let_go(slot)

    def close(self) -> None:
        """Drop the connections."""
        self._pool.close()

    async def _explained(self, error: EngineError) -> EngineError:
        """*error*, and how the engine ended if it did: the broken connection is seen a moment earlier."""
        with suppress(TimeoutError):
            async with asyncio.timeout(IDLE_POLL_S):
                await asyncio.wrap_future(self._child.ending())
        return EngineError(f"{self._child.end or error}", code=error.code, hint=error.hint)

    async def _let_go(self, slot: int) -> None:
        """Wait until *slot* is idle; an engine that cannot say is dead and holds nothing."""
        with suppress(EngineError):
            while True:
                status, found = await self._pool.request("GET", "/slots")
                if status != 200 or not json.loads(found)[slot]["is_processing"]:
                    return
                await asyncio.sleep(IDLE_POLL_S)


def _order(launch: Launch, key: str) -> dict[str, Any]:
    """What the child is told; sizes as the engine's own flags take them."""
    settings = launch.settings
    if settings.n_gpu_layers and settings.n_cpu_moe:
        raise EngineError(
            "the embedded engine cannot keep experts on the host beside a GPU",
            hint="Plan with --n-cpu-moe 0 and fewer layers on the GPU.",
        )
    return {
        "path": launch.path,
        "loras": launch.loras,
        "name": launch.name,
        "key": key,
        "threads": launch.threads or _threads(),
        "http_threads": HTTP_THREADS + 2 * settings.parallel,
        "n_ctx": settings.ctx_size,
        "n_parallel": settings.parallel,
        "kv_unified": settings.kv_unified,
        "cache_type_k": settings.cache_type_k,
        "cache_type_v": settings.cache_type_v,
        "n_batch": settings.batch_size,
        "n_ubatch": settings.ubatch_size,
        "flash_attn": settings.flash_attn,
        "swa_full": settings.swa_full,
        "cache_ram_mib": settings.cache_ram // MIB,
        "n_ctx_checkpoints": settings.ctx_checkpoints,
        "n_gpu_layers": settings.n_gpu_layers,
        "split_mode": settings.split_mode,
        "tensor_split": settings.tensor_split,
        "main_gpu": settings.main_gpu,
        "embedding": launch.embedding,
    }


def _listening(child: Child, launch: Launch) -> tuple[str, str]:
    """Where the child listens and its build; raises ``EngineError`` for what it says instead."""
    said = child.answer()
    if "url" in said:
        return said["url"], said["build"]
    if said.get("error") == "no_gpu":
        raise EngineError(
            f"{launch.settings.n_gpu_layers} layers are planned on a GPU and the engine sees none", hint=NO_GPU_HINT
        )
    child.ending().result()
    raise EngineError(
        f"the engine cannot load {launch.path}: {child.complaint()}", hint="Check the file with: aidx plan FILE"
    )


def _settled(child: Child) -> None:
    """Wait for the log to be read; half an account would be taken for a whole one."""
    if not child.settled.wait(LOG_S):
        raise EngineError("the engine's log does not say what it allocated")


async def _probe(chat: EmbeddedChat, *, embedding: bool) -> Enforced:
    """One token, end to end, and whether a grammar decides which: a build without llguidance takes it for GBNF."""
    if embedding:
        order: dict[str, Any] = {"input": "."}
        kind: Kind = "embedding"
    else:
        order = {"messages": [{"role": "user", "content": "."}], "max_tokens": 1, "grammar": FORCED}
        kind = "chat"
    try:
        whole = b"".join([chunk async for chunk in chat.answer(json.dumps(order).encode(), slot=0, kind=kind)])
    except InputError as error:
        raise EngineError(f"the engine does not answer: {error}") from None
    finally:
        chat.close()
    return "llguidance" if kind == "chat" and _text(whole) == FORCED_TEXT else "none"


def _text(whole: bytes) -> str:
    return str(json.loads(whole)["choices"][0]["message"].get("content"))


def _inputs(body: bytes) -> list[str]:
    """The texts of a completion request, or of one for embeddings."""
    found = json.loads(body)
    given = found.get("prompt", found.get("input"))
    texts = given if isinstance(given, list) else [given]
    if not all(isinstance(text, str) for text in texts):
        raise InputError("the engine refuses the request: no text", code="invalid_request")
    return texts


def _refused(status: int, body: bytes) -> InputError | EngineError:
    """The engine's refusal in one line: 4xx is the request's fault, anything else the engine's."""
    try:
        message = " ".join(str(json.loads(body)["error"]["message"]).split())
    except (ValueError, KeyError, TypeError):
        message = f"status {status}"
    if 400 <= status < 500:
        return InputError(f"the engine refuses the request: {message}", code="invalid_request")
    return EngineError(f"the engine failed: {message}", code="engine_failed")


def _environment() -> dict[str, str]:
    """What the engine may know of ours: no keys, no tokens."""
    passed = {
        name: value
        for name, value in os.environ.items()
        if name.upper() in PASSED or name.upper().startswith(PASSED_PREFIXES)
    }
    # An assert would start a debugger first and take its time. Threads that spin while they wait for each
    # other made one token 500 times slower beside another busy process (2 cores: 491 against 1.1 ms).
    return {"OMP_WAIT_POLICY": "passive", **passed, "GGML_NO_BACKTRACE": "1"}


def _threads() -> int:
    """Physical cores that this process may use."""
    import psutil

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(psutil.cpu_count(logical=False) or allowed, allowed)


def _resident(pid: int) -> int:
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


ENGINE = Embedded()
