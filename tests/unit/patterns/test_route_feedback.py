from contextlib import nullcontext

import pytest

from aidx.errors import CheckError, EngineError
from aidx.patterns import cascade
from aidx.patterns.prompt import Prompt, Turn
from aidx.patterns.route_feedback import label, noted
from aidx.patterns.route_private import secret
from aidx.patterns.terms import Served, Terms
from aidx.patterns.vocabulary import Answer, Said, Step
from tests.fakes.patterns import feed


def trail(*purposes):
    return tuple(Step("drafter", purpose, "accepted") for purpose in purposes)


@pytest.mark.parametrize(
    ("purposes", "said"),
    [
        (("draft", "verdict"), "simple"),
        (("draft", "repair", "verdict"), None),
        (("draft", "repair", "rewrite", "verdict"), "complex"),
        (("draft", "escalation"), "complex"),
    ],
)
def test_what_became_of_a_request_is_its_label(purposes, said):
    assert label(trail(*purposes)) == said


def told(outcome, text="do it"):
    """What is noted of a request that ends so."""
    notes = []

    def answer(prompt, terms):
        del prompt, terms
        if isinstance(outcome, Exception):
            raise outcome
        return Answer(Said("x"), "drafter", outcome)
        yield

    pattern = noted(Served("cascade", (), answer), lambda *note: notes.append(note), secret)
    assert pattern.name == "cascade"
    ends = pytest.raises(type(outcome)) if isinstance(outcome, Exception) else nullcontext()
    with ends:
        feed(pattern.answer(Prompt((Turn.of("user", text),)), Terms()), [])
    return notes


def test_it_is_noted_with_the_task():
    assert told(trail("draft", "verdict")) == [("do it", "simple")]
    assert told(trail("draft", "repair", "verdict")) == []


def test_what_nobody_accepted_is_complex_and_what_failed_says_nothing():
    assert told(CheckError("no", code="not_verified")) == [("do it", "complex")]
    assert told(CheckError("no", code="schema_not_satisfied")) == []
    assert told(EngineError("died")) == []


def test_an_answer_that_was_cut_says_nothing_about_its_prompt():
    notes = []
    pattern = noted(cascade.PATTERN, lambda *note: notes.append(note), secret)
    terms = Terms(roles=frozenset({"drafter", "verifier"}), repairs=0)
    cut = Said("x", "length", 5, 4)
    with pytest.raises(CheckError, match="the answer was cut"):
        feed(pattern.answer(Prompt((Turn.of("user", "do it"),)), terms), [cut, cut])
    assert notes == []


def test_a_draft_that_the_verifier_accepts_is_a_simple_prompt():
    notes = []
    pattern = noted(cascade.PATTERN, lambda *note: notes.append(note), secret)
    terms = Terms(roles=frozenset({"drafter", "verifier"}))
    feed(pattern.answer(Prompt((Turn.of("user", "do it"),)), terms), ["done", '{"verdict": "accept"}'])
    assert notes == [("do it", "simple")]


@pytest.mark.parametrize("outcome", [trail("draft", "verdict"), CheckError("no", code="not_verified")])
def test_what_is_private_is_never_written_down(outcome):
    assert told(outcome, "use sk-abcdefghijklmnop1234") == []
