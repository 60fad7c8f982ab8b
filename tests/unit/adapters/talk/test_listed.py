"""What is told of the tokens of a stream, and what is missing."""

import json

import pytest

from aidx.adapters.talk.asking import asked
from aidx.adapters.talk.listed import Entries, first_of
from aidx.errors import EngineError
from aidx.ports.chat import Patience

LONG = Patience(lasts_s=60.0)
TIMINGS = {"cache_n": 1, "prompt_n": 3, "predicted_n": 2}


def entry(token):
    return {"token": token, "bytes": list(token.encode()), "logprob": -1.0}


def event(text, *tokens, finish=None, **more):
    delta = {"content": text} if isinstance(text, str) else text
    told = {"logprobs": {"content": [entry(token) for token in tokens]}} if tokens else {}
    choice = {"finish_reason": finish, "index": 0, "delta": delta, **told}
    return {"choices": [choice], "object": "chat.completion.chunk", "timings": TIMINGS, **more}


def usage(written):
    return {"completion_tokens": written, "prompt_tokens": 4, "total_tokens": 4 + written}


def answer(*events, written=3, stop="never", **fields):
    """What a stream of *events* is put together to, and whether all is in it that may be what it stops at."""
    body = json.dumps({"messages": [], "logprobs": True, "stop": stop, **fields}).encode()
    taken = asked(body, 0, LONG, "it").taken
    for each in events:
        assert taken.feed(b"data: " + json.dumps(each).encode() + b"\n\n") == b""
    if not taken.early:
        last = {"choices": [], "usage": usage(written)}
        taken.feed(b"data: " + json.dumps(last).encode() + b"\n\ndata: [DONE]\n\n")
    found = json.loads(taken.rest())
    return found, not taken.again


def tokens(found):
    return [each["token"] for each in found["choices"][0]["logprobs"]["content"]]


END = event({}, finish="stop")


def test_each_token_has_its_entry_and_the_end_has_none():
    found, all_told = answer(event({"role": "assistant", "content": None}), event("a", "a"), event("b", "b"), END)

    assert (tokens(found), all_told) == (["a", "b"], True)
    assert list(found["choices"][0]) == ["finish_reason", "index", "message", "logprobs"]
    assert found["usage"] == usage(3)


@pytest.mark.parametrize("told", [{}, {"logprobs": None}])
def test_where_nothing_is_told_there_is_nothing(told):
    first, last = event("a"), event({}, finish="stop")
    first["choices"][0] |= told
    found, all_told = answer(first, last)

    assert ("logprobs" in found["choices"][0], all_told) == (False, True)


@pytest.mark.parametrize(
    "events",
    [
        (event("a", "a"), event("<b", "b"), END),  # held back, and told with the next
        (event("a", "a"), event("b"), END),
        (event("a", "a"), event({"reasoning_content": "b"}, "b"), END),
        (event("b", "b"), END),  # one of three, and the end
    ],
)
def test_what_was_held_back_is_missed(events):
    assert not answer(*events)[1]


def test_a_character_of_several_tokens_is_told_with_its_last_and_a_bound_may_cut_one():
    found, all_told = answer(event("日", "日"), END, written=4)
    assert (tokens(found), all_told) == (["日"], True)
    assert not answer(event("日", "日"), END, written=5)[1]

    cut = event({}, finish="length")
    assert answer(event("a", "a"), cut, written=4)[1]
    assert not answer(event("a", "a"), cut, written=5)[1]


@pytest.mark.parametrize("stop", ["bc", ["x", "bc"], ["c", "bc"]])
def test_it_stops_itself_and_wants_no_more(stop):
    found, all_told = answer(event("a", "a"), event("ab", "ab"), event("cd", "cd"), event("e", "e"), stop=stop)

    assert found["choices"][0]["message"]["content"] == "aa"
    assert (tokens(found), found["choices"][0]["finish_reason"], all_told) == (["a", "ab"], "stop", True)
    assert found["usage"] == {
        "completion_tokens": 2,
        "prompt_tokens": 4,
        "total_tokens": 6,
        "prompt_tokens_details": {"cached_tokens": 1},
    }


def test_a_text_that_it_stops_at_at_once_leaves_nothing():
    found, all_told = answer(event("stop", "stop"), stop="stop")

    assert ("logprobs" in found["choices"][0], found["choices"][0]["message"]["content"], all_told) == (False, "", True)


def test_an_empty_text_stops_nothing():
    found, _ = answer(event("a", "a"), event("b", "b"), END, stop=["", "x"])

    assert found["choices"][0]["message"]["content"] == "ab"


def test_the_engine_is_asked_without_the_texts_and_for_its_counts():
    body = json.dumps({"messages": [], "logprobs": True, "stop": "x", "max_tokens": 5}).encode()
    sent = json.loads(asked(body, 2, LONG, "it").sent)

    assert sent == {
        "id_slot": 2,
        "messages": [],
        "logprobs": True,
        "max_tokens": 5,
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_progress": True,
        "timings_per_token": True,
    }


@pytest.mark.parametrize(
    "told", [{"content": None}, {"content": [{}]}, {"content": [1]}, [], "x", {"content": [{"token": 1}]}]
)
def test_probabilities_of_another_kind_are_no_stream_of_this_server_s(told):
    bad = event("a", "a")
    bad["choices"][0]["logprobs"] = told or 1
    with pytest.raises(EngineError, match="does not stream as"):
        answer(bad, END)


def test_a_stop_without_counts_is_no_stream_of_this_server_s():
    bare = event("ab", "ab")
    del bare["timings"]
    with pytest.raises(EngineError, match="does not stream as"):
        answer(bare, stop="b")


def test_a_stream_without_usage_is_taken_as_it_is():
    taken = asked(b'{"messages":[],"logprobs":true}', 0, LONG, "it").taken
    taken.feed(b"data: " + json.dumps(event("a", "a")).encode() + b"\n\ndata: [DONE]\n\n")

    assert (tokens(json.loads(taken.rest())), taken.again) == (["a"], False)


def test_an_end_of_nothing_is_no_answer():
    taken = asked(b'{"messages":[],"logprobs":true}', 0, LONG, "it").taken
    taken.feed(b"data: [DONE]\n\n")
    with pytest.raises(EngineError, match="broke off"):
        taken.rest()


def test_what_it_goes_on_from_may_come_with_how_far_the_prompt_is():
    taken = asked(b'{"messages":[{"role":"assistant","content":"y"}]}', 1, LONG, "it").taken
    for each in (event("y", prompt_progress={"total": 2}), event("a"), END):
        taken.feed(b"data: " + json.dumps(each).encode() + b"\n\n")
    taken.feed(b"data: [DONE]\n\n")

    assert json.loads(taken.rest())["choices"][0]["message"] == {"role": "assistant", "content": "ya"}


def test_where_the_engine_looks_for_what_it_stops_at_nothing_is_asked_for_again():
    assert answer(event("a", "a"), event("<b", "b"), END, stop=[])[1]
    assert answer(event("a", "a"), event("<b", "b"), END, tools=[{}])[1]


def test_the_first_of_several_texts_is_where_it_stops():
    assert (first_of(("c", "bc"), "abc"), first_of(("x",), "abc"), first_of((), "abc")) == (1, None, None)


def test_entries_end_with_the_text():
    found = Entries()
    found.found = [entry("ab"), entry("c"), entry("d")]

    assert [[each["token"] for each in found.of(text)] for text in ("", "a", "ab", "abc")] == [
        [],
        ["ab"],
        ["ab"],
        ["ab", "c"],
    ]
