import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aidx.errors import InputError
from aidx.gate.prompt import Prompt, Turn
from aidx.gate.runs import LONGEST_DIGITS, LONGEST_RUN, check


def prompt(text, tools=None):
    raw = json.dumps({"role": "user", "content": text}, ensure_ascii=False).encode()
    fields = b"" if tools is None else b'"tools":%b' % json.dumps(tools).encode()
    return Prompt((Turn("user", text, raw),), fields=fields, tools=tools is not None)


@pytest.mark.parametrize("kind", ["a", "A", "é", "日", " ", "\n", ".", '"', "\\", "_"])
@pytest.mark.parametrize("before", ["", "1", "ab. 1" * 777])
def test_runs_of_one_kind_are_bounded(kind, before):
    check(prompt(before + kind * LONGEST_RUN + "1"))
    with pytest.raises(InputError, match=f"{LONGEST_RUN + 1} characters of one kind"):
        check(prompt(f"{before}1{kind * (LONGEST_RUN + 1)}1"))


def test_runs_of_digits_are_bounded_sooner():
    check(prompt("x" + "7" * LONGEST_DIGITS))
    with pytest.raises(InputError, match="characters of one kind"):
        check(prompt("x" + "7" * (LONGEST_DIGITS + 1)))


def test_whatever_the_template_shows_is_looked_at():
    tool = {"type": "function", "function": {"name": "f", "description": "x" * 10_000}}
    with pytest.raises(InputError):
        check(prompt("hello", tools=[tool]))
    call = {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": " " * 9000}}]}
    with pytest.raises(InputError):
        check(Prompt((Turn("assistant", "", json.dumps(call).encode(), plain=False),)))
    with pytest.raises(InputError):
        check(Prompt(texts=("." * 5000,), kind="text"))


@given(before=st.integers(0, 9000), size=st.integers(1, 9000), kind=st.sampled_from("a1 ."))
@settings(deadline=None)
def test_a_run_is_found_wherever_it_stands(before, size, kind):
    other = "." if kind == "a" else "a"
    text = (f"{other} " * before)[: 2 * (before // 2)] + other + kind * size + other
    too_long = size > (LONGEST_DIGITS if kind == "1" else LONGEST_RUN)
    try:
        check(prompt(text))
    except InputError:
        assert too_long
    else:
        assert not too_long


@pytest.mark.parametrize(
    "text",
    ["def f(a):\n    return a + 1\n" * 20_000, ("a" * 15 + " ") * 30_000, "ab1.  " * 80_000, ("x" * 4096 + "1") * 120],
    ids=["code", "words", "mixed", "long words"],
)
def test_other_text_passes(text):
    check(prompt(text))
