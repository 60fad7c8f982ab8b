"""Anthropic's messages, and what speaks as they do; answers are translated to OpenAI's."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping
from typing import Any
from urllib.parse import quote

from aidx.adapters.http import Pool, Streamed
from aidx.adapters.talk.address import Address, address, bearer, outside
from aidx.adapters.talk.again import RetryBudget, Retrying
from aidx.adapters.talk.anthropic import Stream, answer, request
from aidx.adapters.talk.attached import AttachedDeployment
from aidx.adapters.talk.counted import Asked, Roughly, Spelling, Way, find, way
from aidx.adapters.talk.events import EventReader
from aidx.adapters.talk.readback import told
from aidx.adapters.talk.refusal import refused
from aidx.errors import EngineError, InputError
from aidx.patterns.prompt import Kind, Precision
from aidx.ports.chat import PATIENCE, Enforced, Patience
from aidx.ports.engine import Allocated, Deployment, Launch

NAME = "anthropic"
OUTSIDE = True  # asked by a proxy, where the environment names one
HOME = "https://api.anthropic.com"
VERSION = "2023-06-01"
MESSAGES = "/v1/messages"
NOT_TOLD = ("context", "token counts", "KV cache")


class Anthropic:
    """The service as a port."""

    def start(self, launch: Launch) -> Deployment:
        """Ask whether it has the model, which also tries the key and costs nothing."""
        if launch.key is None:
            raise InputError(
                "anthropic wants a key", hint='Add api_key_env = "ANTHROPIC_API_KEY", and set that variable.'
            )
        at = address(launch.urls[0] if launch.urls else HOME)
        headers = _headers(launch.key)
        enforced = asyncio.run(_check(at, headers, launch.name))
        budget = RetryBudget()
        spelling = None
        if launch.counting != "estimated":
            spelling = asyncio.run(find((COUNT,), lambda _: outside(at, headers), launch.name))

        def talk() -> Retrying:
            by = way(launch.counting, spelling, lambda found: Asked(outside(at, headers), found, launch.name, at.host))
            chat = AnthropicChat(outside(at, headers), model=launch.name, who=at.host, enforced=enforced, by=by)
            return Retrying(chat, budget)

        there = Allocated({}, launch.settings.ctx_size, f"{launch.name} at {at.shown}", 1, 0, assumed=NOT_TOLD)
        return AttachedDeployment(at.shown, there, talk)


def _counted(asked: dict[str, Any], model: str) -> dict[str, Any]:
    """A request for a count: that for a message, without what bounds and steers the answer."""
    return request({name: asked[name] for name in COUNTS if asked.get(name)}, model)


COUNTS = ("messages", "tools", "tool_choice", "parallel_tool_calls", "response_format")
COUNT = Spelling(f"{MESSAGES}/count_tokens", _counted, "input_tokens", about=True)
"""Anthropic's page on it: the count is an estimate, and that of the message may differ by a small amount."""


class AnthropicChat:
    """Requests to *pool*; *who* names the service in errors."""

    def __init__(self, pool: Pool, *, model: str, who: str, enforced: Enforced = "none", by: Way | None = None) -> None:
        self._enforced = enforced
        self._by = by or Roughly()
        self._pool = pool
        self._model = model
        self._who = who

    @property
    def precision(self) -> Precision:
        """As it was started to count."""
        return self._by.precision

    async def count(self, body: bytes, *, kind: Kind = "chat") -> int:
        """As it was started to: its own count is a request of its own, over the network."""
        _chats(kind)
        return await self._by.count(body)

    def least(self, size: int) -> int:
        """Nothing is known of its tokens."""
        del size
        return 0

    async def takes_tools(self) -> bool:
        """All of its models do."""
        return True

    def enforces(self) -> Enforced:
        """What it says of the model."""
        return self._enforced

    async def answer(
        self, body: bytes, *, slot: int, kind: Kind = "chat", patience: Patience = PATIENCE
    ) -> AsyncGenerator[bytes, None]:
        """The message, as a chat completion."""
        del slot  # how many it answers at a time is its own affair
        _chats(kind)
        asked = json.loads(body)
        sent = json.dumps(request(asked, self._model)).encode()
        async with self._pool.stream("POST", MESSAGES, sent, patience=patience) as reply:
            if reply.status != 200:
                wait = reply.headers.get("retry-after", "")
                raise refused(reply.status, await reply.whole(), who=self._who, retry_after=wait)
            if not asked.get("stream"):
                yield answer(_object(await reply.whole()), int(time.time()))
                return
            account = bool((asked.get("stream_options") or {}).get("include_usage"))
            async for piece in self._events(reply, Stream(account=account, created=int(time.time()))):
                yield piece

    async def _events(self, reply: Streamed, stream: Stream) -> AsyncGenerator[bytes, None]:
        reader = EventReader()
        async for piece in reply.chunks():
            for event in reader.feed(piece):
                if made := stream.feed(event):
                    yield made
                if stream.complete:
                    return
        raise EngineError(f"the answer of {self._who} broke off", code="engine_failed")

    def close(self) -> None:
        """Drop the connections."""
        self._pool.close()
        self._by.close()


def _chats(kind: Kind) -> None:
    if kind != "chat":
        raise InputError("anthropic answers chats only", code="wrong_kind_of_model", hint="Name another model.")


def _headers(key: str) -> Mapping[str, str]:
    checked = bearer(key)["Authorization"].removeprefix("Bearer ")
    return {"x-api-key": checked, "anthropic-version": VERSION}


def _object(body: bytes) -> dict[str, object]:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}


async def _check(at: Address, headers: Mapping[str, str], model: str) -> Enforced:
    """Raise ``EngineError`` where the service refuses the key or does not have *model* (which may be an alias)."""
    connections = outside(at, headers)
    try:
        found = await told(connections, f"/v1/models/{quote(model, safe='')}", who=at.host)
        return "documented" if found["capabilities"]["structured_outputs"]["supported"] is True else "none"
    except (KeyError, TypeError):  # it does not say
        return "none"
    except EngineError as error:
        if error.code != "model_not_there" or not await _listed(connections, at, model):
            raise
        return "none"
    finally:
        connections.close()


async def _listed(connections: Pool, at: Address, model: str) -> bool:
    """Whether *model* is in the list: not every server that speaks so has a page for each."""
    found = await told(connections, "/v1/models", who=at.host)
    try:
        return any(each["id"] == model for each in found["data"])
    except (KeyError, TypeError):
        return False


ENGINE = Anthropic()
