"""An engine whose answers are written by a test; without a script it is the fake that repeats what it was told."""

import json
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from aidx.errors import EngineError
from tests.fakes.engine import FakeChat, FakeDeployment, FakeEngine

Script = Callable[[dict], str | None]


def _nothing(request):
    del request


@dataclass
class ScriptedChat(FakeChat):
    """Answers with what *writes* makes of the request, as one piece; where that is ``None``, as the fake does."""

    writes: Script = _nothing

    async def answer(self, body, **how):
        text = None if self.dead or self.closed else self.writes(json.loads(body))
        if text is None:
            async with aclosing(super().answer(body, **how)) as plain:
                async for chunk in plain:
                    yield chunk
            return
        self.seen.append(body)
        if not json.loads(body).get("stream"):
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
            usage = await self._used(body, text)
            yield json.dumps({"object": "chat.completion", "choices": [choice], "usage": usage}).encode()
            return
        yield _event(choices=[{"index": 0, "delta": {"content": text}, "finish_reason": None}])
        if self.dead:
            raise EngineError("the engine is gone", code="engine_failed")
        yield _event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
        yield _event(choices=[], usage=await self._used(body, text))
        yield b"data: [DONE]\n\n"

    async def _used(self, body, text):
        prompt, written = await self.count(body), len(text) // 4 + 1
        return {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}


def _event(**fields):
    return b"data: " + json.dumps({"object": "chat.completion.chunk", **fields}).encode() + b"\n\n"


class ScriptedDeployment(FakeDeployment):
    """A running one."""

    def __init__(self, launch, script=_nothing):
        super().__init__(launch)
        self._script = script

    def chat(self):
        # Whoever writes the script keeps to the schema; without one nobody does.
        enforced = "none" if self._script is _nothing else "json_schema"
        self._chats.append(ScriptedChat(dead=self._end is not None, writes=self._script, enforced=enforced))
        return self._chats[-1]


class ScriptedEngine(FakeEngine):
    """Runs any file that is there, by *script*."""

    def __init__(self, script=_nothing):
        self._script = script

    def start(self, launch):
        super().start(launch)
        return ScriptedDeployment(launch, self._script)


ENGINE = ScriptedEngine()
