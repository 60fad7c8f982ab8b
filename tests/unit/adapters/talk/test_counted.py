"""How a service counts: three spellings and Anthropic's, tried with texts of ours; nothing else is a count."""

import asyncio
import json

import pytest
from tests.fakes.upstream import Said, say, upstream

from aidx.adapters.cloud import anthropic, openai
from aidx.adapters.engines.vllm import VllmChat
from aidx.adapters.talk import again
from aidx.adapters.talk.address import address, pool
from aidx.budget.settings import Settings
from aidx.errors import EngineError
from aidx.gate.bound import at_most, spared
from aidx.gate.estimate import estimate
from aidx.ports.engine import Launch

TEXT = "the user's own text"
BODY = json.dumps(
    {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": TEXT}], "temperature": 0, "seed": 1}
).encode()
SPELLINGS = {
    "/tokenize": ("count", "messages", "exact"),
    "/v1/chat/completions/input_tokens": ("input_tokens", "messages", "exact"),
    "/v1/responses/input_tokens": ("input_tokens", "input", "near"),
}
MESSAGES = "/v1/messages/count_tokens"


def words(messages):
    return sum(len(message["content"].split()) for message in messages) + 5


def counter(field, given):
    return lambda request: say({field: words(request.json[given])})


def chat(service, counting, engine=openai):
    launch = Launch("", "m", Settings(ctx_size=4096), urls=(service.url,), key="k", counting=counting)
    return engine.ENGINE.start(launch).chat()


def counted(found):
    async def run():
        try:
            return await found.count(BODY)
        finally:
            found.close()

    return asyncio.run(run())


def count(service, counting, engine=openai):
    """What a chat that was started so says of BODY, and how."""
    found = chat(service, counting, engine)
    return counted(found), found.precision


def sent(service):
    """The requests that hold the user's text."""
    return [request.path for request in service.requests if TEXT.encode() in request.body]


@pytest.fixture
def service():
    models = {("GET", "/v1/models"): lambda _: say({"data": [{"id": "m"}]})}
    with upstream({**models, ("GET", "/v1/models/m"): lambda _: say({"id": "m"})}) as found:
        yield found


@pytest.mark.parametrize("path", SPELLINGS)
def test_each_spelling_is_found_and_asked(service, path):
    field, given, precision = SPELLINGS[path]
    service.routes["POST", path] = counter(field, given)
    found = words(json.loads(BODY)["messages"])

    assert count(service, "held") == (found if precision == "exact" else spared(found), precision)
    assert sent(service) == [path]
    asked = service.asked(path)[-1]
    assert (asked.json["model"], "temperature" in asked.json) == ("m", False)
    assert asked.headers["authorization"] == "Bearer k"
    assert ("add_generation_prompt" in asked.json) == (path == "/tokenize")


def test_anthropic_s_is_a_message_without_its_bounds(service):
    service.routes["POST", MESSAGES] = lambda request: say({"input_tokens": words(request.json["messages"])})

    assert count(service, "held", anthropic) == (spared(len(TEXT.split()) + 5), "near")
    asked = service.asked(MESSAGES)[-1]
    assert asked.json == {"model": "m", "messages": [{"role": "user", "content": TEXT}], "system": "s"}
    assert asked.headers["anthropic-version"] == anthropic.VERSION


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: say({"error": "no"}, 404),
        lambda _: say({"error": "no"}, 405),
        lambda _: say({"error": "no"}, 501),
        lambda _: say({"error": "busy"}, 503),
        lambda _: say({"error": "no key for that"}, 403),
        lambda _: say({"count": 7, "input_tokens": 7}),  # whatever the text
        lambda _: say({"tokens": []}),  # llama.cpp's own /tokenize
        lambda _: say({"count": "12", "input_tokens": True}),
        lambda request: say({"count": -len(request.body), "input_tokens": 1e9}),
        lambda _: Said(200, b"<html>"),
    ],
)
@pytest.mark.parametrize("engine", [openai, anthropic])
def test_what_is_no_count_is_none_and_the_text_is_not_sent(service, answer, engine):
    for path in (*SPELLINGS, MESSAGES):
        service.routes["POST", path] = answer

    assert count(service, "held", engine) == (at_most(BODY), "bound")
    assert sent(service) == []
    assert len([request for request in service.requests if request.method == "POST"]) <= 6


@pytest.mark.parametrize("engine", [openai, anthropic])
def test_in_a_dry_run_what_would_be_counted_is_estimated_and_nothing_is_sent(service, engine):
    assert count(service, "foreseen", engine) == (at_most(BODY), "bound")
    service.routes["POST", "/tokenize"] = counter("count", "messages")
    service.routes["POST", MESSAGES] = counter("input_tokens", "messages")
    assert count(service, "foreseen", engine) == (estimate(BODY), "estimate")
    assert sent(service) == []


def test_who_is_not_to_be_held_is_not_even_tried(service):
    service.routes["POST", "/tokenize"] = counter("count", "messages")

    assert count(service, "estimated") == (estimate(BODY), "estimate")
    assert [request.method for request in service.requests] == ["GET"]


def test_openai_itself_is_asked_as_it_documents():
    paths = {url: [each.path for each in openai._spellings(openai.base(url))] for url in (openai.HOME, "http://a/v1")}

    assert paths[openai.HOME] == ["/responses/input_tokens"]
    assert paths["http://a/v1"] == ["/tokenize", "/chat/completions/input_tokens", "/responses/input_tokens"]


@pytest.mark.parametrize("answer", [{"count": 0}, {"count": "9"}, {}, {"count": True}])
def test_a_counter_that_stops_counting_is_an_error_and_never_a_guess(service, answer):
    service.routes["POST", "/tokenize"] = counter("count", "messages")
    found = chat(service, "held")
    service.routes["POST", "/tokenize"] = lambda _: say(answer)

    with pytest.raises(EngineError, match="does not answer /tokenize with a count"):
        counted(found)


def test_a_busy_counter_is_asked_again(service, monkeypatch):
    monkeypatch.setattr(again, "FIRST_WAIT_S", 0.001)
    service.routes["POST", "/tokenize"] = counter("count", "messages")
    found = chat(service, "held")
    answers = [say({"error": "slow down"}, 429), say({"count": 12})]
    service.routes["POST", "/tokenize"] = lambda _: answers.pop(0)

    assert counted(found) == 12


def test_a_key_that_is_refused_is_an_error(service):
    service.routes["POST", "/tokenize"] = counter("count", "messages")
    found = chat(service, "held")
    service.routes["POST", "/tokenize"] = lambda _: say({"error": "revoked"}, 401)

    with pytest.raises(EngineError, match="refuses the key"):
        counted(found)


@pytest.mark.parametrize("said", [b'{"count":-5}', b'{"count":"5"}', b"[]", b"x", b"[" * 90_000])
def test_vllm_too_must_answer_with_a_count(said):
    async def count(url):
        root = pool(address(url), {})
        try:
            await VllmChat(root, root, model="m", enforced="none").count(BODY)
        finally:
            root.close()

    routes = {("POST", "/tokenize"): lambda _: Said(200, said)}
    wrong = pytest.raises(EngineError, match="vLLM does not answer /tokenize with a count")
    with upstream(routes) as found, wrong:
        asyncio.run(count(found.url))
