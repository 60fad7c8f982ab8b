"""Ollama's interface, as its ``docs/api.md`` has it (commit fb30760, 2026-08-21), before llama.cpp's real server."""

import json
from contextlib import contextmanager

from msgspec.structs import replace

from tests.fakes.behind import behind
from tests.fakes.places import servers
from tests.fakes.upstream import Said, say, upstream

SAME = {"temperature": "temperature", "seed": "seed", "stop": "stop", "num_predict": "max_tokens"}
UNMARSHAL = "json: cannot unmarshal string into Go struct field ChatRequest.messages of type []api.Message"
TOO_LONG = "the prompt is longer than the context length currently available to the model; shorten the prompt"


class FakeOllama:
    """Loads the model called *name* with whatever ``num_ctx`` it is asked for; *vram* is how much of it is on a GPU."""

    def __init__(self, engine, *, name="tiny", vram=0, most=1 << 20):
        self.engine = engine
        self.name = f"{name}:latest"
        self.vram = vram
        self.most = most
        self.loads: list[int] = []

    @property
    def routes(self):
        return {
            ("GET", "/api/version"): lambda _: say({"version": "0.31.0"}),
            ("POST", "/api/show"): self.show,
            ("GET", "/api/ps"): self.ps,
            ("POST", "/api/chat"): self.chat,
            ("POST", "/api/generate"): self.generate,
            ("POST", "/api/embed"): self.embed,
        }

    def show(self, request):
        if not self.has(request.json["model"]):
            return say({"error": f"model '{request.json['model']}' not found"}, 404)
        return say({"details": {"family": "qwen2"}, "capabilities": ["completion"], "model_info": {}})

    def ps(self, _):
        loaded = {"name": self.name, "model": self.name, "size": 99, "size_vram": self.vram, "details": {}}
        return say({"models": [{**loaded, "context_length": self.loads[-1]}] if self.loads else []})

    def has(self, model):
        return f"{model}:latest" == self.name

    def load(self, asked):
        num_ctx = min(asked["options"]["num_ctx"], self.most)
        if not self.loads or self.loads[-1] != num_ctx:
            self.loads.append(num_ctx)
        return num_ctx

    def chat(self, request):
        asked = request.json
        assert (asked["truncate"], asked["shift"]) == (False, False)
        if not isinstance(asked["messages"], list):
            return say({"error": UNMARSHAL}, 400)
        sent = self.sent(asked, messages=asked["messages"])
        return self.answered("/v1/chat/completions", asked, sent, self.said)

    def generate(self, request):
        asked = request.json
        assert (asked["truncate"], asked["shift"], asked["raw"]) == (False, False, True)
        return self.answered("/v1/completions", asked, self.sent(asked, prompt=asked["prompt"]), self.text)

    def sent(self, asked, **what):
        num_ctx = self.load(asked)
        options = {SAME[name]: value for name, value in asked["options"].items() if name in SAME}
        if form := asked.get("format"):
            options["response_format"] = {"type": "json_schema", "json_schema": {"name": "x", "schema": form}}
        assert num_ctx
        return {**what, **options}

    def answered(self, path, asked, sent, shape):
        counted = self.engine.ask("/v1/chat/completions/input_tokens", sent) if "messages" in sent else (200, {})
        if counted[1].get("input_tokens", 0) >= asked["options"]["num_ctx"]:
            return say({"error": TOO_LONG}, 400)
        if asked["stream"]:
            return Said(200, self.lines(path, sent, shape), {"Content-Type": "application/x-ndjson"})
        status, found = self.engine.ask(path, sent)
        if status != 200:
            return say({"error": found["error"]["message"]}, status)
        return say({**shape(found["choices"][0]), **self.end(found["choices"][0]["finish_reason"], found["usage"])})

    def lines(self, path, sent, shape):
        finish = "stop"
        for event in self.engine.events(path, sent):
            choice = (event["choices"] or [{"finish_reason": None}])[0]
            finish = choice["finish_reason"] or finish
            if said := choice.get("text") or choice.get("delta", {}).get("content"):
                yield (
                    json.dumps({**shape({"text": said, "message": {"content": said}}), "done": False}).encode() + b"\n"
                )
            if event.get("usage"):
                last = shape({"text": "", "message": {"content": ""}})
                yield json.dumps({**last, **self.end(finish, event["usage"])}).encode() + b"\n"

    def said(self, choice):
        return {"model": "tiny", "message": {"role": "assistant", "content": choice["message"]["content"]}}

    def text(self, choice):
        return {"model": "tiny", "response": choice["text"]}

    def end(self, finish, usage):
        counts = {"prompt_eval_count": usage["prompt_tokens"], "eval_count": usage["completion_tokens"]}
        return {"done": True, "done_reason": finish, "total_duration": 5, **counts}

    def embed(self, request):
        asked = request.json
        assert asked["truncate"] is False
        self.load(asked)
        vectors = [[float(len(text)), 1.0] for text in asked["input"]]
        return say({"model": "tiny", "embeddings": vectors, "prompt_eval_count": len(vectors)})


@contextmanager
def ollama(launch, **how):
    """One that runs, and the launch that attaches to it."""
    with behind(launch) as engine:
        fake = FakeOllama(engine, **{"name": launch.name, **how})
        with upstream(fake.routes) as found:
            found.fake = fake
            yield found, replace(launch, path="", urls=(found.url,))


@contextmanager
def running(launch):
    with ollama(launch) as (_, ready):
        yield ready


HOSTS = {"running": running} | servers("OLLAMA")
