"""The engine's account of an answer, read as its bytes go by."""

import json

import pytest

from aidx.gate.usage import Usage

USAGE = {
    "completion_tokens": 12,
    "prompt_tokens": 34,
    "total_tokens": 46,
    "prompt_tokens_details": {"cached_tokens": 3},
}
TRAP = 'he said "usage":{"prompt_tokens":1,"completion_tokens":1}'
PLAIN = json.dumps({"choices": [{"message": {"content": TRAP}}], "usage": USAGE, "timings": {"x": 1}}).encode()


def read(*pieces):
    usage = Usage()
    for piece in pieces:
        usage.feed(piece)
    return usage.prompt, usage.completion


@pytest.mark.parametrize("cut", range(len(PLAIN) + 1))
def test_it_is_found_wherever_the_answer_is_cut(cut):
    assert read(PLAIN[:cut], PLAIN[cut:]) == (34, 12)


def test_it_is_found_byte_by_byte():
    assert read(*(PLAIN[at : at + 1] for at in range(len(PLAIN)))) == (34, 12)


def test_blanks_and_another_order_make_no_difference():
    other = {"prompt_tokens": 34, "completion_tokens": 12}
    assert read(json.dumps({"usage": other}, separators=(",", ":")).encode()) == (34, 12)


def test_an_answer_that_says_nothing_leaves_it_open():
    assert read(b'{"choices":[],"usage":null}') == (None, None)
    assert read(json.dumps({"choices": [{"message": {"content": TRAP}}]}).encode()) == (None, None)
    assert read(b'{"usage":{"completion_tokens":5}}') == (None, 5)
