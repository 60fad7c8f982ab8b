"""Models that are started when a pattern asks for them, and stopped when it has ended."""

import asyncio

import pytest

from aidx.errors import EngineError, InputError
from aidx.gate.admit import Limits
from aidx.gate.run import Seat, answer
from aidx.patterns import cascade, direct
from aidx.patterns.terms import Terms
from tests.fakes.engine import FakeChat
from tests.fakes.requests import prompt

LIMITS = Limits(n_ctx=1024, n_ctx_seq=1024, slots=1, gate=900, max_tokens=100)
ACCEPT = '{"verdict":"accept"}'


class Running:
    """A deployment of one scripted chat."""

    def __init__(self, *script, **fake):
        self.made = FakeChat(script=list(script), **fake)
        self.starts = self.stops = 0

    def start(self):
        self.starts += 1
        return self

    def chat(self):
        return self.made

    def stop(self):
        self.stops += 1


def seat(running, **more):
    return Seat(running.start, LIMITS, **more)


def test_only_those_are_started_who_are_asked_and_all_are_stopped():
    drafter, verifier, architect = Running("draft"), Running(ACCEPT), Running()
    seats = {"drafter": seat(drafter), "verifier": seat(verifier), "architect": seat(architect)}
    found = answer(cascade.answer(prompt(), Terms(roles=frozenset(seats))), seats)

    assert found.text == "draft"
    assert [(one.starts, one.stops) for one in (drafter, verifier, architect)] == [(1, 1), (1, 1), (0, 0)]


def test_roles_of_one_process_share_it():
    both = Running("draft", ACCEPT)
    seats = {role: seat(both, process="one") for role in ("drafter", "verifier")}
    answer(cascade.answer(prompt(), Terms(roles=frozenset(seats))), seats)

    assert (both.starts, both.stops) == (1, 1)


def test_whatever_fails_all_are_stopped():
    drafter, verifier = Running("draft"), Running(dead=True)
    seats = {"drafter": seat(drafter), "verifier": seat(verifier)}
    with pytest.raises(EngineError):
        answer(cascade.answer(prompt(), Terms(roles=frozenset(seats))), seats)
    assert (drafter.stops, verifier.stops) == (1, 1)


def test_a_model_that_cannot_be_started_is_the_pattern_s_to_hear_of():
    def broken():
        raise EngineError("no engine")

    with pytest.raises(EngineError, match="no engine"):
        answer(direct.answer(prompt(), Terms()), {"editor": Seat(broken, LIMITS)})
    with pytest.raises(InputError, match="no role editor"):
        answer(direct.answer(prompt(), Terms()), {})
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
