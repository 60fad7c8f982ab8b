"""Streams as the pinned engine writes them (recorded from it, ids shortened)."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aidx.errors import EngineError
from aidx.gate.reply import Reply

STREAM = (
    b'data: {"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"created":1}\n\n'
    b": a comment that keeps the connection alive\n\n"
    b'data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":" h\xc3\xa9"}}],"created":1}\n\n'
    b'data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":"llo"}}],"created":1}\n\n'
    b'data: {"choices":[{"finish_reason":"length","index":0,"delta":{}}],"created":1}\n\n'
    b'data: {"choices":[],"usage":{"completion_tokens":2,"prompt_tokens":14,"total_tokens":16}}\n\n'
    b"data: [DONE]\n\n"
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=5))
def test_the_text_does_not_depend_on_where_the_stream_is_cut(cuts):
    borders = [0, *sorted(cuts), len(STREAM)]
    reply = Reply()

    added = "".join(reply.feed(STREAM[a:b]) for a, b in pairwise(borders))

    assert added == reply.text == " héllo"
    assert reply.finish_reason == "length"
    assert reply.usage == {"prompt_tokens": 14, "completion_tokens": 2, "total_tokens": 16}
    assert reply.complete


def test_an_answer_without_its_end_is_not_complete():
    reply = Reply()
    reply.feed(STREAM.removesuffix(b"data: [DONE]\n\n"))

    assert not reply.complete


def test_an_error_in_the_stream_is_raised():
    with pytest.raises(EngineError, match="the engine was ended"):
        Reply().feed(b'data: {"error": {"message": "the engine was ended by signal 9", "code": "engine_failed"}}\n\n')


def test_the_engine_s_own_timing_is_kept_and_nothing_else_is_believed():
    """As the pinned engine writes it at the end of a stream, shortened."""
    reply = Reply()
    told = b'{"choices":[],"usage":null,"timings":{"predicted_n":40,"predicted_ms":43.0,"predicted_per_second":906.7}}'
    reply.feed(b"data: " + told + b"\n\n")
    assert reply.timing == (40, 906.7)
    for other in (
        b"7",
        b"{}",
        b'{"predicted_n":0,"predicted_per_second":1.0}',
        b'{"predicted_n":1,"predicted_per_second":0}',
    ):
        reply.feed(b'data: {"choices":[],"timings":' + other + b"}\n\n")
        assert reply.timing == (40, 906.7)


@pytest.mark.parametrize(
    "event",
    [b"[" * 90_000, b"x", b"[1]", b"7", b'{"choices":[7]}', b'{"choices":[{"delta":{"content":[1]}}]}', b'{"usage":3}'],
)
def test_what_is_no_stream_is_an_engine_that_fails(event):
    with pytest.raises(EngineError, match="not the stream of a chat completion"):
        Reply().feed(b"data: " + event + b"\n\n")


def test_an_error_in_words_is_told():
    with pytest.raises(EngineError, match="bad"):
        Reply().feed(b'data: {"error":"bad"}\n\n')


@pytest.mark.parametrize("tokens", ["-9", "9.5", '"9"', "null", "1e999", "true", "1" + "0" * 12])
def test_tokens_that_are_no_number_were_not_told(tokens):
    reply = Reply()
    reply.feed(b'data: {"usage":{"prompt_tokens":%b,"completion_tokens":1}}\n\n' % tokens.encode())
    assert reply.usage == {"completion_tokens": 1}
