"""Ollama's interface with answers that a test writes: every request is kept as it came, and nothing is computed."""

import json
from contextlib import contextmanager

from tests.fakes.upstream import Said, say, upstream

TAG = ":latest"


class ScriptedOllama:
    """Answers what *script* makes of the texts of a request's first and last message.

    *loads* is which model was loaded with which contexts, *sent* every request for an answer.
    """

    def __init__(self, script):
        self.script = script
        self.loads: dict[str, list[int]] = {}
        self.sent: list[dict] = []

    @property
    def routes(self):
        return {
            ("GET", "/api/version"): lambda _: say({"version": "0.31.0"}),
            ("POST", "/api/show"): lambda _: say({"capabilities": ["completion"], "model_info": {}}),
            ("GET", "/api/ps"): lambda _: say({"models": [self.loaded(*each) for each in self.loads.items()]}),
            ("POST", "/api/chat"): self.chat,
        }

    def loaded(self, model, contexts):
        name = model if ":" in model else f"{model}{TAG}"
        return {"name": name, "model": name, "size": 99, "size_vram": 99, "context_length": contexts[-1]}

    def chat(self, request):
        asked = request.json
        self.sent.append(asked)
        contexts = self.loads.setdefault(asked["model"], [])
        if asked["options"]["num_ctx"] not in contexts[-1:]:
            contexts.append(asked["options"]["num_ctx"])
        text = asked["messages"][-1]["content"]
        said = '{"a": 1}' if text == "." else self.script(asked["messages"][0]["content"], text)
        end = {"done": True, "done_reason": "stop", "prompt_eval_count": len(text) // 4 + 1, "eval_count": 9}
        if not asked["stream"]:
            return say({"message": {"role": "assistant", "content": said}, **end})
        pieces = ({"message": {"content": said}, "done": False}, {"message": {"content": ""}, **end})
        lines = [json.dumps(piece).encode() + b"\n" for piece in pieces]
        return Said(200, lines, {"Content-Type": "application/x-ndjson"})


@contextmanager
def scripted_ollama(script):
    """One that runs; *found.fake* is what it saw."""
    fake = ScriptedOllama(script)
    with upstream(fake.routes) as found:
        found.fake = fake
        yield found


HOSTS = {}
