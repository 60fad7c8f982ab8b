"""A service that speaks as OpenAI does: what it is asked, and what becomes of what it says."""

import asyncio
import json
import socket

import pytest
from tests.fakes.upstream import Said, events, say, upstream

from aidx import wiring
from aidx.adapters.cloud import openai
from aidx.adapters.talk import again
from aidx.budget.settings import Settings
from aidx.config.values import RoleTable
from aidx.errors import EngineError, InputError
from aidx.gate.run import ask
from aidx.ports.engine import Launch
from aidx.serve.wire import parse

MODELS = {"data": [{"id": "m"}, {"id": "models/gemini-x"}]}
CHUNK = b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}\n\n'
END = (
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}}\n\n'
)
DONE = b"data: [DONE]\n\n"


@pytest.fixture
def service():
    with upstream({("GET", "/v1/models"): lambda _: say(MODELS)}) as found:
        found.routes["POST", "/v1/chat/completions"] = lambda _: events(CHUNK, END, DONE)
        yield found


def launch(service, name="m", key="k"):
    return Launch("", name, Settings(ctx_size=4096), urls=(service.url,), key=key)


def through_the_gate(service, monkeypatch, **table):
    """One streamed request, as ``aidx ask`` makes it."""
    monkeypatch.setenv("SERVICE_KEY", "the-key")
    found = RoleTable(model="m", engine="openai", url=service.url, api_key_env="SERVICE_KEY", ctx_size=4096, **table)
    filled = wiring.elsewhere("architect", found)
    request = {"model": "architect", "messages": [{"role": "user", "content": "x"}], "stream": True, "max_tokens": 50}
    return ask(filled.start, filled.limits, parse(json.dumps(request).encode()).prompt, lambda _: None)


def test_a_request_goes_through_the_gate_with_model_key_and_bound(service, monkeypatch):
    reply = through_the_gate(service, monkeypatch)

    assert (reply.text, reply.finish_reason, reply.usage["prompt_tokens"]) == ("hi", "stop", 9)
    asked = service.asked("/v1/chat/completions")[0]
    assert asked.headers["authorization"] == "Bearer the-key"
    assert (asked.json["model"], asked.json["max_tokens"]) == ("m", 50)
    assert asked.json["stream_options"] == {"include_usage": True}


def test_openai_itself_is_told_the_bound_by_its_newer_name():
    shape = openai._shape(openai.base(openai.HOME))

    assert shape({"max_tokens": 5}, "chat") == {"max_completion_tokens": 5}
    assert shape({"max_tokens": 5}, "text") == {"max_tokens": 5}


def test_openrouter_is_asked_for_a_provider_that_holds_the_schema():
    shape = openai._shape(openai.base("https://openrouter.ai/api/v1"))

    assert shape({"response_format": {}}, "chat")["provider"] == {"require_parameters": True}
    assert shape({}, "chat") == {}


def test_a_service_that_says_so_of_its_model_is_taken_at_its_word(service):
    said = [{"id": "m", "supported_parameters": ["structured_outputs"]}, {"id": "n", "supported_parameters": ["stop"]}]
    service.routes["GET", "/v1/models"] = lambda _: say({"data": said})

    found = [openai.ENGINE.start(launch(service, name=name)).chat().enforces() for name in ("m", "n")]
    assert found == ["documented", "none"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://api.deepseek.com", "https://api.deepseek.com/v1"),
        ("https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1"),
        (
            "https://generativelanguage.googleapis.com/v1beta/openai/",
            "https://generativelanguage.googleapis.com/v1beta/openai",
        ),
    ],
)
def test_the_base_is_as_the_service_s_page_says(url, shown):
    assert openai.base(url).shown == shown


def test_other_line_ends_and_comments_become_our_events(service, monkeypatch):
    pieces = (b": OPENROUTER PROCESSING\r\n\r\n", (CHUNK + END).replace(b"\n", b"\r\n"), DONE)
    service.routes["POST", "/v1/chat/completions"] = lambda _: events(*pieces)

    assert through_the_gate(service, monkeypatch).text == "hi"


@pytest.mark.parametrize("cut", [True, False])
def test_a_stream_without_its_end_is_broken_off(service, monkeypatch, cut):
    service.routes["POST", "/v1/chat/completions"] = lambda _: events(CHUNK, cut=cut)

    with pytest.raises(EngineError, match=r"broke off|closed before"):
        through_the_gate(service, monkeypatch)


def test_a_wrong_key_fails_at_the_start_and_at_once(service):
    service.routes["GET", "/v1/models"] = lambda _: say({"error": {"message": "Incorrect API key"}}, 401)

    with pytest.raises(EngineError) as refused:
        openai.ENGINE.start(launch(service, key="secret-key"))
    assert refused.value.code == "key_refused"
    assert "secret-key" not in f"{refused.value} {refused.value.hint}"
    assert len(service.requests) == 1


def test_a_key_that_is_refused_later_is_not_tried_again(service, monkeypatch):
    service.routes["POST", "/v1/chat/completions"] = lambda _: say({"error": {"message": "revoked"}}, 401)

    with pytest.raises(EngineError, match="revoked"):
        through_the_gate(service, monkeypatch)
    assert len(service.asked("/v1/chat/completions")) == 1


def test_a_limit_of_the_service_is_waited_for_as_long_as_it_says(service, monkeypatch):
    answers = [say({"error": {"message": "slow down"}}, 429, Retry_After="0.01"), events(CHUNK, END, DONE)]
    service.routes["POST", "/v1/chat/completions"] = lambda _: answers.pop(0)
    monkeypatch.setattr(again, "FIRST_WAIT_S", 3600.0)  # without the header it would never end

    assert through_the_gate(service, monkeypatch).text == "hi"
    assert len(service.asked("/v1/chat/completions")) == 2


def test_a_model_that_the_service_does_not_have_is_named(service):
    with pytest.raises(EngineError, match=r"no model n; it has gemini-x, m"):
        openai.ENGINE.start(launch(service, name="n"))
    openai.ENGINE.start(launch(service, name="gemini-x")).stop()
    service.routes["GET", "/v1/models"] = lambda _: say({"data": [{"id": "n:latest"}]})  # as Ollama lists it
    openai.ENGINE.start(launch(service, name="n")).stop()


def test_a_service_without_a_list_of_models_is_taken_at_its_word(service):
    del service.routes["GET", "/v1/models"]

    openai.ENGINE.start(launch(service)).stop()


def test_a_prompt_that_is_too_long_there_is_said_to_be(service, monkeypatch):
    error = {"message": "This model's maximum context length is 10", "code": "context_length_exceeded"}
    service.routes["POST", "/v1/chat/completions"] = lambda _: say({"error": error}, 400)

    with pytest.raises(InputError) as long:
        through_the_gate(service, monkeypatch)
    assert long.value.code == "context_length_exceeded"


def test_openai_without_a_key_is_not_even_asked():
    with pytest.raises(InputError, match="wants a key"):
        openai.ENGINE.start(Launch("", "gpt-5", Settings(ctx_size=4096)))


def test_a_cloud_call_in_a_test_is_impossible():
    at = openai.base(openai.HOME)
    with socket.socket() as mine, pytest.raises(RuntimeError, match="this machine only"):
        mine.connect(("192.0.2.1", 443))

    async def reach():
        from aidx.adapters.talk.address import pool

        connections = pool(at._replace(host="192.0.2.1"))
        try:
            await connections.request("GET", "/models")
        finally:
            connections.close()

    with pytest.raises((RuntimeError, EngineError)):
        asyncio.run(reach())


def test_an_answer_in_one_piece_is_passed_on_as_it_is(service):
    whole = {"object": "chat.completion", "choices": []}
    service.routes["POST", "/v1/chat/completions"] = lambda _: Said(200, json.dumps(whole).encode())
    deployment = openai.ENGINE.start(launch(service))

    async def run():
        chat = deployment.chat()
        try:
            body = b'{"messages":[{"role":"user","content":"x"}],"max_tokens":3}'
            return b"".join([piece async for piece in chat.answer(body, slot=0)])
        finally:
            chat.close()

    assert json.loads(asyncio.run(run())) == whole
