"""One question, one answer."""

import pytest

from aidx.errors import EngineError
from aidx.patterns.direct import answer
from aidx.patterns.terms import Terms
from tests.fakes.patterns import feed
from tests.fakes.requests import prompt


def test_the_role_is_asked_once_and_what_it_says_is_the_answer():
    found, asked = feed(answer(prompt("hi"), Terms("drafter")), ["hello"])

    assert (found.text, found.role, found.attempts) == ("hello", "drafter", 1)
    assert (found.prompt_tokens, found.completion_tokens) == (10, 5)
    assert [each.role for each in asked] == ["drafter"]
    assert asked[0].prompt == prompt("hi")


def test_an_engine_that_fails_is_the_caller_s_to_hear_of():
    with pytest.raises(EngineError, match="gone"):
        feed(answer(prompt("hi"), Terms()), [EngineError("gone")])
