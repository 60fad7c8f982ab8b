import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aidx.serve.sse import END, Events, failure

STREAM = b'data: {"a": 1}\n\ndata: {"b": "x\\ny"}\n\n: ping\n\ndata: [DONE]\n\n'


@given(st.lists(st.integers(0, len(STREAM)), max_size=6))
def test_only_whole_events_pass_and_all_of_them(cuts):
    events = Events()
    passed = [events.feed(STREAM[a:b]) for a, b in pairwise([0, *sorted(cuts), len(STREAM)])]

    assert b"".join(passed) == STREAM
    assert all(piece == b"" or piece.endswith(b"\n\n") for piece in passed)
    assert events.complete


@given(st.integers(0, len(STREAM) - 1))
def test_a_stream_that_breaks_off_is_not_complete_and_leaves_no_half_event(length):
    events = Events()
    passed = events.feed(STREAM[:length])

    assert not events.complete
    assert (passed + failure("gone", "engine_failed")).count(b"\n\n") == passed.count(b"\n\n") + 1


def test_events_after_the_end_undo_it():
    events = Events()
    events.feed(END)
    events.feed(b"data: {}\n\n")

    assert not events.complete


def test_the_last_word_is_one_event_in_openai_s_shape():
    event = failure('died: "signal\n9"', "engine_failed")

    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    assert event.count(b"\n") == 2
    assert json.loads(event[6:])["error"] == {
        "message": 'died: "signal\n9"',
        "type": "server_error",
        "param": None,
        "code": "engine_failed",
    }


USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n'
TEXT = b'data: {"choices":[{"delta":{"content":"say \\"usage\\": {\\"error\\""}}]}\n\n'
LAST = b'data: {"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}\n\n'


@given(st.lists(st.integers(0, len(TEXT + USAGE + END)), max_size=4))
def test_usage_that_we_asked_for_is_left_out(cuts):
    events = Events(usage=False)
    stream = TEXT + USAGE + END
    passed = [events.feed(stream[a:b]) for a, b in pairwise([0, *sorted(cuts), len(stream)])]

    assert b"".join(passed) == TEXT + END
    assert events.complete


def test_usage_that_stands_with_the_answer_stays_and_what_was_asked_for_as_well():
    assert Events(usage=False).feed(LAST + END) == LAST + END
    assert Events(usage=True).feed(USAGE + END) == USAGE + END


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (b'data: {"error":{"code":500,"message":"out of\\nmemory"}}\n\n', "the engine failed: out of memory"),
        (b'error: {"error":{"message":"x"}}\n\n', "the engine failed: x"),
        (b'data: {"error"\n\n', "it does not say why"),
    ],
)
def test_what_the_engine_says_last_of_its_failure_is_an_error(event, says):
    events = Events()

    assert events.feed(TEXT + event + TEXT) == TEXT
    assert says in str(events.failed)
    assert events.feed(TEXT + END) == b""
    assert not events.complete


def test_an_answer_may_speak_of_errors():
    assert Events().feed(TEXT) == TEXT
