"""llama.cpp's own llama-server: started with exactly the planned flags, or attached to where it runs."""

import asyncio
import re
import secrets
import shutil
import sys
from contextlib import ExitStack
from urllib.parse import urlsplit

from aidx.adapters.child import OF_ANOTHER_PROCESSOR, Child
from aidx.adapters.enginelog import RESOLUTION, Account
from aidx.adapters.host import engine_environment, physical_cores, program_output, resident
from aidx.adapters.http import Pool
from aidx.adapters.llamaflags import arguments, known
from aidx.adapters.talk.address import Address, address, bearer, pool
from aidx.adapters.talk.attached import AttachedDeployment
from aidx.adapters.talk.props import read_back
from aidx.adapters.talk.readback import told
from aidx.adapters.talk.served import ServedChat
from aidx.adapters.talk.unknown import probe_unknown
from aidx.errors import EngineError
from aidx.ports.chat import Enforced
from aidx.ports.engine import Allocated, Deployment, Launch

NAME = "llama-server"
PROGRAM = "llama-server"
KEY_VARIABLE = "LLAMA_API_KEY"  # of a child's environment, which its own user reads and nobody else
TETHER = (sys.executable, "-P", "-m", "aidx.adapters.tethered")
LISTENING = re.compile(r"listening on (http://\S+)")
MISSING_HINT = "Install llama.cpp (https://github.com/ggml-org/llama.cpp), or name its url in aidx.toml."


class LlamaServer:
    """The engine as a port."""

    def start(self, launch: Launch) -> Deployment:
        """Start it, or attach to the one that runs; see ``ports.Engine``."""
        if launch.urls:
            return asyncio.run(_attach(launch))
        program = shutil.which(PROGRAM)
        if program is None:
            raise EngineError(f"there is no {PROGRAM} on PATH", hint=MISSING_HINT, code="engine_missing")
        return _started(launch, program)


class StartedDeployment:
    """A llama-server of ours and its account of itself; *enforced* is what it was seen to hold an answer to."""

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
        connections = Pool("127.0.0.1", self._url.port or 0, bearer(self._key))
        longest = self._account.longest_token
        return ServedChat(connections, self._child, longest_token=longest, enforced=self.enforced)

    async def prove(self, launch: Launch) -> None:
        """Hold what it says of itself against the plan, and have one token answered; raises where it has less."""
        connections = Pool("127.0.0.1", self._url.port or 0, bearer(self._key))
        try:
            await read_back(connections, launch, who="llama-server")
        finally:
            connections.close()
        self.enforced = await probe_unknown(self.chat(), embedding=launch.embedding)

    def allocated(self) -> Allocated:
        """Buffers from its log, memory of the process from the system."""
        devices = {name: tuple(entries) for name, entries in self._account.devices.items()}
        return Allocated(devices, self._account.n_ctx, self._build, RESOLUTION, resident(self._child.pid))

    async def ended(self) -> str:
        """Wait for the child to end."""
        return await asyncio.wrap_future(self._child.ending())

    def stop(self) -> None:
        """End the child."""
        self._child.stop()


class _Reader:
    """Reads the log until it has said what was allocated and where it listens."""

    def __init__(self) -> None:
        self.account = Account()
        self.url = ""

    def read(self, line: str) -> bool:
        """Take in one line; true when nothing more is wanted."""
        if found := LISTENING.search(line):
            self.url = found[1]
        return bool(self.account.read(line) and self.url)


def _started(launch: Launch, program: str) -> StartedDeployment:
    key, reader = secrets.token_urlsafe(24), _Reader()
    knows = known(program_output([program, "--help"]))
    argv = [*launch.under, *TETHER, program, *arguments(launch, knows, threads=launch.threads or physical_cores())]
    environment = {**engine_environment(), KEY_VARIABLE: key}
    child = Child(argv, env=environment, order=b"", read=reader.read)
    with ExitStack() as undo:  # whatever happens before the end of this block, nothing stays behind
        undo.callback(child.stop)
        child.settled.wait()
        if not reader.url or child.end:
            raise _not_loaded(child, launch)
        _check_placement(launch, reader.account)
        deployment = StartedDeployment(child, reader.account, reader.url, key, _build(program))
        asyncio.run(deployment.prove(launch))
        undo.pop_all()
    return deployment


def _not_loaded(child: Child, launch: Launch) -> EngineError:
    other = OF_ANOTHER_PROCESSOR in child.ending().result()
    return EngineError(
        f"llama-server cannot load {launch.path}: {child.complaint()}",
        hint="Take another build of llama.cpp." if other else "Check the file with: aidx plan FILE",
    )


def _check_placement(launch: Launch, account: Account) -> None:
    """A build without a GPU takes ``-ngl`` without a word and computes on the CPU."""
    if launch.settings.n_gpu_layers and not any(name.startswith("gpu") for name in account.devices):
        raise EngineError(
            f"{launch.settings.n_gpu_layers} layers are planned on a GPU and llama-server sees none",
            hint="Install a build of llama.cpp for your GPU, or plan for the CPU with -ngl 0.",
            code="no_gpu",
        )


def _build(program: str) -> str:
    """Its number: newer builds say ``version: 0.6.0 (build 11434, …``, older ones ``version: 11434 (…``."""
    found = re.search(r"\(build (\d+)|version: (\d+) ", program_output([program, "--version"]))
    return "llama-server" if found is None else f"llama-server b{found[1] or found[2]}"


async def _attach(launch: Launch) -> AttachedDeployment:
    at = address(launch.urls[0])
    connections = pool(at, bearer(launch.key))
    who = f"llama-server at {at.shown}"
    try:
        allocated = await read_back(connections, launch, who=who)
        chat = ServedChat(connections)
        enforced = await probe_unknown(chat, embedding=launch.embedding)
    finally:
        connections.close()

    def talk() -> ServedChat:
        return ServedChat(pool(at, bearer(launch.key)), enforced=enforced)

    return AttachedDeployment(at.shown, allocated, talk, lambda: _look(at, launch.key))


async def _look(at: Address, key: str | None) -> None:
    connections = pool(at, bearer(key))
    try:
        await told(connections, "/health", who=at.shown)
    finally:
        connections.close()


ENGINE = LlamaServer()
