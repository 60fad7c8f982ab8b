"""llama.cpp's server from the xllamacpp wheel, in a child process on loopback.

A child, because its asserts abort and a hostile grammar or prompt can crash it. A random port and a random
key for each run; the key travels over standard input.
"""

import asyncio
import json
import secrets
import sys
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

from aidx.adapters.child import Child
from aidx.adapters.enginelog import MIB, RESOLUTION, Account
from aidx.adapters.host import engine_environment, physical_cores, resident
from aidx.adapters.http import Pool
from aidx.adapters.talk.props import read_back
from aidx.adapters.talk.served import ServedChat, probe
from aidx.budget.settings import Settings
from aidx.errors import EngineError
from aidx.ports.chat import Enforced
from aidx.ports.engine import Allocated, Launch

NAME = "embedded"
CHILD = "aidx.adapters.engines._embedded_child"
LOG_S = 5.0  # the log is written by a thread of the engine's and may lag behind its answers
HTTP_THREADS = 8  # beside two a slot: counting, health, connections kept alive

NO_GPU_HINT = "Plan for the CPU with -ngl 0 (or --vram 0), or install a build of xllamacpp for your GPU."


class Embedded:
    """The engine as a port: ``start`` gives a deployment; *child* is the module that runs as its process."""

    def __init__(self, child: str = CHILD) -> None:
        self._child = child

    def start(self, launch: Launch) -> "EmbeddedDeployment":
        """Load the model in a child and prove it with one token; see ``ports.Engine``."""
        key = secrets.token_urlsafe(24)
        account = Account()
        order = json.dumps(_order(launch, key)).encode() + b"\n"
        argv = [*launch.under, sys.executable, "-P", "-m", self._child]
        child = Child(argv, env=engine_environment(), order=order, read=account.read)
        with ExitStack() as undo:  # whatever happens before the end of this block, nothing stays behind
            undo.callback(child.stop)
            url, build = _listening(child, launch)
            _settled(child)
            deployment = EmbeddedDeployment(child, account, url, key, build)
            asyncio.run(deployment.prove(launch))
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

    def chat(self) -> ServedChat:
        """Connections to the child, for the running event loop."""
        longest = self._account.longest_token
        return ServedChat(self._pool(), self._child, longest_token=longest, enforced=self.enforced)

    async def prove(self, launch: Launch) -> None:
        """Hold what it says of itself against the plan, and have one token answered; raises where it has less."""
        connections = self._pool()
        try:
            await read_back(connections, launch, who="the engine")
        finally:
            connections.close()
        self.enforced = await probe(self.chat(), embedding=launch.embedding)

    def _pool(self) -> Pool:
        headers = {"Authorization": f"Bearer {self._key}"}
        return Pool(self._url.hostname or "127.0.0.1", self._url.port or 0, headers)

    def allocated(self) -> Allocated:
        """Buffers from the engine's log, memory of the process from the system."""
        devices = {name: tuple(entries) for name, entries in self._account.devices.items()}
        return Allocated(devices, self._account.n_ctx, self._build, RESOLUTION, resident(self._child.pid))

    async def ended(self) -> str:
        """Wait for the child to end."""
        return await asyncio.wrap_future(self._child.ending())

    def stop(self) -> None:
        """End the child."""
        self._child.stop()


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
        "loras": launch.beside.lora,
        "mmproj": launch.beside.mmproj,
        "model_draft": launch.beside.model_draft,
        "n_draft": settings.n_draft,
        "name": launch.name,
        "key": key,
        "threads": launch.threads or physical_cores(),
        "http_threads": HTTP_THREADS + 2 * settings.parallel,
        "n_ctx": settings.ctx_size,
        "n_parallel": settings.parallel,
        "kv_unified": settings.kv_unified,
        "cache_type_k": settings.cache_type_k,
        "cache_type_v": settings.cache_type_v,
        "n_batch": _read_at_once(settings),
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


def _read_at_once(settings: Settings) -> int:
    """Tokens of prompts between two looks at who has left: on the CPU what it computes at once.

    No buffer depends on it, and prompts take as long; several GPUs compute one after the other within it.
    """
    if settings.n_gpu_layers:
        return settings.batch_size
    return min(settings.batch_size, max(settings.ubatch_size, settings.parallel * (1 + settings.n_draft)))


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


ENGINE = Embedded()
