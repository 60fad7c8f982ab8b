"""vLLM's interface (``entrypoints/openai/protocol.py``: /v1/models, /tokenize) before llama.cpp's real server."""

import json
from contextlib import contextmanager

from msgspec.structs import replace

from tests.fakes.behind import behind
from tests.fakes.real_vllm import PLACE, real
from tests.fakes.upstream import Said, say, upstream


class FakeVllm:
    """Serves ``tiny`` at *length* tokens."""

    def __init__(self, engine, length):
        self.engine = engine
        self.length = length

    @property
    def routes(self):
        made = {("POST", f"/v1/{path}"): self.passed for path in ("chat/completions", "completions", "embeddings")}
        return made | {
            ("GET", "/v1/models"): self.models,
            ("GET", "/version"): lambda _: say({"version": "0.14.1"}),
            ("GET", "/health"): lambda _: Said(200, b""),
            ("POST", "/tokenize"): self.tokenize,
        }

    def models(self, _):
        return say({"object": "list", "data": [{"id": "tiny", "object": "model", "max_model_len": self.length}]})

    def tokenize(self, request):
        asked = request.json
        if "prompt" in asked:
            order = {"content": asked["prompt"], "add_special": True, "parse_special": True}
            count = len(self.engine.ask("/tokenize", order)[1]["tokens"])
        else:
            assert asked["add_generation_prompt"] is True
            fields = {name: asked[name] for name in ("messages", "tools") if name in asked}
            status, found = self.engine.ask("/v1/chat/completions/input_tokens", fields)
            if status != 200:
                return say({"error": {"message": "bad messages", "type": "BadRequestError", "code": 400}}, 400)
            count = found["input_tokens"]
        return say({"count": count, "max_model_len": self.length, "tokens": [0] * count})

    def passed(self, request):
        asked = request.json
        assert asked["model"] == "tiny"
        if not asked.get("stream"):
            status, found = self.engine.ask(request.path, asked)
            return say(found, status)
        pieces = (f"data: {json.dumps(event)}\n\n".encode() for event in self.engine.events(request.path, asked))
        return Said(200, (*pieces, b"data: [DONE]\n\n"), {"Content-Type": "text/event-stream"})


@contextmanager
def vllm(launch, length=None):
    """One that runs, and the launch that attaches to it."""
    with behind(launch) as engine, upstream(FakeVllm(engine, length or launch.settings.n_ctx).routes) as found:
        yield replace(launch, path="", urls=(found.url,))


HOSTS = {"running": vllm} | ({"real_vllm": real} if PLACE else {})
