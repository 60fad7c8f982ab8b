"""``POST /tokenize``: a prompt is counted as it would be to be admitted, behind the same door, and nothing is asked."""

import asyncio
import json

import pytest

from aidx.serve.strict import MAX_BODY
from aidx.serve.tokenize import PATH
from tests.unit.serve.test_app import CHAT, LIMITS, request, run, until

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "one two three"}]


def body(**fields):
    return json.dumps({"model": "editor", "messages": MESSAGES, **fields}).encode()


def count(given=None, headers=(), method="POST", **world):
    async def scenario(world):
        client = await world.call(method, PATH, body() if given is None else given, headers)
        return client, world

    return run(scenario, **world)


def told(client):
    assert client.status == 200, client.content
    return json.loads(client.content)


def test_a_chat_has_as_many_tokens_as_its_answer_says():
    async def scenario(world):
        counted = await world.call("POST", PATH, body(temperature=0, max_tokens=5, stream=True))
        answered = await world.call("POST", CHAT, body(max_tokens=1))
        return told(counted), told(answered)["usage"]["prompt_tokens"]

    counted, used = run(scenario)
    assert counted == {"count": used, "max_model_len": LIMITS.n_ctx_seq}


def test_a_text_is_counted_too():
    async def scenario(world):
        given = {"model": "tiny", "prompt": "one two three", "add_special_tokens": True}
        return await world.call("POST", PATH, json.dumps(given).encode())

    assert told(run(scenario))["count"] == 4


def test_what_is_over_the_gate_is_counted_and_what_cannot_fit_is_not():
    assert told(count(request("x" * 390))[0])["count"] > LIMITS.gate
    client, world = count(request("word " * 5000))
    assert (client.status, client.error["code"], world.chat.counts) == (400, "context_length_exceeded", 0)


def test_nothing_is_reserved_asked_or_noted_as_a_request_to_a_model():
    async def scenario(world):
        counted = told(await world.call("POST", PATH, body()))["count"]
        metrics = (await world.call("GET", "/metrics")).content.decode()
        return counted, world.chat.seen, world.gate.reserved.cells, "aidx_requests_total{" in metrics

    counted, seen, cells, noted = run(scenario)
    assert counted > 0
    assert (seen, cells, noted) == ([], 0, False)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"add_generation_prompt": False}, "add_generation_prompt"),
        ({"add_generation_prompt": "true"}, "add_generation_prompt"),
        ({"continue_final_message": True}, "continue_final_message"),
        ({"chat_template": "x"}, "chat_template"),
        ({"return_token_strs": True}, "return_token_strs"),
        ({"messages": None, "prompt": "x", "add_special_tokens": False}, "add_special_tokens"),
        ({"messages": []}, "messages"),
    ],
)
def test_what_would_be_counted_otherwise_than_answered_is_refused_by_name(fields, param):
    given = {name: value for name, value in {**json.loads(body()), **fields}.items() if value is not None}
    client, world = count(json.dumps(given).encode())

    assert (client.status, client.error["param"], world.chat.counts) == (400, param, 0)


def test_vllm_s_own_fields_are_taken_where_they_say_the_same():
    fields = {"add_generation_prompt": True, "add_special_tokens": False, "return_token_strs": False}

    assert count(body(**fields))[0].status == 200


@pytest.mark.parametrize(
    ("given", "headers", "status", "code"),
    [
        (b"{", (), 400, "invalid_input"),
        (b"[]", (), 400, "invalid_input"),
        (body(model="nobody"), (), 404, "model_not_found"),
        (None, (("host", "evil.example"),), 403, "host_not_allowed"),
        (None, (("origin", "https://evil.example"),), 403, "origin_not_allowed"),
        (None, (("content-encoding", "gzip"),), 415, "unsupported_encoding"),
        (None, (("content-length", str(MAX_BODY + 1)),), 413, "body_too_large"),
        (b'{"model":"editor","messages":%b%b}' % (b"[" * 100, b"]" * 100), (), 400, "invalid_input"),
    ],
)
def test_the_door_and_the_bounds_are_those_of_a_chat(given, headers, status, code):
    client, _ = count(given, headers)

    assert (client.status, client.error["code"]) == (status, code)


def test_a_key_is_wanted_where_there_is_one():
    assert count(key="secret")[0].status == 401
    assert count(headers=(("authorization", "Bearer secret"),), key="secret")[0].status == 200


def test_only_post_is_taken():
    client, _ = count(method="GET")

    assert (client.status, client.headers["allow"]) == (405, "POST")


def test_an_engine_that_estimates_counts_for_nobody():
    client, _ = count(precision="estimate")

    assert (client.status, client.error["code"]) == (501, "not_counted")


def test_tools_that_the_template_would_drop_are_refused():
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]

    assert count(body(tools=tools))[0].error["code"] == "tools_not_supported"
    assert count(body(tools=tools), tools=True)[0].status == 200


def test_a_flood_of_counts_takes_no_place_from_those_who_want_an_answer():
    async def scenario(world):
        world.chat.counting = asyncio.Event()
        most = LIMITS.queue + LIMITS.slots
        flood = [asyncio.create_task(world.call("POST", PATH, body())) for _ in range(2 * most)]
        await until(lambda: world.gate.pool.sizing == most)
        asked = asyncio.create_task(world.call("POST", CHAT, body(max_tokens=1)))
        await until(lambda: world.gate.pool.counting == 1 or asked.done())
        world.chat.counting.set()
        counted = [client.status for client in await asyncio.gather(*flood)]
        return (await asked).status, counted.count(200), counted.count(429), world.gate.pool.idle

    assert run(scenario) == (200, LIMITS.queue + LIMITS.slots, LIMITS.queue + LIMITS.slots, True)


def test_it_is_turned_away_while_too_many_are_counted_and_while_there_is_no_model():
    async def scenario(world):
        world.chat.counting = asyncio.Event()
        most = LIMITS.queue + LIMITS.slots
        tasks = [asyncio.create_task(world.call("POST", PATH, body())) for _ in range(most)]
        await until(lambda: world.gate.pool.sizing == most)
        full = await world.call("POST", PATH, body())
        world.chat.counting.set()
        counted = [client.status for client in await asyncio.gather(*tasks)]
        world.gate.detach()
        return full.status, full.headers["retry-after"], counted, (await world.call("POST", PATH, body())).status

    full, wait, counted, gone = run(scenario)
    assert (full, int(wait) > 0, set(counted), gone) == (429, True, {200}, 503)
