"""Answers that are completed and checked before they are sent."""

import asyncio
import json

import pytest

from aidx.errors import CheckError
from aidx.patterns.terms import Served, Terms
from aidx.patterns.vocabulary import Answer, Ask, ask, step
from aidx.serve.app import App, Service
from aidx.serve.patterned import Patterned
from tests.unit.serve.test_app import PLAN, Client, request, run, until

WORD = {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}
FORMAT = {"type": "json_schema", "json_schema": {"name": "word", "schema": WORD}}
GOOD = json.dumps({"word": "a" * 300})


def events(client):
    return [json.loads(event[6:]) for event in client.content.decode().split("\n\n")[:-2]]


def test_an_answer_of_the_right_shape_says_what_it_took():
    async def scenario(world):
        return await world.ask(response_format=FORMAT), world.chat

    client, chat = run(scenario, script=["no", GOOD], enforced="llguidance")
    found = json.loads(client.content)
    assert client.status == 200
    assert found["choices"][0]["message"]["content"] == GOOD
    assert [each["outcome"] for each in found["aidx"]["trail"]] == ["refused", "accepted"]
    assert client.headers["x-aidx-attempts"] == "2"
    assert client.headers["x-aidx-trail"] == "answer editor refused; repair editor accepted"
    assert client.headers["x-aidx-route"] == "named by role"
    assert int(client.headers["x-aidx-prompt-tokens"]) == found["usage"]["prompt_tokens"]
    assert all("%llguidance" in json.loads(sent)["grammar"] for sent in chat.seen)


def test_it_is_replayed_as_a_stream_and_says_the_same():
    async def scenario(world):
        return await world.ask(response_format=FORMAT, stream=True, stream_options={"include_usage": True})

    client = run(scenario, script=[GOOD])
    found = events(client)
    deltas = [event["choices"][0]["delta"].get("content", "") for event in found if event["choices"]]
    assert "".join(deltas) == GOOD
    assert client.headers["content-type"] == "text/event-stream"
    assert client.content.endswith(b"data: [DONE]\n\n")
    assert found[-1]["usage"]["completion_tokens"] > 0
    assert found[-2]["choices"][0]["finish_reason"] == "stop"
    assert found[-2]["aidx"]["trail"][0]["outcome"] == "accepted"


@pytest.mark.parametrize("stream", [True, False])
def test_what_never_has_its_shape_is_422_whatever_was_asked_for(stream):
    async def scenario(world):
        return await world.ask(response_format=FORMAT, stream=stream)

    client = run(scenario, script=["no", "{}", '{"word":1}'])
    assert client.status == 422
    assert client.error["code"] == "schema_not_satisfied"
    assert client.error["reasons"] == ['at /word: 1 is not of type "string"']


def test_what_cannot_be_enforced_is_422_and_the_engine_never_sees_it():
    async def scenario(world):
        strict = {"type": "json_schema", "json_schema": {"schema": {"not": {}}, "strict": True}}
        return await world.ask(response_format=strict), world.chat

    client, chat = run(scenario)
    assert (client.status, client.error["code"], client.error["keyword"]) == (422, "schema_not_enforceable", "not")
    assert chat.seen == []


def test_an_engine_that_can_be_held_to_nothing_is_told_in_words():
    async def scenario(world):
        return await world.ask(response_format=FORMAT), world.chat

    client, chat = run(scenario, script=[GOOD])
    assert client.status == 200
    assert json.dumps(WORD) in json.loads(chat.seen[0])["messages"][-1]["content"]


def test_a_client_that_leaves_frees_everything():
    async def scenario(world):
        world.chat.hold = asyncio.Event()
        client = Client(request(response_format=FORMAT))
        asking = asyncio.create_task(world.ask(client))
        await until(lambda: world.chat.held)
        client.leave()
        await asking
        await until(lambda: not world.gate.reserved.requests)
        return client

    assert run(scenario).sent == []


def both(world):
    """A second role, and a pattern over both of them."""
    gate = world.gate.beside(world.gate.limits)
    gates = {"editor": world.gate, "drafter": gate}

    def pattern(prompt, terms):
        asked = Ask("editor", prompt, purpose="draft")
        said = yield from ask(asked)
        if terms.shape is not None:
            raise CheckError("rejected", code="not_verified")
        return Answer(said, "editor", (step(asked, said, "accepted"),), why="because")

    terms = Terms(roles=frozenset(gates))
    offered = Patterned(Served("both", ("editor",), pattern), terms, gates, {"context_length": 128})
    return App([Service("editor", "tiny", world.gate, cell_bytes=10)], PLAN, patterns=[offered])


def test_a_pattern_is_a_model_of_its_own():
    async def scenario(world):
        world.app = both(world)
        answered = await world.call("POST", "/v1/chat/completions", request().replace(b'"editor"', b'"both"'))
        failed = request(response_format=FORMAT).replace(b'"editor"', b'"both"')
        text = json.dumps({"model": "both", "prompt": "x"}).encode()
        metrics = await world.call("GET", "/metrics")
        return (
            answered,
            await world.call("GET", "/v1/models"),
            await world.call("POST", "/v1/chat/completions", failed),
            await world.call("POST", "/v1/completions", text),
            metrics,
        )

    answered, models, failed, text, metrics = run(scenario, script=["yes", "no"])
    assert answered.headers["x-aidx-route"] == "because"
    assert json.loads(answered.content)["aidx"]["route"] == "because"
    assert "both" in [model["id"] for model in json.loads(models.content)["data"]]
    assert (failed.status, failed.error["code"]) == (422, "not_verified")
    assert (text.status, text.error["code"]) == (400, "wrong_kind_of_model")
    assert b'role="both"' in metrics.content


def test_headers_hold_no_characters_of_others():
    async def scenario(world):
        schema = {"type": "object", "properties": {"größe\n": {"type": "string"}}, "required": ["größe\n"]}
        return await world.ask(response_format={"type": "json_object", "schema": schema}, max_tokens=8)

    client = run(scenario, script=[json.dumps({"größe\n": "a" * 4096})])
    assert client.headers["x-aidx-bounded"] == "/gr??e?"
