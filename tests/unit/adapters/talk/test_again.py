"""Another try: when, after how long, and how often at most."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.engine import FakeChat

from aidx.adapters.http import UnreachableError
from aidx.adapters.talk.again import LONGEST_WAIT_S, TRIES, RetryBudget, Retrying, wait
from aidx.adapters.talk.refusal import BusyError
from aidx.errors import EngineError
from aidx.ports.chat import Patience

BODY = b'{"messages": [{"role": "user", "content": "a b c"}], "max_tokens": 3, "stream": true}'


class Failing(FakeChat):
    """Raises what *errors* hold, one a try, and answers then; *late* fails after the first piece."""

    def __init__(self, *errors, late=False):
        super().__init__()
        self.errors = list(errors)
        self.late = late
        self.tries = []

    async def answer(self, body, **how):
        self.tries.append(how["patience"].first_s)
        if self.errors and not self.late:
            raise self.errors.pop(0)
        async for piece in super().answer(body, **how):
            yield piece
            if self.errors:
                raise self.errors.pop(0)


def ask(chat, budget=None):
    """The answer of *chat*, and the pauses that were made."""
    pauses = []

    async def pause(seconds):
        pauses.append(seconds)

    async def run():
        again = Retrying(chat, budget or RetryBudget(), pause=pause, jitter=lambda: 1.0)
        return b"".join([piece async for piece in again.answer(BODY, slot=0, patience=Patience(60.0, 60.0))])

    return asyncio.run(run()), pauses


def busy(retry_after=None):
    return BusyError("busy", retry_after=retry_after)


def test_what_was_busy_is_asked_again_and_the_wait_grows():
    answer, pauses = ask(Failing(busy(), UnreachableError("gone"), busy()))

    assert answer.endswith(b"data: [DONE]\n\n")
    assert pauses == [0.5, 1.0, 2.0]


def test_the_service_says_how_long():
    assert ask(Failing(busy(7.0)))[1] == [7.0]


@pytest.mark.parametrize("error", [EngineError("no", code="key_refused"), EngineError("no", code="engine_silent")])
def test_what_another_try_would_not_change_fails_at_once(error):
    chat = Failing(error)
    with pytest.raises(EngineError):
        ask(chat)
    assert len(chat.tries) == 1


def test_an_answer_that_has_begun_is_not_begun_again():
    chat = Failing(busy(), late=True)
    with pytest.raises(BusyError):
        ask(chat)
    assert len(chat.tries) == 1


def test_there_is_a_last_try():
    chat = Failing(*[busy() for _ in range(9)])
    with pytest.raises(BusyError):
        ask(chat, RetryBudget(saved=9.0))
    assert len(chat.tries) == TRIES


def test_a_wait_beyond_the_request_s_patience_is_not_begun():
    chat = Failing(busy(61.0))
    with pytest.raises(BusyError):
        ask(chat)
    assert len(chat.tries) == 1


def test_tries_share_the_patience_of_the_request():
    chat = Failing(busy(), busy())
    ask(chat)
    assert chat.tries == sorted(chat.tries, reverse=True)
    assert chat.tries[0] <= 60.0


def test_a_service_that_is_down_is_asked_little_more_than_once_a_request():
    budget, tries, requests = RetryBudget(), 0, 200
    for _ in range(requests):
        chat = Failing(*[busy() for _ in range(TRIES)])
        with pytest.raises(BusyError):
            ask(chat, budget)
        tries += len(chat.tries)

    assert tries <= requests * 1.1 + 4


@given(st.lists(st.booleans(), max_size=300))
def test_a_budget_is_never_overdrawn(program):
    budget = RetryBudget()
    taken = earned = 0
    for earn in program:
        if earn:
            budget.earn()
            earned += 1
        else:
            taken += budget.take()
        assert 0 <= budget.saved <= budget.most
    assert taken <= 3 + earned / 10


@given(st.integers(1, 50), st.floats(0, 1))
def test_a_wait_has_bounds(tried, jitter):
    assert 0.25 <= wait(busy(), tried, jitter) <= LONGEST_WAIT_S
