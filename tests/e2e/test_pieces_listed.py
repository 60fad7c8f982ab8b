"""Probabilities, an engine's own JSON and answers that go on from a message: streamed, held against one piece."""

import json

import pytest
from tests.e2e.test_pieces import GOING_ON, LONG, said, whole
from tests.e2e.test_templates import GOLDEN, model_with
from tests.talking import talk

from aidx.adapters.engines.embedded import ENGINE
from aidx.adapters.stores import shipped
from aidx.budget.settings import Settings
from aidx.ports.engine import Launch

ASK = [{"role": "user", "content": "def f(x):"}]
LISTED = {"logprobs": True, "top_logprobs": 1}
CHARACTERS = "日本語 é🙂 x 🙂🙂 ü  – … 한국어 ok"
TOOL = {"type": "function", "function": {"name": "read", "parameters": {"type": "object", "properties": {"p": {}}}}}
TEMPLATES = ("", "qwen3.5", "lfm2", "qwen3-coder")  # aidx-tiny's own, and three that read or write more than the text


@pytest.fixture(scope="module", params=TEMPLATES, ids=lambda name: name or "own")
def deployment(request, tmp_path_factory):
    model = shipped.path()
    if request.param:
        text = (GOLDEN / f"{request.param}.jinja").read_text("utf-8")
        model = model_with(text, tmp_path_factory.mktemp("template"))
    running = ENGINE.start(Launch(model, "tiny", Settings(ctx_size=1024, parallel=2), threads=1))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def plain():
    """The model with its own template, in which nothing is read."""
    running = ENGINE.start(Launch(shipped.path(), "tiny", Settings(ctx_size=1024, parallel=2), threads=1))
    yield running
    running.stop()


def both_ways(deployment, fields, kind="chat", *, seeds=6):
    """Answers to the same request, in one piece and put together, for so many seeds; whether one was asked again."""

    async def ask(chat):
        found = []
        for seed in range(seeds):
            request = {"max_tokens": 30, "temperature": 1.0, "seed": seed, "ignore_eos": bool(seed % 2), **fields}
            body = json.dumps({**request, "cache_prompt": False}).encode()
            found.append([json.loads(said(await whole(chat, body, kind, *patience))) for patience in ((), (LONG,))])
        return found, chat._reads

    return talk(deployment, ask)


def entries(answer):
    return (answer["choices"][0].get("logprobs") or {}).get("content", [])


def without_entries(answer):
    choice = {name: value for name, value in answer["choices"][0].items() if name != "logprobs"}
    return json.dumps({**answer, "choices": [choice]})


def without_the_end(listed, answer):
    """In one piece the end of the model's own answer has an entry."""
    return (
        listed[:-1]
        if listed and not listed[-1]["bytes"] and answer["choices"][0]["finish_reason"] == "stop"
        else listed
    )


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("chat", {"messages": ASK, "logprobs": True, "top_logprobs": 2}),
        ("chat", {"messages": ASK, "logprobs": True}),
        ("chat", {"messages": ASK, "logprobs": True, "top_logprobs": 0}),
        ("chat", {"messages": ASK, "logprobs": False}),
        ("chat", {"messages": GOING_ON, "logprobs": True, "top_logprobs": 1}),
        ("text", {"prompt": "def f(x):", "logprobs": 2}),
        ("text", {"prompt": "日本語", "logprobs": 1, "temperature": 3.0}),
        ("text", {"prompt": "def f(x):", "logprobs": 0}),
    ],
)
def test_probabilities_in_pieces_are_those_in_one(plain, kind, fields):
    found, again = both_ways(plain, fields, kind)

    assert not again
    for once, put_together in found:
        assert without_entries(put_together) == without_entries(once)
        listed = entries(put_together)
        assert listed in (entries(once), without_the_end(entries(once), once))
        assert ("logprobs" in put_together["choices"][0]) == ("logprobs" in once["choices"][0]) or not listed


def test_of_a_character_in_several_tokens_the_last_has_a_probability(plain):
    fields = {
        "messages": ASK,
        "logprobs": True,
        "max_tokens": 90,
        "ignore_eos": False,
        "grammar": f'root ::= "{CHARACTERS}"',
    }
    found, again = both_ways(plain, fields, seeds=2)

    assert not again
    for once, put_together in found:
        assert put_together["choices"][0]["message"]["content"] == CHARACTERS
        assert len(entries(put_together)) < put_together["usage"]["completion_tokens"] / 1.5
        if put_together["choices"][0]["finish_reason"] == "stop":
            assert entries(put_together) == without_the_end(entries(once), once)


@pytest.mark.parametrize("stop", [["def", "\n\n"], ["1"], ["\n0"], "x):", ["ab", "rn x"]])
@pytest.mark.parametrize("kind", ["chat", "text"])
def test_a_text_that_it_stops_at_and_probabilities(plain, kind, stop):
    """The engine gives the text of a token that it held back to the next entry; ours has its own."""
    asking = (
        {"messages": ASK, "logprobs": True, "top_logprobs": 1}
        if kind == "chat"
        else {"prompt": "def f(x):", "logprobs": 1}
    )
    found, again = both_ways(plain, {**asking, "stop": stop}, kind)

    assert not again
    for once, put_together in found:
        assert without_entries(put_together) == without_entries(once)
        listed = entries(put_together)
        pairs = [[(each["id"], each["logprob"]) for each in these] for these in (listed, entries(once))]
        shorter = min(map(len, pairs))
        assert pairs[0][:shorter] == pairs[1][:shorter]
        assert len(pairs[1]) - len(pairs[0]) in (0, 1)
        choice = put_together["choices"][0]
        text = choice["text"] if kind == "text" else choice["message"]["content"]
        assert "".join(each["token"] for each in listed).startswith(text)


@pytest.mark.parametrize("tools", [{}, {"tools": True}], ids=["", "tools"])
@pytest.mark.parametrize(
    "text", ["hello ", "<think>\nhm\n</think>\n\nfoo", "<think>\nhm", "\n\n", "<thi", " a \n", "", "x </think>"]
)
def test_an_answer_that_goes_on_is_the_same_in_pieces(deployment, text, tools):
    more = {"tools": [TOOL]} if tools else {}
    for fields in ({}, {"reasoning_content": "hm"}) if text == "hello " else ({},):
        turns = [*ASK, {"role": "assistant", "content": text, **fields}]
        found, _ = both_ways(deployment, {"messages": turns, **more}, seeds=4)
        for once, put_together in found:
            assert put_together == once


def test_an_engine_s_own_json_is_the_same_in_pieces(deployment):
    """But where the bound comes before its first character."""
    for shape in ({}, {"schema": {"type": "object", "properties": {"a": {"enum": ["b", "c"]}}, "required": ["a"]}}):
        form = {"type": "json_object", **shape}
        fields = {"messages": ASK, "response_format": form, "ignore_eos": False, "max_tokens": 60}
        for once, put_together in both_ways(deployment, fields)[0]:
            if "{" in once["choices"][0]["message"]["content"]:
                assert put_together == once
            else:
                assert once["choices"][0]["finish_reason"] == "length"


def rest_of(listed, whole):
    """What is left of *whole* after *listed*, each of which is in it, in its order."""
    told = iter(listed)
    nearest = next(told, None)
    left = []
    for each in whole:
        if each == nearest:
            nearest = next(told, None)
        else:
            left.append(each)
    assert nearest is None
    return left


THOUGHT = 'root ::= "<think>\\nhm a<b\\n</think>\\n\\nso <b> c </d> e"'


def test_what_a_parser_takes_out_of_an_answer_has_no_probability(deployment):
    """And what it holds back for a moment: a token that begins like the end of a thought. The text has all of them."""
    fields = {"messages": ASK, **LISTED, "grammar": THOUGHT, "ignore_eos": False, "max_tokens": 60}
    found, again = both_ways(deployment, fields)

    assert not again
    for once, put_together in found:
        assert without_entries(put_together) == without_entries(once)
        message = once["choices"][0]["message"]
        assert "".join(each["token"] for each in entries(put_together)).endswith(message["content"])
        left = "".join(each["token"] for each in rest_of(entries(put_together), entries(once)))
        assert set(left) <= (set("</think>\n") if "reasoning_content" in message else set())


@pytest.mark.parametrize("stop", ["</think>", "a<", "<b>", "d> e"])
def test_a_text_that_it_stops_at_is_found_in_what_is_not_told(deployment, stop):
    """It is asked for again, then, and once an engine: it is to look for it by itself."""
    fields = {"messages": ASK, **LISTED, "grammar": THOUGHT, "stop": [stop], "ignore_eos": False, "max_tokens": 60}
    found, again = both_ways(deployment, fields)

    for once, put_together in found:
        assert without_entries(put_together) == without_entries(once)
        assert once["choices"][0]["finish_reason"] == "stop"
        assert again == ("reasoning_content" in once["choices"][0]["message"])


@pytest.fixture(scope="module")
def calling(tmp_path_factory):
    model = model_with((GOLDEN / "qwen2.5.jinja").read_text("utf-8"), tmp_path_factory.mktemp("calling"))
    running = ENGINE.start(Launch(model, "tiny", Settings(ctx_size=1024), threads=1))
    yield running
    running.stop()


def test_beside_json_each_token_of_it_has_a_probability(calling):
    shape = {"type": "object", "properties": {"a": {"enum": ["x y", "z"]}}, "required": ["a"]}
    form = {"response_format": {"type": "json_object", "schema": shape}, "ignore_eos": False}
    whole_ones = 0
    for once, put_together in both_ways(calling, {"messages": ASK, **form, **LISTED, "max_tokens": 60})[0]:
        text = put_together["choices"][0]["message"]["content"].rstrip()
        if put_together["choices"][0]["finish_reason"] == "stop":
            assert without_entries(put_together) == without_entries(once)
            whole_ones += 1
        assert "".join(each["token"] for each in entries(put_together)).rstrip().endswith(text)
        rest_of(entries(put_together), entries(once))
    assert whole_ones


def test_beside_tools_each_token_of_the_text_has_a_probability(calling):
    fields = {"messages": ASK, "tools": [TOOL], **LISTED}

    for once, put_together in both_ways(calling, fields)[0]:
        assert without_entries(put_together) == without_entries(once)
        assert entries(put_together) == without_the_end(entries(once), once)


def test_a_call_of_a_tool_has_those_of_the_tokens_that_add_to_it(calling):
    turns = [*ASK, {"role": "assistant", "content": "<tool_call>\n"}]
    fields = {"messages": turns, "tools": [TOOL], "tool_choice": "required", **LISTED, "max_tokens": 60}
    calls = 0
    for once, put_together in both_ways(calling, {**fields, "ignore_eos": False})[0]:
        told = [once["choices"][0]["message"], put_together["choices"][0]["message"]]
        for call in [call for message in told for call in message.get("tool_calls", ())]:
            assert call.pop("id")
            calls += 1
        assert told[0] == told[1]
        rest_of(entries(put_together), entries(once))
    assert calls


def test_an_answer_that_stops_early_is_let_go_before_it_is_over(plain):
    fields = {"messages": ASK, "logprobs": True, "stop": ["0", "1"], "ignore_eos": True, "max_tokens": 900}

    async def idle(chat):
        answer = json.loads(await whole(chat, json.dumps(fields).encode(), patience=LONG))
        assert answer["choices"][0]["finish_reason"] == "stop"
        assert answer["usage"]["completion_tokens"] < 500
        return not any(slot["is_processing"] for slot in json.loads((await chat._pool.request("GET", "/slots"))[1]))

    assert talk(plain, idle)
