"""What else the endpoint offers: completions, embeddings, properties, numbers, a log that keeps secrets."""

import asyncio
import json
import socket
from base64 import b64decode

import pytest
from prometheus_client.parser import text_string_to_metric_families

from aidx.gate.admit import Limits
from aidx.gate.drive import Gate
from aidx.serve.app import App, Service
from aidx.serve.door import Door
from aidx.serve.exchange import as_json
from aidx.serve.run.listen import listening
from tests.fakes.engine import FakeChat
from tests.unit.serve.test_app import CHAT, Client, request, run, until

TEXT = "/v1/completions"
VECTORS = "/v1/embeddings"
CANARY = "canary-7f3a"
EMBEDDER = Limits(n_ctx=64, n_ctx_seq=64, slots=1, gate=63, max_tokens=1)


def body(**fields):
    return json.dumps({"model": "editor", **fields}).encode()


def with_embedder(world):
    gate = Gate(EMBEDDER, asyncio.get_running_loop().time)
    gate.attach(FakeChat())
    services = [*world.app.services, Service("embedder", "small", gate, 1, embeds=True)]
    world.app = App(services, {}, Door())
    return world


@pytest.mark.parametrize("stream", [True, False])
def test_text_is_completed(stream):
    client = run(lambda world: world.call("POST", TEXT, body(prompt="a b", max_tokens=4, stream=stream)))

    assert client.status == 200
    assert client.headers["x-aidx-prompt-tokens"] == "1"
    assert client.headers["x-aidx-kv-reserved"] == "5"
    if stream:
        assert client.content.endswith(b"data: [DONE]\n\n")
    else:
        assert json.loads(client.content)["choices"][0]["text"] == "a b a b"


@pytest.mark.parametrize("prompt", ["", [], ["a", "b"], [1, 2], None, 5])
def test_a_text_that_is_none_is_refused(prompt):
    client = run(lambda world: world.call("POST", TEXT, body(prompt=prompt)))

    assert (client.status, client.error["type"]) == (400, "invalid_request_error")


def test_a_text_over_the_gate_is_refused_as_a_conversation_is():
    client = run(lambda world: world.call("POST", TEXT, body(prompt="word " * 100)))

    assert client.error["code"] == "context_length_exceeded"


@pytest.mark.parametrize("texts", ["one text", ["one", "two"]])
def test_embeddings_are_made_by_a_model_that_makes_them(texts):
    async def scenario(world):
        return await with_embedder(world).call("POST", VECTORS, body(model="embedder", input=texts))

    client = run(scenario)
    assert client.status == 200
    assert len(json.loads(client.content)["data"]) == (2 if isinstance(texts, list) else 1)
    assert client.headers["x-aidx-kv-reserved"] == client.headers["x-aidx-prompt-tokens"] == "2"


@pytest.mark.parametrize(
    ("path", "fields", "says"),
    [
        (VECTORS, {"input": "x"}, "editor makes no embeddings"),
        (CHAT, {"model": "small", "messages": [{"role": "user", "content": "x"}]}, "small makes embeddings only"),
        (TEXT, {"model": "embedder", "prompt": "x"}, "embedder makes embeddings only"),
    ],
)
def test_models_are_asked_for_what_they_make(path, fields, says):
    async def scenario(world):
        return await with_embedder(world).call("POST", path, body(**fields))

    client = run(scenario)
    assert (client.status, client.error["code"]) == (400, "wrong_kind_of_model")
    assert says in client.error["message"]


@pytest.mark.parametrize("texts", ["", [], [""], [1], "x " * 200, ["x " * 40] * 8])
def test_what_cannot_be_embedded_is_refused(texts):
    async def scenario(world):
        return await with_embedder(world).call("POST", VECTORS, body(model="embedder", input=texts))

    assert run(scenario).status == 400


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_vectors_are_cut_to_no_length(encoding):
    async def scenario(world):
        with_embedder(world)
        fields = {"model": "embedder", "input": "x", "encoding_format": encoding}
        made = json.loads((await world.call("POST", VECTORS, body(**fields))).content)["data"][0]["embedding"]
        size = len(made) if encoding == "float" else len(b64decode(made)) // 4
        asked = [await world.call("POST", VECTORS, body(**fields, dimensions=n)) for n in (size, size + 1)]
        return size, asked

    size, (same, other) = run(scenario)
    assert same.status == 200
    assert "x-aidx-ignored" not in same.headers
    assert (other.status, other.error["param"]) == (400, "dimensions")
    assert f"have {size} dimensions" in other.error["message"]


def test_the_properties_are_those_that_clients_of_llama_cpp_look_up():
    found = json.loads(run(lambda world: world.call("GET", "/props")).content)

    assert found["default_generation_settings"]["n_ctx"] == 128
    assert (found["total_slots"], found["model_alias"]) == (2, "tiny")


def test_the_models_say_what_they_take():
    found = json.loads(run(lambda world: world.call("GET", "/v1/models")).content)["data"][0]

    assert (found["context_length"], found["max_prompt_tokens"], found["max_output_tokens"]) == (128, 100, 16)


def test_numbers_follow_what_happened():
    hold = asyncio.Event()

    async def scenario(world):
        held = asyncio.create_task(world.ask(max_tokens=4))
        await until(lambda: world.gate.reserved.requests)
        during = await world.call("GET", "/metrics")
        hold.set()
        await held
        await world.ask(text="word " * 200)
        await world.ask(model="gpt-9")
        world.app.restarted("editor")
        return during, await world.call("GET", "/metrics")

    during, after = (samples(client) for client in run(scenario, hold=hold))
    assert during["aidx_requests_running", "editor"] == 1
    assert after["aidx_requests_running", "editor"] == 0
    assert after["aidx_kv_cells", "editor"] == 128
    assert after["aidx_engine_restarts_total", "editor"] == 1
    assert after["aidx_token_drift_total", "editor"] == 0
    assert after["aidx_ready", "editor"] == 1
    assert after["aidx_requests_total", "editor", "200", ""] == 1
    assert after["aidx_requests_total", "editor", "400", "context_length_exceeded"] == 1


def samples(client):
    assert client.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {}
    for family in text_string_to_metric_families(client.content.decode()):
        for one in family.samples:
            labels = one.labels
            found[(one.name, labels.get("role"), *(labels[name] for name in ("status", "code") if name in labels))] = (
                one.value
            )
    return found


def test_the_log_says_what_became_of_each_request_and_nothing_of_what_it_said():
    lines = []

    async def scenario(world):
        world.app.log = lambda line: lines.append(as_json(line))
        await world.ask(text=f"tell {CANARY}", max_tokens=2, user=CANARY, stream=True)
        await world.ask(text=f"{CANARY} " * 90)
        await world.ask(model=CANARY)
        await world.ask(headers={"authorization": f"Bearer {CANARY}", "host": f"{CANARY}.example"})
        await world.call("GET", f"/{CANARY}", headers={"x-canary": CANARY})
        await world.call("POST", CHAT, CANARY.encode())
        return [await world.call("GET", path) for path in ("/metrics", "/plan", "/props", "/v1/models", "/health")]

    told = b"".join(client.content for client in run(scenario)).decode() + "".join(lines)

    assert CANARY not in told
    found = [json.loads(line) for line in lines]
    assert [line["status"] for line in found][:6] == [200, 400, 404, 403, 404, 400]
    first = found[0]
    assert (first["event"], first["role"], first["kind"], first["stream"]) == ("request", "editor", "chat", True)
    assert first["prompt_tokens"] == first["counted_tokens"]
    assert first["completion_tokens"] == 2
    assert first["reserved_tokens"] == first["prompt_tokens"] + 2
    assert found[1]["code"] == "context_length_exceeded"
    assert all(line["ms"] >= 0 for line in found)


def test_a_client_that_leaves_is_written_down_as_such():
    hold, lines = asyncio.Event(), []

    async def scenario(world):
        world.app.log = lines.append
        client = Client(request(stream=True, max_tokens=2))
        task = asyncio.create_task(world.ask(client=client))
        await until(lambda: len(client.sent) > 2)
        client.leave()
        await task

    run(scenario, hold=hold)
    assert [line["code"] for line in lines] == ["client_left"]


def test_what_the_listener_refuses_is_written_down():
    lines = []

    async def scenario(world):
        world.app.log = lines.append
        here = socket.create_server(("127.0.0.1", 0))
        async with listening(world.app, here):
            reader, writer = await asyncio.open_connection(*here.getsockname())
            writer.write(b"GET / HTTP/1.1\r\nx: " + b"x" * 40_000)
            await reader.read()
            writer.close()

    run(scenario)
    assert lines == [{"event": "request", "path": "…", "status": 431, "code": "head_too_large"}]


def test_usage_that_was_not_asked_for_is_not_passed_on_and_still_compared():
    async def scenario(world):
        without = await world.ask(max_tokens=2, stream=True)
        asked = await world.ask(max_tokens=2, stream=True, stream_options={"include_usage": True})
        return without.content, asked.content, world.gate.counter.drifts

    without, asked, drifts = run(scenario, drift=1)
    assert b"usage" not in without
    assert b'"usage"' in asked
    assert drifts == 2


def test_the_headers_say_why_this_model_and_what_was_left_out():
    limits = Limits(n_ctx=128, n_ctx_seq=128, slots=2, gate=60, max_tokens=16, overflow="compact")

    async def scenario(world):
        messages = [{"role": role, "content": "x" * 80} for role in ("user", "assistant") * 4]
        long = await world.ask(messages=[*messages, {"role": "user", "content": "hello"}], max_tokens=2)
        return long, await world.ask(model="tiny", max_tokens=2)

    long, short = run(scenario, limits=limits)
    assert long.status == 200
    assert long.headers["x-aidx-evicted-messages"] == "6"
    assert int(long.headers["x-aidx-evicted-tokens"]) == 6 * 24
    assert "x-aidx-evicted-messages" not in short.headers
    assert (long.headers["x-aidx-route"], short.headers["x-aidx-route"]) == ("named by role", "named by model")
    assert short.headers["x-aidx-attempts"] == "1"


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
OTHER = {"type": "function", "function": {"name": "g"}}


def test_tools_that_the_template_would_drop_are_refused():
    client = run(lambda world: world.ask(tools=[TOOL]))

    assert (client.status, client.error["code"], client.error["param"]) == (400, "tools_not_supported", "tools")
    assert "serve a model whose template takes them" in client.error["hint"]


def test_a_named_tool_is_the_only_one_and_required():
    async def scenario(world):
        named = {"type": "function", "function": {"name": "g"}}
        await world.ask(tools=[TOOL, OTHER], tool_choice=named, max_tokens=1)
        return json.loads(world.chat.seen[0])

    sent = run(scenario, tools=True)
    assert sent["tools"] == [OTHER]
    assert sent["tool_choice"] == "required"


def test_tools_that_may_not_be_called_are_left_out_and_named():
    async def scenario(world):
        client = await world.ask(tools=[TOOL], tool_choice="none", max_tokens=1)
        return client, json.loads(world.chat.seen[0])

    client, sent = run(scenario)
    assert client.status == 200
    assert client.headers["x-aidx-ignored"] == "tools"
    assert not {"tools", "tool_choice"} & sent.keys()


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"tool_choice": "required"}, "tools has none"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "h"}}}, "names h"),
        ({"tools": [TOOL], "tool_choice": {"type": "function"}}, "tool_choice"),
        ({"tools": [{"type": "function", "function": {"name": ""}}]}, "name"),
    ],
)
def test_choices_that_cannot_be_kept_are_refused(fields, says):
    client = run(lambda world: world.ask(**fields), tools=True)

    assert client.status == 400
    assert says in client.error["message"]
