"""Requests as clients send them, and as attackers do."""

import json
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aidx.errors import InputError
from aidx.patterns.schema.shape import UnenforceableError
from aidx.serve.strict import MAX_DEPTH, decode
from aidx.serve.wire import CHAT, EMBEDDING, MAX_SCHEMA_DEPTH, TEXT, parse

HELLO = [{"role": "user", "content": "hello"}]


def request(**fields):
    return json.dumps({"model": "editor", "messages": HELLO, **fields}).encode()


def sent(**fields):
    return json.loads(parse(request(**fields)).prompt.body)


def test_what_is_known_is_sent_on_as_it_was():
    fields = {
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "min_p": 0,
        "stop": ["\n", "é"],
        "logit_bias": {"5": -1},
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "tool_choice": "auto",
        "logprobs": True,
        "top_logprobs": 2,
    }

    assert sent(**fields) == {"messages": HELLO, **fields}


def test_addressing_and_bounds_are_taken_out():
    parsed = parse(request(max_tokens=7, n=1, response_format={"type": "text"}))

    assert json.loads(parsed.prompt.body) == {"messages": HELLO}
    assert (parsed.model, parsed.stream, parsed.prompt.max_tokens, parsed.ignored) == ("editor", False, 7, ())


def test_the_newer_name_of_the_bound_wins():
    assert parse(request(max_tokens=7, max_completion_tokens=9)).prompt.max_tokens == 9


@pytest.mark.parametrize(("seed", "engine"), [(7, 7), (2**32, 1), (-1, 2**32 - 2)])
def test_seeds_become_the_engine_s_32_bits_and_never_its_word_for_random(seed, engine):
    assert sent(seed=seed)["seed"] == engine


def test_whole_conversations_with_tools_pass():
    messages = [
        {"role": "system", "content": "s"},
        {"role": "developer", "content": "d"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "1", "content": "42"},
    ]
    parsed = parse(request(messages=messages))

    found = json.loads(parsed.prompt.body)["messages"]
    assert [message["role"] for message in found] == ["system", "system", "user", "assistant", "tool"]
    assert found[2] == {"role": "user", "content": "a\nb"}  # as llama.cpp joins the parts of a message
    assert found[3:] == [{k: v for k, v in messages[3].items() if k != "content"}, messages[4]]
    assert [turn.plain for turn in parsed.prompt.turns] == [True, True, True, False, False]
    assert parsed.prompt.certain == ("s", "d", "a\nb")
    assert parsed.prompt.tools


def test_what_is_dropped_is_named():
    parsed = parse(request(user="me", metadata={}, messages=[{"role": "user", "content": "x", "refusal": "y"}]))

    assert parsed.ignored == ("user", "metadata", "messages.refusal")
    assert b"me" not in parsed.prompt.body.replace(b"messages", b"")


def test_what_is_dropped_inside_is_named():
    parts = [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]
    options, look = {"bar": 1, "include_usage": True}, {"type": "text", "baz": 2}
    found = request(messages=[{"role": "user", "content": parts}], stream_options=options, response_format=look)

    assert parse(found).ignored == ("messages.content.cache_control", "stream_options.bar", "response_format.baz")


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": None},
        {"tools": []},
        {"tool_choice": "auto"},
        {"parallel_tool_calls": True},
        {"top_logprobs": 2},
        *[{"messages": value} for value in (None, 1, [1], "x", ["q"], HELLO)],
    ],
)
@pytest.mark.parametrize("reader", [TEXT, EMBEDDING])
def test_what_belongs_to_another_kind_of_request_is_dropped(reader, fields):
    asked = {"model": "e", "prompt": "a"} if reader is TEXT else {"model": "e", "input": "a"}
    found = reader.parse(json.dumps(asked | fields).encode())

    assert found.ignored == tuple(fields)
    assert not any(name.encode() in found.prompt.body for name in fields)


@pytest.mark.parametrize("field", ["model", "messages", "user", "seed", "stream", "stop", "tools", "response_format"])
@pytest.mark.parametrize("value", ["\ud800", ["\udfff"], {"\ud800": 1}])
def test_half_of_a_character_is_refused_wherever_it_stands(field, value):
    with pytest.raises(InputError, match="half of a surrogate pair"):
        parse(json.dumps({"model": "m", "messages": HELLO, field: value}).encode())


def test_a_whole_character_in_two_halves_is_one():
    assert b"\xf0\x9f\x98\x80" in parse(request(messages=[{"role": "user", "content": "\U0001f600"}])).prompt.body


def test_who_wants_no_stream_leaves_it_to_the_engine_how_it_is_asked():
    for body in (request(stream=False), request(stream=False, user="u")):
        assert b"stream" not in parse(body).prompt.body
    assert b"stream" not in CHAT.at_once(request(stream=False)).prompt.body


def test_a_dropped_name_cannot_smuggle_a_header():
    assert parse(request(**{"x\r\nset-cookie: a": 1})).ignored == ("(unprintable)",)


def nested(depth, opened="[", closed="]"):
    x = (opened * depth + closed * depth).encode()
    return b'{"model":"e","messages":[{"role":"user","content":"a"}],"x":' + x + b"}"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b"\xff{}", "not UTF-8"),
        (b'\xef\xbb\xbf{"model":"e"}', "not JSON"),
        (b'{"model":"e","model":"e"}', "the key model comes twice"),
        (request().replace(b'"content"', b'"role": "user", "content"'), "the key role comes twice"),
        (request(temperature=float("nan")), "NaN is not JSON"),
        (request(temperature=float("inf")), "Infinity is not JSON"),
        (request().replace(b"}]", b'}], "temperature": 1e999'), "too large"),
        (request().replace(b"}]", b'}], "seed": ' + b"9" * 5000), "too long"),
        (request(seed=2**63), "seed"),
        (request(messages=[]), "messages"),
        (request(messages=None), "messages"),
        (request(messages="hello"), "messages"),
        (json.dumps({"messages": HELLO}).encode(), "model"),
        (request(model=5), "model"),
        (request(messages=[{"content": "x"}]), "role"),
        (request(messages=[{"role": "rootkit", "content": "x"}]), "rootkit"),
        (request(messages=[{"role": "user", "content": 5}]), r"messages\[0\]\.content"),
        (request(messages=[*HELLO, {"role": "user", "content": None}]), r"messages\[1\] has no content"),
        (request(messages=[{"role": "user", "content": []}]), "no content"),
        (request(messages=[{"role": "assistant"}]), "no content"),
        (request(messages=[{"role": "user", "content": [{"type": "image_url", "url": "x"}]}]), "image_url"),
        (request(messages=[{"role": "assistant", "tool_calls": [{"id": 1}]}]), "tool_calls"),
        (request(messages=[{"role": "user", "content": "\ud800"}]), "surrogate"),
        (request(n=2), "n is 2"),
        (request(n=0), "n is 0"),
        (request(max_tokens=0), "max_tokens"),
        (request(max_tokens=-1), "max_tokens"),
        (request(max_tokens=1.5), "max_tokens"),
        (request(max_tokens="9"), "max_tokens"),
        (request(max_tokens=2**40), "max_tokens"),
        (request(temperature=-1), "temperature"),
        (request(stop=["x"] * 17), "stop"),
        (request(tools=[{"type": "retrieval"}]), "tools"),
        (request(tool_choice={"type": "function"}), "tool_choice"),
        (request(response_format={"type": "grammar"}), "response_format"),
        (nested(MAX_DEPTH), "deep"),
        (nested(100_000), "arrays and objects"),
        (nested(MAX_DEPTH, '{"a":', "}").replace(b":}", b":1}"), "deep"),
        (request(x=[{}] * 30_000), "objects"),
        (request(x=[[]] * 80_000), "arrays and objects"),
        (request(x=[0] * 200_000), "values"),
        (request(x=[""] * 200_000), "quotation marks"),
    ],
)
def test_what_is_wrong_is_named(body, says):
    with pytest.raises(InputError, match=says):
        parse(body)


def test_json_may_be_as_deep_as_the_bound():
    assert decode(nested(MAX_DEPTH - 1))
    assert decode(nested(MAX_DEPTH - 1, '{"a":', "}").replace(b":}", b":1}"))


def test_brackets_in_texts_are_not_depth():
    assert parse(request(messages=[{"role": "user", "content": '[{"\\' * 1000}])).model == "editor"


def tool(depth):
    schema = {}
    for _ in range(depth - 1):
        schema = {"properties": schema}
    return [{"type": "function", "function": {"name": "f", "parameters": schema}}]


@pytest.mark.parametrize(("word", "most"), [("maxItems", 10**9), ("minItems", 4097), ("maxItems", 1e18)])
def test_arrays_in_schemas_of_tools_are_bounded(word, most):
    def call(bound):
        parameters = {"type": "object", "properties": {"a": {"type": "array", word: bound}}}
        tools = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]
        messages = [{"role": "user", "content": "hi"}]
        return json.dumps({"model": "m", "messages": messages, "tools": tools}).encode()

    assert parse(call(4096)).prompt.tools
    with pytest.raises(InputError, match="4096 items"):
        parse(call(most))


def optional(*counts):
    """Tools with so many parameters each that may be left out, the last two levels down."""
    objects = [{"type": "object", "properties": {f"p{one}": {} for one in range(count)}} for count in counts]
    objects[-1] = {"type": "object", "properties": {"a": {"anyOf": [objects[-1]]}}, "required": ["a"]}
    return [{"type": "function", "function": {"name": "f", "parameters": one}} for one in objects]


@pytest.mark.parametrize("counts", [(256,), (100, 200), (40,) * 40])
def test_parameters_that_may_be_left_out_are_bounded(counts):
    assert parse(request(tools=optional(*counts)))
    with pytest.raises(InputError, match="too many parameters that may be left out: at most 256") as wrong:
        parse(request(tools=optional(*counts, 200)))
    assert wrong.value.param == "tools"


def test_parameters_that_are_required_are_as_many_as_there_is_room_for():
    names = [f"p{one}" for one in range(1000)]
    schema = {"type": "object", "properties": {name: {} for name in names}, "required": names}

    assert parse(request(tools=[{"type": "function", "function": {"name": "f", "parameters": schema}}]))


def test_biased_tokens_are_bounded():
    assert parse(request(logit_bias={str(one): 1 for one in range(1024)}))
    with pytest.raises(InputError, match="length <= 1024") as wrong:
        parse(request(logit_bias={str(one): 1 for one in range(1025)}))
    assert wrong.value.param == "logit_bias"


def test_schemas_of_tools_are_bounded():
    parse(request(tools=tool(MAX_SCHEMA_DEPTH)))
    with pytest.raises(InputError, match="nested"):
        parse(request(tools=tool(MAX_SCHEMA_DEPTH + 1)))
    with pytest.raises(InputError, match="bytes"):
        parse(request(tools=[{"type": "function", "function": {"name": "f", "parameters": {"x": "y" * 70_000}}}]))


def schema(of, **fields):
    return {"type": "json_schema", "json_schema": {"name": "thing", "schema": of, **fields}}


def test_a_format_becomes_the_shape_of_the_answer():
    assert parse(request()).shape is None
    assert parse(request(response_format={"type": "text"})).shape is None
    assert parse(request(response_format={"type": "json_object"})).shape.schema == {"type": "object"}
    assert parse(request(response_format={"type": "json_object", "schema": {"type": "null"}})).shape.schema == {
        "type": "null"
    }
    found = parse(request(response_format=schema({"type": "boolean"}), stream=True))
    assert (found.shape.name, found.shape.schema, found.stream) == ("thing", {"type": "boolean"}, True)
    assert b"response_format" not in found.prompt.fields


def test_a_schema_that_cannot_be_enforced_names_the_keyword():
    unique = {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}
    assert parse(request(response_format=schema(unique))).shape.weakened == ("uniqueItems",)
    with pytest.raises(UnenforceableError, match="uniqueItems cannot be enforced"):
        parse(request(response_format=schema(unique, strict=True)))
    with pytest.raises(UnenforceableError, match="refers to itself"):
        parse(request(response_format=schema({"properties": {"a": {"$ref": "#"}}})))
    with pytest.raises(UnenforceableError, match="1048600 bytes"):
        parse(request(response_format=schema({"const": "x" * 1_048_588})))
    with pytest.raises(UnenforceableError, match="not both"):
        parse(request(response_format=schema({"type": "null"}), tools=tool(3)))
    with pytest.raises(InputError, match="has no json_schema"):
        parse(request(response_format={"type": "json_schema"}))


@pytest.mark.parametrize(
    "body",
    [
        nested(500_000),
        request(x=[0] * 300_000),
        request(x=[{}] * 300_000),
        request(x="\\" * 500_000),
        b"{" + b",".join(b'"%d":0' % number for number in range(39_000)) + b',"38999":0}',
        b'"\\"' * 300_000,
    ],
    ids=["deep", "numbers", "objects", "escapes", "late duplicate", "open strings"],
)
def test_a_megabyte_of_malice_costs_little(body):
    began = time.process_time()
    with suppress(InputError):
        decode(body)

    assert time.process_time() - began < 0.25  # 50 ms on a quiet machine; CI's may be slow


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(-1e300, 1e300) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_decode_reads_json(value):
    try:
        body = json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    assert decode(body) == value


@given(st.fixed_dictionaries({"model": json_values, "messages": json_values}) | json_values)
def test_any_json_is_a_request_or_an_input_error(value):
    with suppress(InputError):
        assert json.loads(parse(json.dumps(value).encode()).prompt.body)["messages"]


TWICE = (
    b'{"model":"m","model":"n","messages":[{"role":"user","content":"x"}]}',
    b'{"model":"m","mod\\u0065l":"n","messages":[{"role":"user","content":"x"}]}',
    b'{"model":"m","model" \n:"n","messages":[{"role":"user","content":"x"}]}',
    b'{"model":"m","messages":[{"role":"user","content":"x","content":"y"}]}',
    b'{"model":"m","messages":[{"role":"user","content":"x"},{"role":"user","content":"x","role":"user"}]}',
    b'{"a-b":1,"model":"m","model":"n","messages":[{"role":"user","content":"x"}]}',
    b'{"model":"m","messages":[{"role":"user","content":"x","a-b":1,"content":"y"}]}',
)


@pytest.mark.parametrize("body", TWICE)
def test_a_key_that_comes_twice_is_seen_wherever_it_is_read(body):
    assert CHAT.at_once(body) is None
    with pytest.raises(InputError, match="comes twice"):
        parse(body)


PLAIN = (
    b'{"model":"m","messages":[{"role":"system","content":"\\"model\\": \\\\"},{"role":"user","content":"model"}]%b}'
)


def test_what_is_plain_is_read_at_once():
    assert CHAT.at_once(PLAIN % b',"max_tokens":3, "stream" :true') is not None
    assert CHAT.at_once(PLAIN % b',"stop":["model","role"]') is not None
    assert CHAT.at_once(PLAIN % b',"user":"u"') is None  # what is left out is named in a header
    assert CHAT.at_once(PLAIN % b"" + b" " * (1 << 16)) is None


PARTS = (
    *(b'"model":', b'"role":', b'"content":', b'"messages":', b'"stop":', b'"name":', b'"x":', b'"seed":', b'"n":'),
    *(b"{", b"}", b"[", b"]", b",", b" ", b'"', b"\\", b'\\"', b"\\u0065", b":", b"1", b"1e999", b"NaN", b"null"),
    *(b'"user"', b'"m"', b'"a"', b"\xff", b"\xc3\xa9", b"\n", b"-0.5", b"true", b"9" * 40),
)


@settings(max_examples=400)
@given(
    st.lists(
        st.tuples(st.integers(0, len(PLAIN) + 20), st.integers(0, 3), st.sampled_from(PARTS)), min_size=1, max_size=4
    )
)
def test_both_ways_to_read_a_request_read_the_same(changes):
    body = PLAIN % b',"seed":-3,"stop":["a"]'
    for at, cut, put in changes:
        body = body[:at] + put + body[at + cut :]
    found = said(CHAT.at_once, body)
    assert found is None or found == said(parse, body)


def said(read, body):
    try:
        return read(body)
    except InputError as error:
        return str(error)
