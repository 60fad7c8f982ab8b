"""An engine without a model: it repeats what it was told, word by word, and fails when it is told to."""

import asyncio
import json
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path

from aidx.budget.ledger import Entry
from aidx.errors import EngineError, InputError
from aidx.ports.chat import PATIENCE
from aidx.ports.engine import Allocated, Launch

TEMPLATE_TOKENS = 4  # of each message, and of the beginning of the answer
TOKEN = 4  # bytes
OBJECTS = {"chat": "chat.completion", "text": "text_completion"}


@dataclass
class FakeChat:
    """Answers with the words of the last message, over and over.

    After *fail_after* events it fails; *counting* is waited for before a count, *hold* before the end of an
    answer; *held* are the slots in use. Its template takes tools where *tools* says so; it counts *drift* tokens
    less than it uses; while *hangs*, it tries the caller's patience. With a *script* it says what stands there,
    one line after the other; *enforced* is what it says of itself.
    """

    fail_after: int | None = None
    counting: asyncio.Event | None = None
    hold: asyncio.Event | None = None
    dead: bool = False
    tools: bool = False
    drift: int = 0
    hangs: bool = False
    script: list[str] | None = None
    enforced: str = "none"
    counts: int = 0
    held: set[int] = field(default_factory=set)
    seen: list[bytes] = field(default_factory=list)
    closed: bool = False
    precision: str = "exact"

    async def count(self, body, *, kind="chat"):
        if self.dead:
            raise EngineError("the engine is gone", code="engine_failed")
        self.counts += 1
        if self.counting is not None:
            await self.counting.wait()
        return self._tokens(body, kind) - self.drift

    def _tokens(self, body, kind):
        texts = [text.strip().encode() for text in _texts(body, kind)]
        tokens = sum(-(-len(text) // TOKEN) for text in texts)
        return tokens + TEMPLATE_TOKENS * (1 + len(texts)) if kind == "chat" else tokens

    async def takes_tools(self):
        return self.tools

    def least(self, size):
        return -(-size // TOKEN)

    def enforces(self):
        return self.enforced

    async def answer(self, body, *, slot, kind="chat", patience=PATIENCE):
        if self.dead or self.closed:
            raise EngineError("the engine is gone", code="engine_failed")
        assert slot not in self.held, f"slot {slot} is given twice"
        self.held.add(slot)
        self.seen.append(body)
        try:
            if self.hangs:
                await asyncio.sleep(patience.first_s)
                raise EngineError("no answer", code="engine_silent")
            asked = json.loads(body)
            prompt = self._tokens(body, kind)
            if kind == "embedding":
                yield _vectors(asked, prompt)
                return
            usage = _usage(prompt, asked["max_tokens"])
            words = list(islice(cycle(_texts(body, kind)[-1].split() or ["."]), asked["max_tokens"]))
            if asked.get("stream"):
                for number, event in enumerate(_events(words, usage, kind)):
                    if number == len(words) and self.hold is not None:
                        await self.hold.wait()
                    if self.dead or number == self.fail_after:
                        raise EngineError("the engine was ended by signal 9", code="engine_failed")
                    await asyncio.sleep(0)
                    yield event
            else:
                if self.hold is not None:
                    await self.hold.wait()
                if self.dead or self.fail_after is not None:
                    raise EngineError("the engine was ended by signal 9", code="engine_failed")
                finish, text = ("length", " ".join(words)) if self.script is None else ("stop", self.script.pop(0))
                choice = {"index": 0, "finish_reason": finish, **_said(text, kind, "message")}
                yield json.dumps({"object": OBJECTS[kind], "choices": [choice], "usage": usage}).encode()
        finally:
            self.held.discard(slot)

    def close(self):
        self.closed = True


def _texts(body, kind):
    found = json.loads(body)
    try:
        if kind == "text":
            return [found["prompt"]]
        if kind == "embedding":
            return found["input"]
        return [message.get("content") or "" for message in found["messages"]]
    except (TypeError, KeyError, AttributeError):
        raise InputError("the engine refuses the request: messages", code="invalid_request") from None


def _usage(prompt, output):
    return {"completion_tokens": output, "prompt_tokens": prompt, "total_tokens": prompt + output}


def _vectors(asked, prompt):
    vector = "AACAPw==" if asked.get("encoding_format") == "base64" else [1.0]
    data = [{"object": "embedding", "index": number, "embedding": vector} for number, _ in enumerate(asked["input"])]
    return json.dumps({"object": "list", "data": data, "usage": _usage(prompt, 0)}).encode()


def _said(text, kind, part):
    return {"text": text} if kind == "text" else {part: {"role": "assistant", "content": text}}


def _events(words, usage, kind):
    for word in words:
        yield _event([{"index": 0, **_said(f"{word} ", kind, "delta"), "finish_reason": None}])
    yield _event([{"index": 0, **({"text": ""} if kind == "text" else {"delta": {}}), "finish_reason": "length"}])
    yield _event([], usage=usage)
    yield b"data: [DONE]\n\n"


def _event(choices, **more):
    return b"data: " + json.dumps({"object": "chat.completion.chunk", "choices": choices, **more}).encode() + b"\n\n"


class FakeDeployment:
    """A running fake."""

    pid = None

    def __init__(self, launch):
        self._launch = launch
        self._chats = []
        self._waiting = []
        self._end = None

    def chat(self):
        self._chats.append(FakeChat(dead=self._end is not None))
        return self._chats[-1]

    def allocated(self):
        cells = self._launch.settings.n_ctx
        entries = (Entry("weights", 1000, "fake", "measured"), Entry("kv_cache", cells * 10, "fake", "measured"))
        return Allocated({"host": entries}, cells, "fake 1", 1, 0)

    async def ended(self):
        if self._end is None:
            self._waiting.append(asyncio.Event())
            await self._waiting[-1].wait()
        return self._end

    def stop(self):
        self._end = self._end or "the engine ended with status 0"
        for chat in self._chats:
            chat.dead = True
        for event in self._waiting:
            event.set()


class FakeEngine:
    """Runs any file that is there."""

    def start(self, launch: Launch) -> FakeDeployment:
        if not Path(launch.path).is_file():
            raise EngineError(f"the engine cannot load {launch.path}: no such file")
        return FakeDeployment(launch)


ENGINE = FakeEngine()
