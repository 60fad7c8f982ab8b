"""An answer that has its shape, or none."""

import pytest

from aidx.errors import EngineError
from aidx.gate.admit import RefusedError
from aidx.gate.schema import shape
from aidx.patterns.direct import answer
from aidx.patterns.schema.shape import NotSatisfiedError
from aidx.patterns.terms import Terms
from aidx.patterns.vocabulary import Said
from tests.fakes.patterns import feed
from tests.fakes.requests import prompt

WORD = {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}
TERMS = Terms(shape=shape("word", WORD))
CUT = Said('{"word":"aaaa', "length", 10, 40)


def test_a_valid_answer_is_the_answer_and_the_engine_was_told_the_shape():
    found, asked = feed(answer(prompt(), TERMS), ['{"word":"a"}'])

    assert (found.text, found.attempts, found.bounded) == ('{"word":"a"}', 1, ())
    assert asked[0].shape.grammar["properties"]["word"] == {"type": "string", "maxLength": 4096}


def test_a_wrong_answer_is_shown_again_with_the_validator_s_words():
    found, asked = feed(answer(prompt(), TERMS), ['{"word":1}', '{"word":"b"}'])

    assert (found.text, found.attempts) == ('{"word":"b"}', 2)
    assert [step.outcome for step in found.trail] == ["refused", "accepted"]
    assert [step.purpose for step in found.trail] == ["answer", "repair"]
    assert 'at /word: 1 is not of type "string"' in found.trail[0].reasons
    said = [turn.text for turn in asked[1].prompt.turns]
    assert said[:2] == ["hello", '{"word":1}']
    assert 'at /word: 1 is not of type "string"' in said[2]
    assert found.prompt_tokens == 20


def test_after_two_repairs_there_is_no_answer():
    with pytest.raises(NotSatisfiedError, match="asked 3 times") as failed:
        feed(answer(prompt(), TERMS), ["no", "{}", '{"word":1}'])
    assert failed.value.reasons == ('at /word: 1 is not of type "string"',)
    assert failed.value.code == "schema_not_satisfied"


def test_an_answer_that_was_cut_is_asked_for_again_within_narrow_bounds():
    found, asked = feed(answer(prompt(asked=40), TERMS), [CUT, '{"word":"aaaaaaaaaaaaaaaaaaaaaaaa"}'])

    assert asked[1].prompt == asked[0].prompt
    assert asked[1].shape.grammar["properties"]["word"]["maxLength"] == 24
    assert found.bounded == ("/word",)
    assert found.trail[0].reasons == ("the answer was cut after 40 tokens",)


def test_a_cut_answer_is_never_valid():
    with pytest.raises(NotSatisfiedError, match="cut after 40 tokens"):
        feed(answer(prompt(), TERMS), [Said('{"word":"a"}', "length", 10, 40)] * 3)


def test_a_keyword_that_was_left_out_is_checked_afterwards_and_told():
    unique = Terms(shape=shape("list", {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}))
    found, asked = feed(answer(prompt(), unique), ["[1,1]", "[1,2]"])

    assert found.weakened == ("uniqueItems",)
    assert "uniqueItems" not in asked[0].shape.grammar
    assert found.trail[0].reasons == ("[1,1] has non-unique elements",)


def test_a_repair_that_does_not_fit_is_the_end():
    over = RefusedError("too long", code="context_length_exceeded")
    with pytest.raises(NotSatisfiedError, match="the repair does not fit: too long"):
        feed(answer(prompt(), TERMS), ["no", over])
    with pytest.raises(RefusedError):
        feed(answer(prompt(), TERMS), [over])


def test_an_engine_that_fails_is_heard_of():
    with pytest.raises(EngineError):
        feed(answer(prompt(), TERMS), ["no", EngineError("gone")])
