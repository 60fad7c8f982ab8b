"""llama.cpp's server over its own interface, whoever started it."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from functools import partial
from typing import Any, TypeVar

from aidx.adapters.child import Child
from aidx.adapters.http import Pool
from aidx.adapters.talk.asking import SOON_S, Asked, Taken, asked
from aidx.adapters.talk.refusal import refused
from aidx.adapters.talk.vectors import Vectors
from aidx.errors import EngineError, InputError
from aidx.gate.estimate import texts_of
from aidx.patterns.prompt import Kind, Precision
from aidx.ports.chat import PATIENCE, Enforced, Patience

WHO = "the engine"
ANSWER = {"chat": "/v1/chat/completions", "text": "/v1/completions", "embedding": "/v1/embeddings"}
COUNT = "/v1/chat/completions/input_tokens"
COUNTED = Patience(60.0, 60.0)  # a batch of another request on a slow CPU comes first
CANARY = "aidx_canary"
Told = TypeVar("Told", int, str, list[Any])
WITH_TOOL = {
    "messages": [{"role": "user", "content": "."}],
    "tools": [{"type": "function", "function": {"name": CANARY, "parameters": {"type": "object", "properties": {}}}}],
}
FORCED_TEXT = "1"
FORCED = f'%llguidance {{}}\nstart: "{FORCED_TEXT}"'


class ServedChat:
    """Chat completions by llama.cpp's server; it counts, too, with the model's own template.

    *child* is the process where it is ours, *longest_token* in bytes where it is known, *enforced* what a probe saw.
    """

    precision: Precision = "exact"

    def __init__(
        self, pool: Pool, child: Child | None = None, *, longest_token: int = 0, enforced: Enforced = "none"
    ) -> None:
        self._pool = pool
        self._child = child
        self._longest_token = longest_token
        self._enforced = enforced
        self._counts = True
        self._reads = False
        self._vectors = Vectors(partial(self._one, "embedding"))

    async def count(self, body: bytes, *, kind: Kind = "chat") -> int:
        """Ask the engine, which renders and tokenizes exactly as for an answer."""
        if kind != "chat":
            return sum([await self._tokens(text) for text in texts_of(json.loads(body))])
        if not self._counts:
            return await self._rendered(body)
        try:
            return await self._told(COUNT, body, "input_tokens", int)
        except EngineError as error:
            if error.code != "model_not_there":  # an older build, without that path
                raise
        self._counts = False
        return await self._rendered(body)

    async def takes_tools(self) -> bool:
        """Render a request with a tool of a name that stands nowhere else, and look for it."""
        try:
            return CANARY in (await self._ask("/apply-template", json.dumps(WITH_TOOL).encode())).decode()
        except InputError:  # the template refuses them
            return False

    def enforces(self) -> Enforced:
        """What the probe saw."""
        return self._enforced

    async def _rendered(self, body: bytes) -> int:
        """Have the template put around the messages, and count that."""
        return await self._tokens(await self._told("/apply-template", body, "prompt", str))

    async def cells(self) -> int:
        """What the slots keep, by the engine's own account."""
        status, found = await self._pool.request("GET", "/slots")
        try:
            return sum(int(slot["n_prompt_tokens"]) for slot in json.loads(found))
        except (ValueError, KeyError, TypeError):  # started without it, or a build that says something else
            raise EngineError(f"the engine does not say what its slots hold: status {status}") from None

    async def _tokens(self, text: str) -> int:
        order = {"content": text, "add_special": True, "parse_special": True}
        return len(await self._told("/tokenize", json.dumps(order).encode(), "tokens", list))

    async def _told(self, path: str, body: bytes, name: str, kind: type[Told]) -> Told:
        """What stands under *name* in its answer; raises ``EngineError`` where that is nothing of this *kind*."""
        said = await self._ask(path, body)
        with suppress(ValueError, KeyError, TypeError):
            if isinstance(found := json.loads(said)[name], kind):
                return found
        raise EngineError(f"{WHO} does not answer {path} as llama.cpp's server does")

    async def _ask(self, path: str, body: bytes) -> bytes:
        try:
            status, found = await self._pool.request("POST", path, body, patience=COUNTED)
        except EngineError as error:
            raise await self._explained(error) from None
        if status != 200:
            raise refused(status, found, who=WHO)
        return found

    def least(self, size: int) -> int:
        """No token is longer than the longest of the vocabulary."""
        return -(-size // self._longest_token) if self._longest_token else 0

    async def answer(
        self, body: bytes, *, slot: int, kind: Kind = "chat", patience: Patience = PATIENCE
    ) -> AsyncGenerator[bytes, None]:
        """Pass the engine's bytes on; left early, wait until the engine has let go of what it holds."""
        order = self._order(body, slot, kind, patience)
        taken = order.taken
        held = kind != "embedding"  # those are not told which slot, and leave nothing in any
        try:
            if order.whole:
                found = await self._whole(kind, order.sent, patience)
                held = False
                yield found
                return
            async with self._pool.stream("POST", ANSWER[kind], order.sent, patience=patience, stays=True) as reply:
                if reply.status != 200:
                    raise refused(reply.status, await reply.whole(), who=WHO)
                while not (taken and taken.early) and (chunk := await reply.read()):
                    if taken is None or (chunk := taken.feed(chunk)):
                        yield chunk
            if chunk := self._rest(taken):
                yield chunk
            held = bool(taken and taken.early)
        except EngineError as error:
            held = held and error.code != "engine_silent"  # it would not tell that it has let go, either
            raise await self._explained(error) from None
        finally:
            if held:
                await self._let_go(slot, patience)
        if taken and taken.again:
            async with aclosing(self.answer(body, slot=slot, kind=kind, patience=patience)) as other:
                async for chunk in other:
                    yield chunk

    def _order(self, body: bytes, slot: int, kind: Kind, patience: Patience) -> Asked:
        if kind == "embedding":
            return Asked(body, None, whole=True)
        return asked(body, slot, patience, WHO, reads=self._reads and kind == "chat")

    async def _whole(self, kind: Kind, sent: bytes, patience: Patience) -> bytes:
        """The answer in one piece to what is *sent*."""
        if kind == "embedding":
            return await self._vectors.of(sent, patience)
        return await self._one(kind, sent, patience)

    async def _one(self, kind: Kind, sent: bytes, patience: Patience) -> bytes:
        status, found = await self._pool.request("POST", ANSWER[kind], sent, patience=patience, stays=True)
        if status != 200:
            raise refused(status, found, who=WHO)
        return found

    def _rest(self, taken: Taken | None) -> bytes:
        """What a stream that has ended leaves to be passed on; nothing where it is asked for again."""
        if taken is None:
            return b""
        found = taken.rest()
        if taken.again:
            self._reads = True
            return b""
        return found

    def close(self) -> None:
        """Drop the connections."""
        self._pool.close()

    async def _explained(self, error: EngineError) -> EngineError:
        """*error*, and how the engine ended if it did: the broken connection is seen a moment earlier."""
        if self._child is None:
            return error
        with suppress(TimeoutError):
            async with asyncio.timeout(SOON_S):
                await asyncio.wrap_future(self._child.ending())
        return EngineError(f"{self._child.end or error}", code=error.code)  # it is ours: nobody is to start it

    async def _let_go(self, slot: int, patience: Patience) -> None:
        """Wait until *slot* is idle; an engine that cannot say is dead and holds nothing, one that hangs is told."""
        soon = Patience(patience.between_s, patience.between_s)
        try:
            while True:
                status, found = await self._pool.request("GET", "/slots", patience=soon)
                if status != 200 or not json.loads(found)[slot]["is_processing"]:
                    return
                await asyncio.sleep(SOON_S)
        except EngineError as error:
            if error.code == "engine_silent":
                raise


async def probe(chat: ServedChat, *, embedding: bool) -> Enforced:
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
