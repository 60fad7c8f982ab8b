"""Between OpenAI's chat completions and Anthropic's messages: what each becomes of the other.

Shapes are those of Anthropic's API reference ("Messages", "Streaming messages", "Handling stop reasons"), version
2023-06-01, as of 2026-11.
"""

import json

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from aidx.adapters.talk.anthropic import FINISH, Stream, answer, request
from aidx.adapters.talk.events import Event
from aidx.adapters.talk.refusal import BusyError
from aidx.errors import EngineError, InputError

TOOL = {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object"}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "x"}'}}


def asked(*messages, **fields):
    return {"messages": list(messages), "max_tokens": 5, **fields}


def user(text):
    return {"role": "user", "content": text}


def test_a_plain_request():
    made = request(asked({"role": "system", "content": "Be brief."}, user("Hi"), temperature=0, stop="x"), "m")

    assert made == {
        "model": "m",
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 5,
        "temperature": 0,
        "stop_sequences": ["x"],
    }


def test_a_conversation_with_tools():
    results = [{"role": "tool", "tool_call_id": number, "content": f"r{number}"} for number in ("c1", "c2")]
    calls = [CALL, CALL | {"id": "c2"}]
    said = {"role": "assistant", "content": "Let me see.", "tool_calls": calls}
    made = request(
        asked(user("a"), said, *results, user("b"), tools=[TOOL], tool_choice="required", parallel_tool_calls=False),
        "m",
    )

    assert made["tools"] == [{"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}]
    assert made["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}
    assert [turn["role"] for turn in made["messages"]] == ["user", "assistant", "user"]
    assert made["messages"][1]["content"] == [
        {"type": "text", "text": "Let me see."},
        {"type": "tool_use", "id": "c1", "name": "look", "input": {"at": "x"}},
        {"type": "tool_use", "id": "c2", "name": "look", "input": {"at": "x"}},
    ]
    assert made["messages"][2]["content"] == [
        {"type": "tool_result", "tool_use_id": "c1", "content": "rc1"},
        {"type": "tool_result", "tool_use_id": "c2", "content": "rc2"},
        {"type": "text", "text": "b"},
    ]


def test_a_tool_without_parameters_has_an_empty_schema():
    made = request(asked(user("a"), tools=[{"type": "function", "function": {"name": "now"}}]), "m")

    assert made["tools"] == [{"name": "now", "input_schema": {"type": "object", "properties": {}}}]
    assert made["tool_choice"] == {"type": "auto"}


def test_a_schema_is_what_the_output_is_configured_to():
    schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}

    config = request(asked(user("a"), response_format=form), "m")["output_config"]
    assert config == {"format": {"type": "json_schema", "schema": schema}}  # as Anthropic's own client types it


@pytest.mark.parametrize(
    "field", [{"seed": 1}, {"logit_bias": {"1": 2}}, {"response_format": {"type": "json_object"}}, {"min_p": 0.1}]
)
def test_what_has_no_counterpart_is_refused_by_name(field):
    with pytest.raises(InputError, match=next(iter(field))):
        request(asked(user("a"), **field), "m")


def test_what_says_nothing_is_left_out():
    assert "presence_penalty" not in request(asked(user("a"), presence_penalty=0, frequency_penalty=0.0), "m")


def test_arguments_that_are_no_object_are_the_request_s_fault():
    call = CALL | {"function": {"name": "look", "arguments": "[1"}}
    with pytest.raises(InputError, match="arguments"):
        request(asked(user("a"), {"role": "assistant", "content": None, "tool_calls": [call]}), "m")


def message(**changes):
    usage = {"input_tokens": 10, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 3, "output_tokens": 7}
    found = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn"}
    return found | {"content": [{"type": "text", "text": "Hello"}], "usage": usage} | changes


def test_a_whole_answer_is_a_chat_completion_to_openai_s_own_client():
    blocks = [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "See:"},
        {"type": "tool_use", "id": "c1", "name": "look", "input": {"at": "x"}},
    ]
    found = ChatCompletion.model_validate_json(answer(message(content=blocks, stop_reason="tool_use"), 1), strict=True)

    assert found.choices[0].finish_reason == "tool_calls"
    assert found.choices[0].message.content == "See:"
    assert found.choices[0].message.tool_calls[0].function.arguments == '{"at": "x"}'
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (15, 7)


def test_a_message_of_nothing_is_an_empty_answer():
    for nothing in ([], None):  # as Anthropic says it, and as Ollama does
        found = json.loads(answer(message(content=nothing), 1))
        assert found["choices"][0]["message"]["content"] == ""


@pytest.mark.parametrize(("reason", "finish"), FINISH.items())
def test_every_reason_to_stop_has_its_counterpart(reason, finish):
    assert json.loads(answer(message(stop_reason=reason), 1))["choices"][0]["finish_reason"] == finish


@pytest.mark.parametrize("broken", [{}, {"content": 3}, message(usage=None), message(content=[{"type": "text"}])])
def test_what_is_no_message_is_an_error(broken):
    with pytest.raises(EngineError):
        answer(broken, 1)


STREAM = [
    {"type": "message_start", "message": message(content=[], usage={"input_tokens": 25, "output_tokens": 1})},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Let me"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " see."}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t1", "name": "look"}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"at": '}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '"x"}'}},
    {"type": "content_block_stop", "index": 1},
    {"type": "content_block_start", "index": 2, "content_block": {"type": "tool_use", "id": "t2", "name": "now"}},
    {"type": "content_block_stop", "index": 2},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 89}},
    {"type": "a_kind_of_the_future", "x": 1},
    {"type": "message_stop"},
]


def streamed(events, **how):
    stream = Stream(**{"account": True, "created": 1, **how})
    return b"".join(stream.feed(Event(event["type"], json.dumps(event).encode())) for event in events), stream


def test_a_stream_becomes_chunks_to_openai_s_own_client():
    made, stream = streamed(STREAM)
    *events, done, rest = made.split(b"\n\n")
    chunks = [ChatCompletionChunk.model_validate_json(event[6:], strict=True) for event in events]
    calls = [call for chunk in chunks if chunk.choices for call in chunk.choices[0].delta.tool_calls or []]

    assert (done, rest, stream.complete) == (b"data: [DONE]", b"", True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Let me see."
    assert [(call.index, call.id) for call in calls if call.id] == [(0, "t1"), (1, "t2")]
    assert "".join(call.function.arguments for call in calls if call.index == 0) == '{"at": "x"}'
    assert "".join(call.function.arguments for call in calls if call.index == 1) == "{}"
    assert chunks[-2].choices[0].finish_reason == "tool_calls"
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (25, 89)


def test_nobody_who_did_not_ask_is_told_the_usage():
    assert b'"usage"' not in streamed(STREAM, account=False)[0]


@pytest.mark.parametrize(
    ("kind", "error"), [("overloaded_error", BusyError), ("rate_limit_error", BusyError), ("x", EngineError)]
)
def test_an_error_in_the_stream_is_one(kind, error):
    with pytest.raises(error, match="Overloaded") as failed:
        streamed([{"type": "error", "error": {"type": kind, "message": "Overloaded"}}])
    assert type(failed.value) is error


@pytest.mark.parametrize(
    "data", [b"[]", b"{", b'{"type":"content_block_delta","index":0}', b'{"type":"message_start"}']
)
def test_a_broken_event_is_an_error(data):
    with pytest.raises(EngineError):
        Stream(account=True, created=1).feed(Event("", data))


@pytest.mark.parametrize("cut", range(len(STREAM)))
def test_a_stream_that_ends_early_is_never_complete(cut):
    assert not streamed(STREAM[:cut])[1].complete
