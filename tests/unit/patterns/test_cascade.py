"""The Verifier Cascade, fed by hand."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from aidx.errors import EngineError, InputError
from aidx.gate.schema import compiled, shape
from aidx.patterns.cascade import VERDICT, NotVerifiedError, answer
from aidx.patterns.rules import rules
from aidx.patterns.terms import Terms
from aidx.patterns.vocabulary import Said
from tests.fakes.patterns import feed
from tests.fakes.requests import prompt

ROLES = frozenset({"drafter", "verifier", "architect"})
TERMS = Terms(roles=ROLES)
ACCEPT = '{"verdict":"accept"}'
MATCHES = replace(TERMS, rules=rules(["matches ^good"]))


def repair(*reasons):
    return json.dumps({"verdict": "repair", "reasons": reasons})


REJECT = '{"verdict":"reject","reasons":["wrong language"]}'


def trail(found):
    return [f"{each.purpose} {each.role} {each.outcome}" for each in found.trail]


def test_a_draft_that_is_accepted_is_the_answer():
    found, asked = feed(answer(prompt("hi"), TERMS), ["draft", ACCEPT])

    assert (found.text, found.role, found.attempts) == ("draft", "drafter", 1)
    assert trail(found) == ["draft drafter accepted", "verdict verifier accepted"]
    assert (found.prompt_tokens, found.completion_tokens) == (20, 10)
    assert asked[1].shape == VERDICT


def test_the_verifier_reads_what_the_drafter_read_and_then_the_draft():
    _, (draft, verdict) = feed(answer(prompt("hi"), TERMS), ["draft", ACCEPT])

    assert verdict.prompt.turns[:1] == draft.prompt.turns
    assert [turn.role for turn in verdict.prompt.turns] == ["user", "assistant", "user"]
    assert verdict.prompt.turns[1].text == "draft"


def test_rules_come_first_and_cost_no_verdict():
    found, asked = feed(answer(prompt("hi"), MATCHES), ["bad", "good", ACCEPT])

    assert [each.role for each in asked] == ["drafter", "drafter", "verifier"]
    assert trail(found)[:2] == ["draft drafter refused", "repair drafter accepted"]
    assert "does not match ^good" in asked[1].prompt.turns[-1].text


def test_what_the_verifier_wants_repaired_goes_back_with_its_reasons():
    found, asked = feed(answer(prompt("hi"), TERMS), ["one", repair("too short", "no test"), "two", ACCEPT])

    assert found.text == "two"
    assert "- too short\n- no test" in asked[2].prompt.turns[-1].text
    assert found.trail[1].reasons == ("too short", "no test")


def test_after_the_repairs_the_verifier_writes_it_itself():
    found, asked = feed(answer(prompt("hi"), TERMS), ["1", repair("a"), "2", repair("b"), "3", ACCEPT])

    assert (found.text, found.role) == ("3", "verifier")
    assert [each.purpose for each in asked[::2]] == ["draft", "repair", "rewrite"]


@pytest.mark.parametrize(
    "told",
    [["1", REJECT], ["1", repair("a"), "2", REJECT], ["1", repair("a"), "2", repair("b"), "3", repair("c")]],
)
def test_what_is_never_accepted_is_no_answer(told):
    with pytest.raises(NotVerifiedError) as refused:
        feed(answer(prompt("hi"), TERMS), told)

    assert refused.value.code == "not_verified"
    assert refused.value.reasons in {("wrong language",), ("c",)}
    assert len(refused.value.trail) == len(told)


def test_it_goes_up_only_where_that_is_configured():
    up = replace(TERMS, escalate="architect")
    found, asked = feed(answer(prompt("hi"), up), ["1", REJECT, "from above"])

    assert (found.text, found.role, found.why) == ("from above", "architect", "escalated to architect")
    assert asked[-1].prompt.turns == prompt("hi").turns
    with pytest.raises(NotVerifiedError):
        feed(answer(prompt("hi"), replace(up, remote=frozenset({"architect"}), local_only=True)), ["1", REJECT])
    with pytest.raises(NotVerifiedError):
        feed(answer(prompt("hi"), replace(MATCHES, escalate="architect", repairs=0)), ["bad", "bad", "bad"])


def test_a_verifier_that_comes_to_no_verdict_has_not_accepted():
    with pytest.raises(NotVerifiedError, match="no verdict"):
        feed(answer(prompt("hi"), TERMS), ["1", "yes", "certainly", "{}"])


def test_a_verdict_may_be_repaired_and_costs_what_it_costs():
    found, _ = feed(answer(prompt("hi"), TERMS), ["1", "yes", ACCEPT])
    assert trail(found) == ["draft drafter accepted", "verdict verifier refused", "verdict verifier accepted"]
    assert found.attempts == 1


def test_a_shape_is_a_rule_too():
    shaped = replace(TERMS, shape=shape("n", {"type": "integer"}))
    found, asked = feed(answer(prompt("hi"), shaped), ["x", "3", ACCEPT])

    assert found.text == "3"
    assert asked[0].shape is shaped.shape
    assert trail(found)[0] == "draft drafter refused"


def test_an_answer_that_was_cut_is_none():
    found, _ = feed(answer(prompt("hi"), TERMS), [Said("half", "length", 5, 16), "whole", ACCEPT])
    assert found.trail[0].reasons == ("the answer was cut after 16 tokens",)


def test_without_its_roles_it_is_not_begun():
    with pytest.raises(InputError, match="cascade needs verifier"):
        feed(answer(prompt("hi"), Terms(roles=frozenset({"drafter"}))), [])
    with pytest.raises(InputError, match="cascade needs drafter and verifier"):
        feed(answer(prompt("hi"), replace(TERMS, remote=ROLES, local_only=True)), [])
    with pytest.raises(InputError, match="no tools"):
        feed(answer(prompt("hi", tools=True), TERMS), [])


def test_an_engine_that_fails_is_no_verdict():
    with pytest.raises(EngineError):
        feed(answer(prompt("hi"), TERMS), ["1", EngineError("gone")])


def test_the_verdict_s_schema_is_one_that_is_enforced_in_full():
    assert compiled(VERDICT.grammar) == ""


WORDS = st.sampled_from(["good", "bad", ACCEPT, REJECT, repair("x"), "nonsense"])


@given(st.lists(WORDS, min_size=20, max_size=20), st.integers(0, 3), st.booleans())
def test_nothing_is_answered_that_rules_and_verifier_have_not_both_accepted(told, repairs, up):
    """Whatever models say: it ends, within its bounds, and an answer was accepted by both."""
    terms = replace(MATCHES, repairs=repairs, escalate="architect" if up else None)
    pattern, asked, reply = answer(prompt("hi"), terms), [], None
    left = iter(told)
    try:
        while True:
            effect = next(pattern) if reply is None else pattern.send(reply)
            asked.append(effect)
            reply = Said(next(left))
    except StopIteration as stop:
        found = stop.value
        assert found.text == "good"
        assert found.role == "architect" or trail(found)[-1] == "verdict verifier accepted"
    except NotVerifiedError:
        assert not (up and all(word == "good" for word in told))
    written = [each for each in asked if each.purpose != "verdict" and each.shape is None]
    assert len(written) <= repairs + 2 + up
    assert len(asked) <= 4 * (repairs + 2) + up
