"""A long plain answer is streamed from the engine and put together: it is what the engine says in one piece."""

import asyncio
import json
import time
from random import Random

import pytest
from tests.e2e.test_templates import GOLDEN, model_with
from tests.talking import talk

from aidx.adapters.engines.embedded import ENGINE
from aidx.adapters.stores import shipped
from aidx.adapters.talk.asking import asked
from aidx.adapters.talk.assembled import Assembled
from aidx.budget.settings import Settings
from aidx.errors import EngineError, InputError
from aidx.ports.chat import PATIENCE, Patience
from aidx.ports.engine import Launch

LONG = Patience(lasts_s=60.0)
TEXTS = ("def f(x):", "class A:\n    def", "日本語 é 🙂", "import os\n", "word " * 300, '<think>hm</think> "\\u00e9"\t')
OWN = {"id", "created", "timings"}  # no two answers have these in common
GOING_ON = [{"role": "user", "content": "def f(x):"}, {"role": "assistant", "content": "hello "}]
GRAMMAR = "%llguidance {}\nstart: /[a-z ]{5,20}/"


@pytest.fixture(scope="module")
def deployment():
    settings = Settings(ctx_size=1024, parallel=2)
    running = ENGINE.start(Launch(shipped.path(), "tiny", settings, threads=1))
    yield running
    running.stop()


async def whole(chat, body, kind="chat", patience=PATIENCE, slot=0):
    return b"".join([piece async for piece in chat.answer(body, slot=slot, kind=kind, patience=patience)])


def requests(number):
    """As many requests as *number*, each of another kind."""
    pick = Random(5)
    for seed in range(number):
        fields = {"seed": seed, "max_tokens": pick.choice((1, 7, 40)), "temperature": pick.choice((0, 0.8, 1.5))}
        if pick.random() < 0.3:
            fields["ignore_eos"] = True
        if pick.random() < 0.2:
            fields["grammar"] = GRAMMAR
        if pick.random() < 0.5:
            fields["stream"] = False
        text = pick.choice(TEXTS)
        if pick.random() < 0.3:
            yield "text", {"prompt": text, **fields}
        else:
            yield "chat", {"messages": [{"role": "user", "content": text}], **fields}


def said(answer):
    """All that two answers to the same request have in common, in its order."""
    found = json.loads(answer)
    found["usage"].pop("prompt_tokens_details", None)  # the second one finds the prompt in the cache
    return json.dumps({name: value for name, value in found.items() if name not in OWN})


def test_an_answer_in_pieces_is_the_answer_in_one(deployment):
    async def both(chat):
        differ = []
        for kind, fields in requests(120):
            body = json.dumps({**fields, "cache_prompt": False}).encode()
            once = await whole(chat, body, kind)
            put_together = await whole(chat, body, kind, LONG)
            assert set(json.loads(once)) == set(json.loads(put_together))
            if said(once) != said(put_together):
                differ.append((once, put_together))
        return differ

    for once, put_together in talk(deployment, both):  # a bound within a character: the one thing that differs
        assert said(once).replace('\\ufffd"', '"') == said(put_together)
        assert json.loads(once)["choices"][0]["finish_reason"] == "length"


LISTED = {"logprobs": True, "top_logprobs": 2}
OWN_JSON = {"response_format": {"type": "json_object"}}


@pytest.mark.parametrize("listed", [{}, LISTED])
@pytest.mark.parametrize("tools", [{}, {"tools": [{}]}])
@pytest.mark.parametrize("form", [{}, OWN_JSON])
@pytest.mark.parametrize("messages", [[], GOING_ON])
def test_whatever_a_long_answer_is_it_is_asked_for_as_a_stream(listed, tools, form, messages):
    told = asked(json.dumps({"messages": messages, **listed, **tools, **form}).encode(), 1, LONG, "it")
    sent = json.loads(told.sent)

    assert told.taken is not None
    assert (sent["stream"], sent["return_progress"], sent.get("echo", False)) == (True, True, bool(messages))


@pytest.mark.parametrize(("listed", "number"), [({}, 20), ({"top_logprobs": None}, 20), ({"top_logprobs": 0}, 0)])
def test_probabilities_beside_tools_are_asked_for_by_the_engine_s_own_name(listed, number):
    sent = json.loads(asked(json.dumps({"tools": [{}], "logprobs": True, **listed}).encode(), 1, LONG, "it").sent)

    assert sent["n_probs"] == number
    assert not {"logprobs", "top_logprobs"} & set(sent)


def test_what_an_engine_may_read_out_of_an_answer_it_looks_for_what_it_stops_at():
    chat = b'{"messages":[],"logprobs":true,"stop":"x"}'

    assert "stop" not in json.loads(asked(chat, 0, LONG, "it").sent)
    for more in ({"tools": [{}]}, OWN_JSON, {"messages": GOING_ON}):
        assert json.loads(asked(json.dumps({**json.loads(chat), **more}).encode(), 0, LONG, "it").sent)["stop"] == "x"
    assert json.loads(asked(chat, 0, LONG, "it", reads=True).sent)["stop"] == "x"


@pytest.mark.parametrize("listed", [b'"messages":[],"logprobs":true', b'"prompt":"x","logprobs":2'])
def test_a_short_answer_lists_what_a_long_one_does(listed):
    assert isinstance(asked(b"{%b}" % listed, 0, Patience(lasts_s=0.1), "it").taken, Assembled)


@pytest.mark.parametrize("listed", [b'"messages":[],"logprobs":false', b'"prompt":"x","logprobs":0', b'"prompt":"x"'])
def test_and_one_that_lists_nothing_is_asked_for_whole(listed):
    assert asked(b"{%b}" % listed, 0, Patience(lasts_s=0.1), "it").whole


@pytest.mark.parametrize("lasts", [0.0, 60.0])
def test_an_answer_that_goes_on_has_what_it_goes_on_from(deployment, lasts):
    """However long it may take."""
    body = json.dumps({"messages": GOING_ON, "max_tokens": 5, "temperature": 0}).encode()
    answer = json.loads(talk(deployment, lambda chat: whole(chat, body, patience=Patience(lasts_s=lasts))))

    assert answer["choices"][0]["message"]["content"].startswith("hello ")


@pytest.mark.parametrize("stop", [["def"], ["\n"], ["1", "2"], ["\n\n", " ("], "return x"])
def test_an_answer_that_stops_at_a_text_is_the_same_in_pieces(deployment, stop):
    async def both(chat):
        for seed in range(12):
            turns = [{"role": "user", "content": TEXTS[seed % 2]}]
            fields = {"messages": turns, "stop": stop, "seed": seed, "temperature": 0.8, "max_tokens": 40}
            body = json.dumps({**fields, "cache_prompt": False}).encode()
            once, put_together = await whole(chat, body), await whole(chat, body, patience=LONG)
            assert taken_for_a_stop(said(once), stop) == taken_for_a_stop(said(put_together), stop)

    talk(deployment, both)


def taken_for_a_stop(answer, stop):
    """*answer* without what may be the beginning of a text of *stop*, where its bound cuts it."""
    found = json.loads(answer)
    choice = found["choices"][0]
    if choice["finish_reason"] == "length":
        for text in [stop] if isinstance(stop, str) else stop:
            for size in range(len(text) - 1, 0, -1):
                choice["message"]["content"] = choice["message"]["content"].removesuffix(text[:size])
    return found


def test_what_looks_like_a_field_in_a_text_is_none():
    body = json.dumps(
        {"messages": [{"role": "user", "content": '"logprobs": "response_format": "role":"assistant"'}]}
    ).encode()

    assert isinstance(asked(body, 0, LONG, "it").taken, Assembled)


def test_a_short_answer_is_asked_for_as_it_is():
    assert asked(b'{"messages":[]}', 3, PATIENCE, "it").sent == b'{"id_slot":3,"messages":[]}'


@pytest.mark.parametrize("stream", [False, True])
def test_what_the_engine_refuses_is_refused(deployment, stream):
    prompt = "word " * 3000
    body = json.dumps({"messages": [{"role": "user", "content": prompt}], "stream": stream}).encode()

    with pytest.raises(InputError, match="context") as wrong:
        talk(deployment, lambda chat: whole(chat, body, patience=PATIENCE if stream else LONG))
    assert wrong.value.code == "context_length_exceeded"


def test_of_a_long_prompt_s_stream_nothing_is_left_but_the_answer(deployment):
    fields = {"messages": [{"role": "user", "content": "word " * 500}], "max_tokens": 5, "seed": 1, "stream": True}
    body = json.dumps({**fields, "stream_options": {"include_usage": True}}).encode()
    told = asked(body, 0, PATIENCE, "it")
    stream = talk(deployment, lambda chat: whole(chat, body))

    assert json.loads(told.sent)["return_progress"] is True
    assert b"prompt_progress" not in stream
    assert stream.startswith(b'data: {"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant"')
    assert stream.endswith(b"data: [DONE]\n\n")


TOOLS = [
    {"name": "read", "parameters": {"type": "object", "properties": {"path": {"type": "string", "maxLength": 5}}}},
    {"name": "write", "parameters": {"type": "object", "properties": {"t": {"enum": ["a", "b"]}}, "required": ["t"]}},
]


@pytest.fixture(scope="module", params=["qwen2.5", "granite-4.0"])
def calling(request, tmp_path_factory):
    """A model whose template takes tools."""
    model = model_with((GOLDEN / f"{request.param}.jinja").read_text("utf-8"), tmp_path_factory.mktemp("calling"))
    running = ENGINE.start(Launch(model, "tiny", Settings(ctx_size=1024, parallel=2), threads=1))
    yield running
    running.stop()


def called(answer):
    """All that two answers to the same request have in common: each call has an id of its own."""
    found = json.loads(said(answer))
    for call in found["choices"][0]["message"].get("tool_calls", ()):
        assert call.pop("id")
    return found


def test_calls_of_tools_in_pieces_are_those_in_one(calling):
    """The model calls nothing by itself: its answers go on from the beginning of a call, which has no text."""
    turns = [{"role": "user", "content": "def f(x):"}, {"role": "assistant", "content": "<tool_call>\n"}]
    tools = [{"type": "function", "function": tool} for tool in TOOLS]

    async def both(chat):
        calls = 0
        for seed in range(15):
            fields = {"messages": turns, "tools": tools, "tool_choice": "required", "seed": seed, "max_tokens": 80}
            body = json.dumps({**fields, "cache_prompt": False}).encode()
            once, put_together = called(await whole(chat, body)), called(await whole(chat, body, patience=LONG))
            if "tool_calls" in once["choices"][0]["message"]:
                calls += 1
                assert list(put_together["choices"][0]["message"]) == list(once["choices"][0]["message"])
                assert put_together == once
        return calls

    assert talk(calling, both) >= 10


EVENT = b'data: {"choices":[{"delta":{"content":"%b"},"finish_reason":null}],"object":"chat.completion.chunk"}\n\n'
READING = b'data: {"choices":[],"prompt_progress":{"total":2}}\n\n'
ERROR = b'data: {"error":{"code":400,"message":"no"}}\n\n'


NUMBERS = {"type": "array", "items": {"type": "integer"}, "minItems": 700}


def every_cut(data):
    return [(data[:at], data[at:]) for at in range(len(data) + 1)]


def test_progress_is_left_out_wherever_the_pieces_are_cut():
    body = b'{"stream":true,"x":"' + b"x" * 3000 + b'"}'
    rest = EVENT % b"a" + EVENT % b"b" + b"data: [DO"
    for first, second in every_cut(READING + READING + rest):
        taken = asked(body, 0, PATIENCE, "it").taken
        assert taken.feed(first) + taken.feed(second) + taken.rest() == rest


def test_a_refusal_after_progress_is_a_refusal_still():
    streamed = asked(b'{"stream":true,"x":"' + b"x" * 3000 + b'"}', 0, PATIENCE, "it").taken
    plain = asked(b'{"messages":[]}', 0, LONG, "it").taken
    for taken in (streamed, plain):
        with pytest.raises(InputError, match="it refuses the request: no"):
            taken.feed(READING + ERROR)


@pytest.mark.parametrize("rest", [b"", b"data: [DO"])
def test_an_answer_without_an_end_is_none(rest):
    taken = asked(b'{"messages":[]}', 0, LONG, "it").taken
    assert taken.feed(EVENT % b"a" + rest) == b""
    with pytest.raises(EngineError, match="broke off"):
        taken.rest()


@pytest.mark.parametrize("event", [b"data: {}\n\n", b"data: x\n\n", b'data: {"choices":[{}]}\n\n', b"data: []\n\n"])
def test_a_stream_of_something_else_is_said(event):
    with pytest.raises(EngineError, match="does not stream as"):
        asked(b'{"messages":[]}', 0, LONG, "it").taken.feed(event)


@pytest.mark.parametrize(
    "more",
    [
        {},
        LISTED,
        {"logprobs": True, "stop": ["never written"]},
        {"messages": GOING_ON},
        {"response_format": {"type": "json_object", "schema": NUMBERS}, "ignore_eos": False},
    ],
)
def test_who_leaves_a_long_answer_frees_its_slot_while_others_are_answered(deployment, more):
    assert talk(deployment, lambda chat: left_beside_others(chat, more))


@pytest.mark.parametrize("more", [LISTED, {"messages": GOING_ON}, {**LISTED, "messages": GOING_ON}])
def test_and_so_does_who_leaves_one_with_tools(calling, more):
    tools = [{"type": "function", "function": tool} for tool in TOOLS]

    assert talk(calling, lambda chat: left_beside_others(chat, {"tools": tools, **more}))


async def left_beside_others(chat, more):
    """The engine says things to others all the time: what it does not say to us it would not notice."""
    fields = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 800, "ignore_eos": True}

    async def others():
        return await whole(chat, json.dumps({**fields, "stream": True}).encode(), slot=1)

    beside = asyncio.create_task(others())
    answer = chat.answer(json.dumps({**fields, **more}).encode(), slot=0, patience=LONG)
    first = asyncio.create_task(anext(answer))
    await asyncio.sleep(0.1)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert json.loads(await whole(chat, json.dumps({**fields, "max_tokens": 1}).encode()))["usage"]
    went_on = not beside.done()
    await beside
    return went_on


@pytest.mark.parametrize("lasts", [0.1, 60.0, None], ids=["whole", "pieces", "stream"])
def test_who_leaves_at_once_leaves_nothing_in_the_engine(deployment, lasts):
    """Before the engine has begun, as it begins, or after: at the end of it no slot is at work."""
    patience = PATIENCE if lasts is None else Patience(lasts_s=lasts)
    most = 20 if lasts == 0.1 else 900

    async def leave(chat):
        found = []
        for number in range(60):
            fields = {"messages": [{"role": "user", "content": f"{number}: def"}], "max_tokens": most}
            body = json.dumps({**fields, "ignore_eos": True, "stream": lasts is None}).encode()
            asking = asyncio.create_task(whole(chat, body, patience=patience, slot=number % 2))
            await turns(number * 5e-5)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            slots = json.loads((await chat._pool.request("GET", "/slots"))[1])
            found.append(any(slot["is_processing"] for slot in slots))
        return found

    assert not any(talk(deployment, leave))


async def turns(seconds):
    """Let the event loop turn for so long: sleep is not as exact."""
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends:  # noqa: ASYNC110 - nobody is waited for
        await asyncio.sleep(0)
