"""Counts that never err low: exact ones while they are believed, else the most that a prompt can be."""

import asyncio
import json
from types import SimpleNamespace

import pytest
from tests.fakes.engine import FakeChat

from aidx.adapters.stores import shipped
from aidx.errors import BudgetError, InputError
from aidx.gate.bound import at_most, longest
from aidx.gate.prompt import Prompt, Turn
from aidx.pipeline.contract import OTHERWISE
from aidx.pipeline.run.held import MARKS, Held, Trust, held, otherwise, within
from aidx.wiring import own_count

BODY = json.dumps({"messages": [{"role": "user", "content": "one two three"}]}).encode()


def count(chat, body=BODY):
    return asyncio.run(chat.count(body))


def told(counted, used, how="exact"):
    items = [{"item": "all", "tokens": counted}]
    if used != counted:
        items.append({"item": OTHERWISE, "tokens": used - counted})
    return {"model": "m", "role": "editor", "prompt_tokens": used, "counted": how, "context": items}


def test_an_exact_count_is_taken_and_asked_for_once():
    inner = FakeChat()
    chat = Held(inner, Trust())

    assert [count(chat), count(chat), chat.precision] == [12, 12, "exact"]
    assert inner.counts == 1


def test_an_estimate_is_replaced_by_a_bound():
    chat = Held(FakeChat(precision="estimate"), Trust())

    assert (count(chat), chat.precision) == (at_most(BODY), "bound")


def test_what_the_service_is_to_count_later_is_an_estimate_until_then():
    chat = Held(FakeChat(precision="estimate"), Trust(), foreseen=True)

    assert (count(chat), chat.precision) == (12, "estimate")


@pytest.mark.parametrize("precision", ["near", "bound"])
def test_what_never_errs_low_is_taken(precision):
    chat = Held(FakeChat(precision=precision), Trust())

    assert (count(chat), chat.precision) == (12, precision)


def test_the_model_s_file_makes_the_bound_smaller_and_never_larger():
    tokens = SimpleNamespace(count=lambda text: 2 if text == "one two three" else 999)
    read = held(FakeChat(precision="estimate"), Trust(), lambda: SimpleNamespace(tokens=tokens, template=None))

    assert count(read) == at_most(BODY) - len("one two three") + 2
    assert count(held(FakeChat(), Trust(), lambda: pytest.fail("it is not read for an engine that counts"))) == 12


def test_what_the_service_refuses_to_count_as_too_long_is_bounded():
    class Refuses(FakeChat):
        async def count(self, *_, **__):
            raise InputError("too long", code="context_length_exceeded")

    assert count(Held(Refuses(), Trust())) == at_most(BODY)


@pytest.mark.parametrize("precision", ["exact", "near"])
def test_a_count_that_was_too_low_once_is_not_believed_again(precision):
    trust = Trust()
    chat = Held(FakeChat(precision=precision), trust)
    trust.learn(told(12, 11, precision))
    assert (count(chat), chat.precision) == (12, precision)
    trust.learn(told(12, 13, precision))
    assert (count(chat), chat.precision) == (at_most(BODY), "bound")


def test_a_bound_that_was_exceeded_is_as_many_times_larger():
    trust = Trust()
    chat = Held(FakeChat(precision="estimate"), trust)
    trust.learn(told(1000, 300, "bound"))
    assert count(chat) == at_most(BODY)
    trust.learn(told(1000, 2000, "bound"))
    assert count(chat) == 2 * at_most(BODY)


def test_nothing_is_let_through_while_it_is_stopped():
    with pytest.raises(BudgetError, match="nothing more is sent"):
        count(Held(FakeChat(), Trust(stopped=True)))


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (told(12, 12), ""),
        (told(12, 10), "m says that the prompt had 10 tokens, and 12 were counted"),
        (told(12, 15), "m says that the prompt had 15 tokens, and 12 were counted; from now on it is held to a bound"),
        (told(12, 10, "bound"), ""),
        (told(12, 15, "bound"), "and 12 were the most that it could have; from now on it is held to a bound"),
    ],
)
def test_a_count_that_was_off_is_told(request_, said):
    found = otherwise(request_)

    assert found.endswith(said)
    assert bool(found) == bool(said)


def test_more_than_the_gate_is_refused_and_as_much_is_not():
    within(told(12, 12), 12)
    with pytest.raises(BudgetError, match="13 tokens, and the editor's gate is 12"):
        within(told(12, 13), 12)


TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "def area(width, height):\n    pass\n"},
]


def said(messages, **fields):
    return json.dumps({"messages": messages, **fields}).encode()


def test_an_estimating_engine_is_counted_for_by_the_model_s_file_and_its_template():
    own = own_count(shipped.path())
    chat = held(FakeChat(precision="estimate"), Trust(), lambda: own)
    prompt = Prompt(tuple(Turn.of(each["role"], each["content"]) for each in TURNS))
    tokens = own.begins(prompt) + own.tokens.count(own.text(prompt))

    assert (count(chat, said(TURNS)), chat.precision) == (tokens + 4 * MARKS, "near")


@pytest.mark.parametrize(
    "given",
    [
        said(TURNS[1:]),  # the engine may have a system text of its own
        said([*TURNS, {"role": "assistant", "content": "no"}]),
        said([TURNS[0], {"role": "user", "content": [{"type": "text", "text": "x"}]}]),
        said([TURNS[0], {"role": "user", "content": None, "tool_calls": [{"id": "x"}]}]),
        said(TURNS, tools=[{"type": "function"}]),
    ],
)
def test_what_the_template_says_nothing_of_is_bounded_by_the_file_s_tokens(given):
    own = own_count(shipped.path())
    chat = held(FakeChat(precision="estimate"), Trust(), lambda: own)

    assert count(chat, given) == at_most(given, lambda text: min(own.tokens.count(text), longest(text)))
