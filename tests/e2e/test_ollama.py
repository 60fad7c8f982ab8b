"""Ollama: never let to cut a prompt, read back, and never on the CPU where a GPU was planned."""

import json

import pytest
from tests.fakes.hosts.ollama import ollama
from tests.fakes.upstream import Said, say, upstream

from aidx.adapters.engines.ollama import ENGINE, same, where
from aidx.adapters.stores import shipped
from aidx.budget.settings import Settings
from aidx.errors import BudgetError, EngineError, InputError
from aidx.gate.admit import limits
from aidx.gate.run import ask
from aidx.ports.engine import Launch
from aidx.serve.wire import parse

SETTINGS = Settings(ctx_size=1024, parallel=2)
LAUNCH = Launch(shipped.path(), "tiny", SETTINGS, threads=1)


@pytest.fixture(scope="module")
def running():
    with ollama(LAUNCH) as found:
        yield found


def prompt(text="x", **fields):
    request = {"model": "m", "messages": [{"role": "user", "content": text}], "stream": True, "max_tokens": 5}
    return parse(json.dumps(request | fields).encode()).prompt


def test_every_request_has_the_same_context_and_forbids_to_cut(running):
    service, ready = running
    for _ in range(2):
        ask(lambda: ENGINE.start(ready), limits(SETTINGS, 1024), prompt(), lambda _: None)

    sent = [request.json for request in service.asked("/api/chat")]
    assert len(sent) == 4  # two to load, two that were asked
    assert {(each["options"]["num_ctx"], each["truncate"], each["shift"]) for each in sent} == {(1024, False, False)}
    assert service.fake.loads == [1024]


def test_a_stream_has_its_usage(running):
    reply = ask(lambda: ENGINE.start(running[1]), limits(SETTINGS, 1024), prompt("hello"), lambda _: None)

    assert reply.usage["completion_tokens"] == 5
    assert reply.usage["prompt_tokens"] > 5
    assert (reply.finish_reason, reply.complete) == ("length", True)


def test_a_prompt_that_is_too_long_there_is_refused_and_not_cut(running):
    wide = limits(Settings(ctx_size=8192), 8192)
    with pytest.raises(InputError) as long:
        ask(lambda: ENGINE.start(running[1]), wide, prompt("word " * 2000), lambda _: None)
    assert long.value.code == "context_length_exceeded"


def test_less_context_than_planned_does_not_hold():
    with ollama(LAUNCH, most=512) as (_, ready), pytest.raises(BudgetError, match="512 tokens, and 1,024") as less:
        ENGINE.start(ready)
    assert less.value.exit_code == 3


def test_a_gpu_that_was_planned_is_used_or_it_is_an_error():
    planned = Launch(shipped.path(), "tiny", SETTINGS, threads=1, urls=())
    on_gpu = Settings(ctx_size=1024, parallel=2, n_gpu_layers=7)
    for vram, holds in ((0, False), (99, True)):
        with ollama(planned, vram=vram) as (_, ready):
            launch = Launch("", "tiny", on_gpu, urls=ready.urls)
            if holds:
                ENGINE.start(launch).stop()
                continue
            with pytest.raises(EngineError, match="on the CPU") as blind:
                ENGINE.start(launch)
            assert blind.value.exit_code == 4


def test_a_model_that_it_does_not_have_says_how_to_get_it(running):
    with pytest.raises(EngineError) as missing:
        ENGINE.start(Launch("", "other", SETTINGS, urls=running[1].urls))
    assert missing.value.hint == "Fetch it: ollama pull other"


@pytest.mark.parametrize(
    "lines",
    [[b'{"message":{"content":"a"},"done":false}\n'], [b'{"error":"model runner has crashed"}\n'], [b"{\n"], []],
)
def test_a_stream_that_does_not_end_well_is_an_error(running, lines):
    service, ready = running
    started = ENGINE.start(ready)
    route = service.routes["POST", "/api/chat"]
    service.routes["POST", "/api/chat"] = lambda _: Said(200, lines)
    try:
        with pytest.raises(EngineError):
            ask(lambda: started, limits(SETTINGS, 1024), prompt(), lambda _: None)
    finally:
        service.routes["POST", "/api/chat"] = route


def test_white_space_before_a_held_answer_does_not_hide_that_it_is_held(running):
    service, ready = running
    route = service.routes["POST", "/api/chat"]

    def spaced(request):
        """As llama.cpp's grammar lets it: two line ends and twenty spaces, each a token, in each of six places."""
        long = request.json["options"]["num_predict"] >= 6 * 22 + 5
        said = {"message": {"content": '{"a": 1}' if long else '{"a"'}, "done_reason": "stop" if long else "length"}
        return say({**said, "done": True, "prompt_eval_count": 1, "eval_count": 1})

    service.routes["POST", "/api/chat"] = spaced
    try:
        assert ENGINE.start(ready).chat().enforces() == "json_schema"
    finally:
        service.routes["POST", "/api/chat"] = route


def test_without_ollama_it_says_how_to_start_it():
    with upstream() as gone:
        pass
    with pytest.raises(EngineError, match="does not run there") as missing:
        ENGINE.start(Launch("", "tiny", SETTINGS, urls=(gone.url,)))
    assert (missing.value.code, missing.value.exit_code) == ("engine_missing", 4)


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("", "http://127.0.0.1:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("http://box:80", "http://box"),
        ("https://ollama.example", "https://ollama.example"),
    ],
)
def test_where_it_listens_is_ollama_s_own_variable(host, shown):
    assert where((), {"OLLAMA_HOST": host}).shown == shown


@pytest.mark.parametrize(
    ("asked", "listed", "is_it"),
    [
        ("tiny", "tiny:latest", True),
        ("Qwen2.5-coder:14b", "qwen2.5-coder:14b", True),
        ("registry.ollama.ai/library/a:b", "a:b", True),
        ("hf.co/x/y:Q4_K_M", "hf.co/x/y:Q4_K_M", True),
        ("tiny", "tiny:7b", False),
    ],
)
def test_names_are_compared_as_ollama_shows_them(asked, listed, is_it):
    assert same(asked, listed) is is_it
