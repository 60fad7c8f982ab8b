"""Between OpenAI's requests and Ollama's: what each becomes of the other (docs/api.md of fb30760)."""

import base64
import json
import struct

import pytest
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from aidx.adapters.talk.ollama import Answer, packed, parsed, request
from aidx.adapters.talk.refusal import BusyError
from aidx.errors import EngineError, InputError

CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "x"}'}}
TOLD = {"function": {"name": "look", "arguments": {"at": "x"}}}
END = {"message": {"content": ""}, "done": True, "done_reason": "stop", "prompt_eval_count": 9, "eval_count": 2}


def chat(*messages, **fields):
    return request({"messages": list(messages), **fields}, "chat", "m", 512)


def test_options_are_ollama_s_and_nothing_may_be_cut():
    made = chat(max_tokens=5, temperature=0, stop="x", seed=3, stream=True)

    assert made["options"] == {"num_predict": 5, "temperature": 0, "seed": 3, "num_ctx": 512, "stop": ["x"]}
    assert (made["truncate"], made["shift"], made["stream"], made["model"]) == (False, False, True, "m")


def test_calls_and_their_results_keep_their_names():
    made = chat(
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "r"},
    )

    assert made["messages"][0]["tool_calls"] == [{"id": "c1", **TOLD}]
    assert made["messages"][1] == {"role": "tool", "content": "r", "tool_call_id": "c1", "tool_name": "look"}


def test_a_schema_becomes_a_format():
    schema = {"type": "object"}

    assert chat(response_format={"type": "json_schema", "json_schema": {"schema": schema}})["format"] == schema
    assert chat(response_format={"type": "json_object"})["format"] == {"type": "object"}
    assert "format" not in chat(response_format={"type": "text"})


@pytest.mark.parametrize(
    "field", [{"logprobs": True}, {"logit_bias": {"1": 2}}, {"tool_choice": "required"}, {"ignore_eos": True}, {"x": 1}]
)
def test_what_has_no_counterpart_is_refused_by_name(field):
    with pytest.raises(InputError, match=next(iter(field))):
        chat(**field)


def test_what_says_nothing_is_left_out():
    assert "tool_choice" not in chat(tool_choice="auto", parallel_tool_calls=True, logprobs=False, ignore_eos=None)


def test_text_is_sent_without_a_template():
    made = request({"prompt": "def f(", "max_tokens": 1}, "text", "m", 512)

    assert (made["prompt"], made["raw"], made["truncate"], made["shift"]) == ("def f(", True, False, False)


def test_a_whole_answer_is_a_chat_completion_to_openai_s_own_client():
    found = END | {"message": {"content": "See:", "thinking": "hm", "tool_calls": [TOLD, TOLD | {"id": "own"}]}}
    made = ChatCompletion.model_validate_json(Answer("chat", "m", 1).whole(found), strict=True)

    assert made.choices[0].finish_reason == "tool_calls"
    assert [call.id for call in made.choices[0].message.tool_calls] == ["call_0", "own"]
    assert json.loads(made.choices[0].message.tool_calls[0].function.arguments) == {"at": "x"}
    assert (made.usage.prompt_tokens, made.usage.completion_tokens) == (9, 2)


def test_a_stream_becomes_chunks_to_openai_s_own_client():
    answer = Answer("chat", "m", 1, account=True)
    lines = [
        {"message": {"thinking": "hm"}},
        {"message": {"content": "a"}},
        {"message": {"content": "", "tool_calls": [TOLD]}},
    ]
    made = b"".join(answer.feed(line) for line in [*lines, END])
    *events, done, rest = made.split(b"\n\n")
    chunks = [ChatCompletionChunk.model_validate_json(event[6:], strict=True) for event in events]

    assert (done, rest, answer.complete) == (b"data: [DONE]", b"", True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "a"
    assert chunks[-3].choices[0].delta.tool_calls[0].index == 0
    assert chunks[-2].choices[0].finish_reason == "tool_calls"
    assert chunks[-1].usage.total_tokens == 11


def test_vectors_are_as_openai_has_them_and_as_it_packs_them():
    found = Answer("embedding", "m", 1).whole({"embeddings": [[0.5, 1.0]], "prompt_eval_count": 3})

    assert CreateEmbeddingResponse.model_validate_json(found, strict=True).data[0].embedding == [0.5, 1.0]
    text = json.loads(packed(found))["data"][0]["embedding"]
    assert struct.unpack("<2f", base64.b64decode(text)) == (0.5, 1.0)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"[]", EngineError),
        (b"x", EngineError),
        (b'{"error": "crashed"}', EngineError),
        (b'{"error": "server busy, please try again"}', BusyError),
    ],
)
def test_what_is_no_answer_is_an_error(line, kind):
    with pytest.raises(EngineError) as failed:
        parsed(line)
    assert type(failed.value) is kind


@pytest.mark.parametrize("found", [{}, {"message": None, "done": True}, {"done": False}])
def test_an_object_of_another_shape_is_an_error(found):
    with pytest.raises(EngineError):
        Answer("chat", "m", 1).feed(found)
    with pytest.raises(EngineError):
        Answer("chat", "m", 1).whole(found)
