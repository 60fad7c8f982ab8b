"""Vectors of many texts, asked for in portions."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aidx.adapters.talk.vectors import MOMENT_S, Vectors, joined, portion
from aidx.errors import EngineError
from aidx.ports.chat import PATIENCE


def given_for(texts, **more):
    """As llama.cpp's server answers: each vector is the length of its text."""
    data = [{"embedding": [len(text)], "index": at, "object": "embedding", **more} for at, text in enumerate(texts)]
    usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
    return json.dumps({"model": "m", "object": "list", "usage": usage, "data": data}).encode()


class Engine:
    """Reads *speed* bytes a second, and needs *each* second for a request besides, by a clock of its own."""

    def __init__(self, speed, each=0.0):
        self.speed, self.each, self.now, self.portions = speed, each, 0.0, []

    async def ask(self, body, _):
        texts = json.loads(body)["input"]
        self.portions.append(texts)
        self.now += self.each + len("".join(texts)) / self.speed
        return given_for(texts)

    def all_of(self, texts):
        vectors = Vectors(self.ask, lambda: self.now)
        body = json.dumps({"input": texts, "encoding_format": "float"}).encode()
        return json.loads(asyncio.run(vectors.of(body, PATIENCE)))


@given(st.lists(st.text("abc", min_size=1, max_size=50), min_size=1, max_size=60), st.integers(1, 10_000))
def test_all_texts_are_asked_for_in_their_order_and_answered_as_in_one(texts, speed):
    engine = Engine(speed)
    answer = engine.all_of(texts)

    assert answer == json.loads(given_for(texts))
    assert [text for some in engine.portions for text in some] == texts
    assert all(len(some) == 1 or len("".join(some)) / speed <= 4 * MOMENT_S * 1.001 for some in engine.portions)


@pytest.mark.parametrize("each", [0.001, 0.1, 0.13, 0.3])
def test_what_a_request_costs_besides_keeps_no_texts_apart(each):
    engine = Engine(10_000, each)
    engine.all_of(["x" * 40] * 256)  # a second

    assert len(engine.portions) <= 14


def test_what_takes_long_is_asked_for_one_by_one():
    engine = Engine(10)
    engine.all_of(["x" * 20] * 12)

    assert [len(some) for some in engine.portions] == [1] * 12


@given(st.lists(st.integers(1, 9), min_size=1), st.floats(0, 100))
def test_a_portion_is_as_large_as_it_may_be(sizes, most):
    count = portion(sizes, most)

    assert count == 1 or sum(sizes[:count]) <= most
    assert count == len(sizes) or sum(sizes[: count + 1]) > most


def test_a_single_text_is_sent_as_it_came():
    sent = []

    async def ask(body, _):
        sent.append(body)
        return b"whatever it says"

    vectors = Vectors(ask)
    for body in (b'{"input":["x"],"encoding_format":"base64"}', b'{ "input": "all of it" }'):
        assert asyncio.run(vectors.of(body, PATIENCE)) == b"whatever it says"
        assert sent.pop() == body


def test_the_digits_of_a_vector_are_left_as_they_are():
    first = b'{"model":"m","object":"list","usage":{"prompt_tokens":2,"total_tokens":2},"data":[%b]}'
    vector = b'{"embedding":%b,"index":0,"object":"embedding"}'
    whole = joined([first % (vector % each) for each in (b"[0.10000000149011612,-0.0,1e-07]", b'"AAA="')])

    assert b"[0.10000000149011612,-0.0,1e-07]" in whole
    assert [one["index"] for one in json.loads(whole)["data"]] == [0, 1]
    assert json.loads(whole)["usage"] == {"prompt_tokens": 4, "total_tokens": 4}


@pytest.mark.parametrize("bad", [b"", b"{}", b"[]", b'{"data":[{}]}', b"\xff"])
def test_what_is_no_answer_of_this_server_s_is_said(bad):
    with pytest.raises(EngineError, match="does not give vectors as"):
        joined([given_for("x"), bad])
