import json
import time

import pytest

from aidx.adapters.tokenizable import LONGEST_DIGITS, LONGEST_RUN, check
from aidx.errors import InputError


def body(text, **fields):
    return json.dumps({"messages": [{"role": "user", "content": text}], **fields}, ensure_ascii=False).encode()


@pytest.mark.parametrize("kind", ["a", "A", "é", "日", " ", "\n", ".", '"', "\\", "_"])
def test_runs_of_one_kind_are_bounded(kind):
    check(body(kind * LONGEST_RUN))
    with pytest.raises(InputError, match=f"{LONGEST_RUN + 1} characters of one kind"):
        check(body(kind * (LONGEST_RUN + 1)))


def test_runs_of_digits_are_bounded_sooner():
    check(body("7" * LONGEST_DIGITS))
    with pytest.raises(InputError, match="characters of one kind"):
        check(body("7" * (LONGEST_DIGITS + 1)))


def test_whatever_the_template_shows_is_looked_at():
    tool = {"type": "function", "function": {"name": "f", "description": "x" * 10_000}}
    with pytest.raises(InputError):
        check(body("hello", tools=[tool]))
    with pytest.raises(InputError):
        check(json.dumps({"messages": [{"role": "user", "content": [{"type": "text", "text": " " * 9000}]}]}).encode())


@pytest.mark.parametrize(
    "text",
    ["def f(a):\n    return a + 1\n" * 20_000, ("a" * 15 + " ") * 30_000, "ab1.  " * 80_000, ("x" * 4096 + "1") * 120],
    ids=["code", "words", "mixed", "long words"],
)
def test_other_text_passes_and_costs_little(text):
    began = time.process_time()
    check(body(text))

    assert time.process_time() - began < 0.5
