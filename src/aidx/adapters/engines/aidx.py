"""Other aidx nodes: each holds its own budget, and requests go where they fit.

A node that does not answer is left out until it does again; what it was sent and had not begun to answer goes to
another one.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from aidx.adapters.http import UnreachableError
from aidx.adapters.talk.address import Address, address, bearer, pool
from aidx.adapters.talk.again import RetryBudget, Retrying
from aidx.adapters.talk.attached import AttachedDeployment
from aidx.adapters.talk.balance import Node, beginning, cells_of, order
from aidx.adapters.talk.counted import TOKENIZE, Asked, find, way
from aidx.adapters.talk.openai import OpenAIChat
from aidx.adapters.talk.readback import enough, told
from aidx.errors import AidxError, BudgetError, EngineError, InputError
from aidx.gate.drive import LoadingError
from aidx.gate.estimate import estimate
from aidx.patterns.prompt import Kind, Precision
from aidx.ports.chat import PATIENCE, Enforced, Patience
from aidx.ports.engine import Allocated, Deployment, Launch

if TYPE_CHECKING:
    from aidx.adapters.http import Pool

NAME = "aidx"
EVERY_S = 0.5  # between two looks at a node
LOOK_S = 2.0
TRIES = 2  # of one request at one node; a request that ends whoever gets it would otherwise go round for ever
HERE = frozenset({"127.0.0.1", "::1", "localhost"})
REMEMBERED = 1 << 12  # prompts of which it is known who has counted them
OTHERWISE = "counted_otherwise"
NOT_TOLD = ("cache_type_k", "cache_type_v", "engine")


class Aidx:
    """The nodes as a port."""

    def start(self, launch: Launch) -> Deployment:
        """Look at every node; at least one must be there, and those that are must have the context."""
        if not launch.urls:
            raise InputError("a node has an address", hint='Add url = "http://HOST:8411", or a list of them.')
        nodes = [address(url) for url in launch.urls]
        there = asyncio.run(_check(nodes, launch))
        budget = RetryBudget(saved=10.0)
        counts = launch.counting != "estimated" and asyncio.run(_count(nodes, launch))

        def talk() -> Retrying:
            return Retrying(BalancedChat(nodes, launch, counts=counts), budget)

        shown = ", ".join(at.shown for at in nodes)
        build = f"aidx at {shown} ({there} of {len(nodes)} nodes answer)"
        allocated = Allocated({}, launch.settings.ctx_size, build, 1, 0, assumed=NOT_TOLD)
        return AttachedDeployment(shown, allocated, talk, lambda: _check(nodes, launch))


class BalancedChat:
    """One chat over several nodes; belongs to one event loop, on which it looks after them while it is used.

    Where they are to count, and *counts* says that they do, a prompt has as many tokens as the node says that counts
    most, and goes to no node that has not counted it: nobody says that all of them have the same model, nor that one
    which was gone came back with the model that it had. What they were not asked to count is held by whoever sends it.
    """

    def __init__(self, nodes: Sequence[Address], launch: Launch, *, counts: bool = False) -> None:
        headers = bearer(launch.key)
        self._nodes = [Node(at.shown) for at in nodes]
        self._roots: dict[str, Pool] = {at.shown: pool(at, headers) for at in nodes}
        self._chats = {
            at.shown: OpenAIChat(pool(at._replace(path=f"{at.path}/v1"), headers), model=launch.name, who=at.shown)
            for at in nodes
        }
        here = all(at.host in HERE for at in nodes)  # then a dry run may ask them, too: nothing leaves the machine
        counting = "held" if launch.counting == "foreseen" and here else launch.counting
        self._by = way(counting, TOKENIZE if counts else None, lambda _: _Most(self._most))
        self._askers = {name: Asked(root, TOKENIZE, launch.name, name, own=False) for name, root in self._roots.items()}
        self._counted: dict[bytes, _Said] = {}
        self._watch: asyncio.Task[None] | None = None
        self._seen = asyncio.Event()  # that all nodes were looked at once
        self._seen.set()

    @property
    def precision(self) -> Precision:
        """As it was started to count."""
        return self._by.precision

    async def count(self, body: bytes, *, kind: Kind = "chat") -> int:
        """As it was started to; of what is no chat an estimate. The node counts anyway, and refuses what does not fit.

        Raises ``LoadingError`` while no node answers.
        """
        await self._watched()
        self._there()
        return await self._by.count(body) if kind == "chat" else estimate(body, kind)

    async def _most(self, body: bytes) -> int:
        """The largest count of the nodes that are up; raises as the first does where none counts."""
        names = [node.name for node in self._nodes if node.up]
        said = await asyncio.gather(*[self._askers[name].count(body) for name in names], return_exceptions=True)
        counts = {name: found for name, found in zip(names, said, strict=True) if isinstance(found, int)}
        for wrong in said:
            if isinstance(wrong, BaseException) and not (isinstance(wrong, AidxError) and counts):
                raise wrong
        if len(self._counted) >= REMEMBERED:
            self._counted.clear()
        most = max(counts.values())
        self._counted[_prompt(body)] = _Said(
            most, {node.name: node.gone for node in self._nodes if node.name in counts}
        )
        return most

    def least(self, size: int) -> int:
        """Nothing is known of its tokens."""
        del size
        return 0

    async def takes_tools(self) -> bool:
        """The node says so itself."""
        return True

    def enforces(self) -> Enforced:
        """Nothing that was seen."""
        return "none"

    async def answer(
        self, body: bytes, *, slot: int, kind: Kind = "chat", patience: Patience = PATIENCE
    ) -> AsyncGenerator[bytes, None]:
        """The answer of the first node that begins one; one that was gone and is back is asked again."""
        asked = json.loads(body)
        wanted = estimate(body, kind) + int(asked.get("max_tokens") or 0)
        await self._watched()
        self._there()
        failed: AidxError = LoadingError(1, "all nodes are busy")
        counted = self._counted.get(_prompt(body))
        left = dict.fromkeys(self._roots, TRIES)
        while node := self._next(beginning(asked), wanted, left):
            begun = False
            node.sent += wanted
            try:
                if counted is not None:
                    await self._still(node, counted, body)
                chat = self._chats[node.name]
                async with aclosing(chat.answer(body, slot=slot, kind=kind, patience=patience)) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece
            except (EngineError, BudgetError) as error:
                if begun or error.code in {"key_refused", "engine_silent"}:
                    raise
                full = getattr(error, "retry_after", None) is not None
                over = error.code == OTHERWISE
                if not (full or over):
                    node.lost()
                left[node.name] = 0 if full or over else left[node.name] - 1
                failed = error
            else:
                return
            finally:
                node.sent = max(0, node.sent - wanted)
        self._there()
        raise failed

    async def _still(self, node: Node, said: "_Said", body: bytes) -> None:
        """Have *node* count *body* unless it has since it was gone; raise ``EngineError`` for more than was *said*."""
        if said.by.get(node.name) == node.gone:
            return
        gone = node.gone
        try:
            found = await self._askers[node.name].count(body)
        except UnreachableError:
            raise
        except (EngineError, InputError) as error:
            if getattr(error, "retry_after", None) is not None:
                raise
            raise EngineError(f"{node.name} does not count a prompt: {error}", code=OTHERWISE) from None
        if found > said.most:
            raise EngineError(
                f"{node.name} counts {found} tokens where {said.most} were counted before: it is not sent there",
                hint="See that the nodes have the same model, and try again: it is counted anew.",
                code=OTHERWISE,
            )
        said.by[node.name] = gone

    def _there(self) -> None:
        """Raise ``LoadingError`` where no node answers: one may be back at the next look."""
        if not any(node.up for node in self._nodes):
            raise LoadingError(1, f"none of {len(self._nodes)} nodes answers")

    def _next(self, beginning: bytes, wanted: int, left: dict[str, int]) -> Node | None:
        """The node to try now: nodes may have come and gone while another one was asked."""
        return next((node for node in order(self._nodes, beginning, wanted) if left[node.name]), None)

    def close(self) -> None:
        """Drop the connections."""
        if self._watch is not None:
            self._watch.cancel()
        for root in self._roots.values():
            root.close()
        for chat in self._chats.values():
            chat.close()

    async def _watched(self) -> None:
        """See to it that what is known of the nodes is fresh."""
        if self._watch is None:
            self._seen.clear()
            self._watch = asyncio.get_running_loop().create_task(self._keep_looking())
        await self._seen.wait()

    async def _keep_looking(self) -> None:
        while True:
            await self._look_at_all()
            self._seen.set()
            await asyncio.sleep(EVERY_S)

    async def _look_at_all(self) -> None:
        await asyncio.gather(*[self._look(node) for node in self._nodes])

    async def _look(self, node: Node) -> None:
        try:
            async with asyncio.timeout(LOOK_S):
                node.cells, node.taken = cells_of(await told(self._roots[node.name], "/plan", who=node.name))
            node.up, node.sent = True, 0
        except (EngineError, TimeoutError, KeyError, TypeError, ValueError, OverflowError):
            node.lost()


class _Said(Struct):
    """The *most* that a prompt was counted as, and *by* whom: how often each node had been gone then."""

    most: int
    by: dict[str, int]


class _Most:
    """The nodes' own counts."""

    precision: Precision = "exact"

    def __init__(self, count: Callable[[bytes], Awaitable[int]]) -> None:
        self._of = count

    async def count(self, body: bytes) -> int:
        """The largest."""
        return await self._of(body)

    def close(self) -> None:
        """Nothing of its own is open."""


def _prompt(body: bytes) -> bytes:
    """What a node counts of *body*."""
    found = json.loads(body)
    return json.dumps([found.get("messages"), found.get("tools")]).encode()


async def _count(nodes: Sequence[Address], launch: Launch) -> bool:
    """Whether the nodes that answer count."""
    headers = bearer(launch.key)
    found = [await find((TOKENIZE,), lambda _, at=at: pool(at, headers), launch.name) for at in nodes]  # type: ignore[misc]
    return any(found)


async def _check(nodes: Sequence[Address], launch: Launch) -> int:
    """How many nodes answer; raises ``BudgetError`` for one with less context, ``EngineError`` where none does."""
    found = 0
    last: EngineError | None = None
    for at in nodes:
        connections = pool(at, bearer(launch.key))
        try:
            listed = await told(connections, "/v1/models", who=at.shown)
            enough(launch.settings.ctx_size, _context(listed, launch.name, at), who=f"{launch.name} at {at.shown}")
            found += 1
        except EngineError as error:
            if error.code in {"key_refused", "model_not_there"}:
                raise
            last = error
        finally:
            connections.close()
    if not found:
        raise last or EngineError("no node answers")
    return found


def _context(listed: Any, model: str, at: Address) -> int:  # noqa: ANN401 - JSON
    lengths: dict[str, int] = {}
    with suppress(KeyError, TypeError, ValueError, OverflowError):
        lengths = {str(each["id"]): int(each["context_length"]) for each in listed["data"]}
    if model not in lengths:
        raise EngineError(
            f"{at.shown} offers {', '.join(sorted(lengths)) or 'nothing'}, and not {model}",
            hint="Name a role or a model of that node.",
            code="model_not_there",
        )
    return lengths[model]


ENGINE = Aidx()
