"""The tour, with a fake at the port of the engine: what it says moves with what it is given."""

import asyncio
import json

import pytest
from msgspec.structs import replace
from tests.fakes import plans
from tests.fakes.engine import FakeChat

from aidx.budget.ledger import Entry
from aidx.demo.run import run
from aidx.errors import CheckError, EngineError


def test_the_tour_compares_edits_and_refuses(tour, little, told):
    story = run(tour)

    assert story.holds
    assert [(row.what, row.planned, row.allocated) for row in story.running.differences] == [
        ("weights", 12 << 20, 12 << 20),
        ("kv_cache", 6 << 20, 6 << 20),
        ("compute", (9 << 20) + 5000, 9 << 20),
        ("output", 8192, 10_486),
    ]
    assert story.edit.result == "def g(a):\n    return a"
    assert story.refusal.numbers["n_prompt_tokens"] > story.refusal.numbers["gate"] == 768
    assert little.stopped
    assert [chat.closed for chat in little.opened] == [True]
    shown = "".join(told)
    assert "  01|def g(a):\n" in shown
    assert "-def f(a):\n  +def g(a):" in shown
    assert story.refusal.message in shown


def test_one_request_reaches_the_engine_at_temperature_zero_within_the_limits(tour, little):
    run(tour)

    (request,) = [json.loads(body) for chat in little.opened for body in chat.seen]
    assert request["temperature"] == 0
    assert request["max_tokens"] == 256
    assert request["messages"] == [
        {"role": "user", "content": "Rename the function f to g.\n\n01|def f(a):\n02|    return a"}
    ]


def test_other_buffers_give_other_numbers_and_no_all_clear(with_answer, allocated, told):
    tour, _ = with_answer(devices={"host": (Entry("weights", 13 << 20, "", "measured"), *allocated["host"][1:])})

    story = run(tour)

    assert not story.running.holds
    assert not story.holds
    shown = "".join(told)
    assert "13,631,488" in shown
    assert "+1,048,576  NOT AS PLANNED" in shown
    assert "did NOT take what was planned" in shown


def test_another_plan_gives_another_table(tour, evidence, told):
    run(replace(tour, article=lambda: replace(evidence, at_gate=plans.too_big())))

    shown = "".join(told)
    assert "  KV cache                       1.00 GiB   6.00 GiB  optimistic" in shown


@pytest.mark.parametrize(
    ("answer", "refused", "told_line"),
    [
        ("Sure!", "is not a line edit", "  refused: the edit is refused"),
        ("01|def g(a:", "line 1: ", "  refused: line 1: "),
        ("01|def h(a):", None, "NOT the edit that was asked for"),
    ],
)
def test_a_wrong_answer_is_shown_and_is_no_success(with_answer, told, answer, refused, told_line):
    tour, _ = with_answer(answer=answer)

    story = run(tour)

    assert not story.holds
    assert (refused in story.edit.refused) if refused else story.edit.refused is None
    assert story.edit.answer == answer
    assert (story.edit.diff == ()) == bool(refused)
    assert told_line in "".join(told)


def test_the_engine_is_stopped_when_a_request_fails(tour, little):
    def dead():
        return FakeChat(dead=True)

    little.chat = dead
    with pytest.raises(EngineError):
        run(tour)

    assert little.stopped


def test_an_answer_that_breaks_off_is_an_error(tour, little):
    little.end = b""

    with pytest.raises(EngineError, match="broke off"):
        run(tour)

    assert little.stopped


def test_a_gate_that_lets_too_much_through_is_a_failed_check(tour, little, monkeypatch):
    monkeypatch.setattr(FakeChat, "count", lambda *_, **__: asyncio.sleep(0, 5))
    monkeypatch.setattr(FakeChat, "least", lambda *_: 0)

    with pytest.raises(CheckError, match="a prompt of 5 tokens passed a gate of 768"):
        run(tour)

    assert little.stopped


def test_a_smaller_context_refuses_sooner(tour):
    def refused(cells):
        return run(replace(tour, plan=lambda: plans.small(cells))).refusal.numbers

    assert (refused(512)["n_ctx"], refused(512)["gate"]) == (512, 384)
    assert 384 < refused(512)["n_prompt_tokens"] < refused(1024)["n_prompt_tokens"]


def test_a_plain_screen_gets_ascii(tour, told):
    run(replace(tour, plain=True))

    assert "".join(told).isascii()
