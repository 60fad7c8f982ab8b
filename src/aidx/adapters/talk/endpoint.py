"""An endpoint of aidx that runs already, as a proof speaks to it: past no gate, and counted by its own refusals."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from aidx.adapters.http import Pool
from aidx.adapters.talk.address import Address, address, bearer, pool
from aidx.adapters.talk.openai import OpenAIChat
from aidx.adapters.talk.readback import told
from aidx.adapters.talk.refusal import BusyError, refused
from aidx.budget.ledger import Entry
from aidx.errors import AidxError, EngineError, InputError
from aidx.patterns.prompt import Kind, Precision
from aidx.ports.chat import PATIENCE, Enforced, Patience
from aidx.ports.engine import Allocated, Deployment

LOOK_S = 0.02  # between two looks at what is reserved, while answers are on their way
GONE_S = 1.0  # between two looks at whether it is still there
AGAIN_S = 0.05  # after it was too busy to count
BEYOND = (1 << 31) - 1  # tokens of output that no context holds: such a request is counted, and refused
LEAST = 1 << 16  # prompts whose count is remembered


class Endpoint:
    """What the endpoint at *url* says of itself; raises ``EngineError`` where none of ours is there."""

    def __init__(self, url: str, key: str | None) -> None:
        self.at = address(url)
        self.key = key
        self.plan, self.models = asyncio.run(_about(self.at, key))

    @property
    def gates(self) -> dict[str, int]:
        """The longest prompt of each model."""
        return {str(model): int(each["max_prompt_tokens"]) for model, each in self.models.items()}

    def deployment(self, model: str) -> Deployment:
        """The role *model* of it, as something to be loaded."""
        return EndpointDeployment(self.at, self.key, model, _allocated(self.plan, self.at))


async def is_ours(url: str) -> bool:
    """Whether an endpoint of aidx answers at *url*."""
    connections = pool(address(url))
    try:
        found = await told(connections, "/health", who=url)
    except EngineError:
        return False
    finally:
        connections.close()
    return isinstance(found, dict) and found.get("server") == "aidx"


async def _about(at: Address, key: str | None) -> tuple[Any, dict[str, Any]]:
    connections = pool(at, bearer(key))
    try:
        plan = await told(connections, "/plan", who=at.shown)
        listed = await told(connections, "/v1/models", who=at.shown)
        return plan, {each["id"]: each for each in listed["data"] if "max_prompt_tokens" in each}
    except (KeyError, TypeError):
        raise EngineError(f"{at.shown} does not say what it serves", hint="Update aidx there.") from None
    finally:
        connections.close()


def _allocated(plan: Any, at: Address) -> Allocated:  # noqa: ANN401 - JSON
    """The engines' own accounts, all processes together."""
    devices: dict[str, tuple[Entry, ...]] = {}
    build, n_ctx, resolution = f"aidx at {at.shown}", 0, 1
    with suppress(KeyError, TypeError, ValueError):  # an endpoint that does not tell yet
        for process in plan["allocated"]:
            build, n_ctx = f"{process['build']}, served by aidx at {at.shown}", int(process["n_ctx"])
            resolution = int(process["resolution_bytes"])
            for device in process["devices"]:
                entries = tuple(
                    Entry(each["what"], int(each["bytes"]), str(each["why"]), "measured") for each in device["entries"]
                )
                devices[device["name"]] = (*devices.get(device["name"], ()), *entries)
    return Allocated(devices, n_ctx, build, resolution, 0)


class EndpointDeployment:
    """The endpoint *at* an address, which goes on without us."""

    pid: int | None = None

    def __init__(self, at: Address, key: str | None, model: str, allocated: Allocated) -> None:
        self._at, self._key, self._model, self._account = at, key, model, allocated

    def chat(self) -> "EndpointChat":
        """Connections to it, for the running event loop."""
        headers = bearer(self._key)
        talk = OpenAIChat(
            pool(self._at._replace(path=f"{self._at.path}/v1"), headers), model=self._model, who=self._who
        )
        return EndpointChat(talk, pool(self._at, headers), self._model, self._who)

    @property
    def _who(self) -> str:
        return f"aidx at {self._at.shown}"

    def allocated(self) -> Allocated:
        """What it said when it was looked at."""
        return self._account

    async def ended(self) -> str:
        """Wait until nobody answers there any more, or its engine does not."""
        while True:
            await asyncio.sleep(GONE_S)
            connections = pool(self._at, bearer(self._key))
            try:
                await told(connections, "/ready", who=self._who)
            except EngineError as error:
                return f"{self._who} is not ready any more: {error}"
            finally:
                connections.close()

    def stop(self) -> None:
        """Leave it."""


class EndpointChat:
    """One role of it; *talk* answers, *root* is asked about it. Belongs to one event loop.

    What is reserved is looked at while answers are on their way: requests that are in it at the same time have slots
    of their own, and a slot keeps its cells until it is given to another request.
    """

    precision: Precision = "exact"

    def __init__(self, talk: OpenAIChat, root: Pool, model: str, who: str) -> None:
        self._talk, self._root, self._model, self._who = talk, root, model, who
        self._known: dict[str, int] = {}
        self._most = {"tokens": 0, "queued": 0}
        self._watch: asyncio.Task[None] | None = None
        self._flying = 0

    async def count(self, body: bytes, *, kind: Kind = "chat") -> int:
        """Ask for more output than any context holds: it is refused with the tokens of the prompt, and never run."""
        del kind  # a proof only converses
        messages = json.loads(body)["messages"]
        key = json.dumps(messages)
        if key not in self._known:
            if len(self._known) >= LEAST:
                self._known.clear()
            self._known[key] = await self._counted(messages)
        return self._known[key]

    async def _counted(self, messages: object) -> int:
        asked = json.dumps({"model": self._model, "messages": messages, "max_tokens": BEYOND}).encode()
        while True:
            status, found = await self._root.request("POST", "/v1/chat/completions", asked, patience=PATIENCE)
            if status == 429:  # more are counted at the same time than it lets in
                await asyncio.sleep(AGAIN_S)
                continue
            with suppress(ValueError, KeyError, TypeError):
                return int(json.loads(found)["error"]["n_prompt_tokens"])
            error: AidxError = refused(status, found, who=self._who)
            raise error

    def least(self, size: int) -> int:
        """Nothing is known of its tokens."""
        del size
        return 0

    async def takes_tools(self) -> bool:
        """It says so itself."""
        return True

    def enforces(self) -> Enforced:
        """Nothing that was seen."""
        return "none"

    async def answer(
        self, body: bytes, *, slot: int, kind: Kind = "chat", patience: Patience = PATIENCE
    ) -> AsyncGenerator[bytes, None]:
        """Its answer; a request that finds no place to wait is refused, and not tried again."""
        with self._flight():
            try:
                async for piece in self._talk.answer(body, slot=slot, kind=kind, patience=patience):
                    yield piece
            except BusyError as busy:
                if busy.code != "rate_limited":
                    raise
                raise InputError(str(busy), code="kv_budget_exhausted") from None

    async def cells(self) -> int:
        """The most that were reserved at the same time."""
        return self._most["tokens"]

    def queued(self) -> int:
        """The most requests that waited at the same time."""
        return self._most["queued"]

    def close(self) -> None:
        """Drop the connections."""
        self._land()
        self._talk.close()
        self._root.close()

    @contextmanager
    def _flight(self) -> Iterator[None]:
        """An answer that is on its way: meanwhile the endpoint is looked at."""
        self._flying += 1
        if self._watch is None:
            self._watch = asyncio.get_running_loop().create_task(self._look())
        try:
            yield
        finally:
            self._flying -= 1
            if not self._flying:
                self._land()

    def _land(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    async def _look(self) -> None:
        while True:
            with suppress(EngineError, KeyError, TypeError, ValueError):
                found = (await told(self._root, "/plan", who=self._who))["reserved"]
                self._most = {name: max(most, int(found[name])) for name, most in self._most.items()}
            await asyncio.sleep(LOOK_S)
