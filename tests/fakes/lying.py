"""An engine that lies: the real one, whose account and answers are not to be trusted. For faults only.

It can hold memory that it does not tell of (*ballast*, in itself; *daemon*, in a process that got away; *grows*, more
every tenth of a second), answer *late*, be *deaf* to being asked to end, die after so many tokens (*dies_at*), say
that it keeps nothing (*empty*), say that it read fewer tokens than it was sent (*short*), and read what is too long
(*greedy*).
Asked to count after so many tokens (*gone_at*), it says what an endpoint says whose engine is being started again.
"""

import asyncio
import json
import os
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from aidx.adapters.engines.embedded import Embedded
from aidx.adapters.talk.refusal import refused
from aidx.errors import EngineError, InputError
from aidx.ports.chat import PATIENCE
from tests.fakes._lying_child import LIES

ROOT = str(Path(__file__).parents[2])


@dataclass(frozen=True)
class Lies:
    ballast: int = 0
    daemon: int = 0
    grows: int = 0
    late_s: float = 0.0
    deaf: bool = False
    dies_at: int | None = None
    empty: bool = False
    short: int = 0
    greedy: bool = False
    gone_at: int | None = None


class LyingChat:
    """A chat of the real engine's, and what it says of itself."""

    def __init__(self, chat, lies, pid):
        self._chat, self._lies, self._pid, self._tokens = chat, lies, pid, 0

    def __getattr__(self, name):
        return getattr(self._chat, name)

    async def count(self, *asked, **how):
        if self._lies.gone_at is not None and self._tokens >= self._lies.gone_at:
            said = {"error": {"message": "the model is being loaded", "code": "engine_loading"}}
            raise refused(503, json.dumps(said).encode(), who="aidx at http://127.0.0.1:1")
        return await self._chat.count(*asked, **how)

    async def cells(self):
        return 0 if self._lies.empty else await self._chat.cells()

    async def answer(self, body, *, slot, kind="chat", patience=PATIENCE):
        if self._lies.late_s:
            if self._lies.late_s > patience.first_s:
                await asyncio.sleep(patience.first_s)
                raise EngineError("the engine has said nothing for too long", code="engine_silent")
            await asyncio.sleep(self._lies.late_s)
        try:
            async for chunk in self._chat.answer(body, slot=slot, kind=kind, patience=patience):
                self._tokens += chunk.count(b'"content"')
                if self._lies.dies_at is not None and self._tokens >= self._lies.dies_at:
                    os.kill(self._pid, signal.SIGKILL)
                yield self._shortened(chunk)
        except InputError:
            if not self._lies.greedy:
                raise
            usage = {"completion_tokens": 1, "prompt_tokens": 1, "total_tokens": 2}
            yield b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\ndata: [DONE]\n\n"

    def _shortened(self, chunk):
        if not self._lies.short or b'"prompt_tokens":' not in chunk:
            return chunk
        head, _, tail = chunk.partition(b'"prompt_tokens":')
        digits = tail[: len(tail) - len(tail.lstrip(b"0123456789"))]
        return head + b'"prompt_tokens":%d' % (int(digits) - self._lies.short) + tail[len(digits) :]


class LyingDeployment:
    def __init__(self, deployment, lies):
        self._deployment, self._lies = deployment, lies

    def __getattr__(self, name):
        return getattr(self._deployment, name)

    def chat(self):
        return LyingChat(self._deployment.chat(), self._lies, self._deployment.pid)


class LyingEngine:
    """Not called ENGINE: it is no engine that anybody should take for one."""

    def __init__(self, lies):
        self._lies = lies

    def start(self, launch):
        told = {name: getattr(self._lies, name) for name in ("ballast", "daemon", "grows")}
        told |= {"deaf": int(self._lies.deaf), "of": os.getpid()}  # whose it is: other tests have some as well
        with _environment(**{LIES: ",".join(f"{name}={value}" for name, value in told.items() if value)}):
            running = Embedded("tests.fakes._lying_child").start(replace(launch, threads=launch.threads or 2))
        return LyingDeployment(running, self._lies)


@contextmanager
def _environment(**names):
    before = dict(os.environ)
    os.environ.update({**names, "PYTHONPATH": ROOT})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
