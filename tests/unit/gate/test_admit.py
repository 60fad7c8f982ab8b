"""Admission by hand: who gets in, who waits, who is refused, and by how much."""

import pytest
from msgspec.structs import replace

from aidx.budget.settings import Settings
from aidx.errors import InputError
from aidx.gate.admit import Admission, Admitted, Limits, Queued, RefusedError, Reserved, common_prefix, limits

LIMITS = Limits(n_ctx=1024, n_ctx_seq=1024, slots=2, gate=768, max_tokens=256)


def test_the_output_is_what_was_asked_for():
    assert LIMITS.check(prompt=700, asked=324) == 324


@pytest.mark.parametrize(
    ("prompt", "asked", "over_by"),
    [
        (769, 1, 1),  # over the gate alone
        (768, 257, 1),  # over the context alone
        (800, 300, 76),  # over both: the larger excess
        (900, 150, 132),
        (5, 5000, 3981),
    ],
)
def test_a_request_over_gate_or_context_is_refused_with_the_numbers(prompt, asked, over_by):
    with pytest.raises(RefusedError) as refused:
        LIMITS.check(prompt, asked)

    assert refused.value.code == "context_length_exceeded"
    assert refused.value.exit_code == 3
    assert refused.value.numbers == {"n_prompt_tokens": prompt, "n_ctx": 1024, "gate": 768, "over_by": over_by}
    assert str(prompt) in str(refused.value)


def test_a_refusal_before_counting_says_at_least():
    assert "at least 900" in str(LIMITS.too_long(900, 1, 132, at_least=True))
    assert "at least" not in str(LIMITS.too_long(900, 1, 132))


@pytest.mark.parametrize(
    ("prompt", "granted"),
    [
        (100, 256),  # the role's
        (300, 212),  # the rest of the slot's share, 1024 / 2
        (768, 256),  # beyond the share: borrowed from the pool, which the gate has left room for
    ],
)
def test_without_a_bound_the_output_is_the_role_s_or_the_slot_s_share(prompt, granted):
    assert LIMITS.check(prompt, None) == granted


def test_slots_are_handed_out_once_each_and_the_rest_waits():
    admission = Admission(LIMITS)

    first, second, third = (admission.ask(ticket, 10) for ticket in "abc")

    assert isinstance(first, Admitted)
    assert isinstance(second, Admitted)
    assert {first.slot, second.slot} == {0, 1}
    assert third == Queued(ahead=0)
    assert admission.reserved == Reserved(cells=20, requests=2, queued=1)


def test_cells_run_out_before_slots():
    admission = Admission(LIMITS)
    admission.ask("a", 1000)

    assert admission.ask("b", 25) == Queued(ahead=0)


def test_nobody_overtakes_a_large_request():
    admission = Admission(LIMITS)
    admission.ask("a", 600)
    admission.ask("large", 1024)

    assert admission.ask("small", 10) == Queued(ahead=1)
    assert list(admission.leave("a")) == ["large"]
    assert list(admission.leave("large")) == ["small"]


def test_a_full_queue_turns_away():
    admission = Admission(LIMITS)
    for number in range(2 + 8):
        assert admission.ask(number, 1) is not None

    assert admission.full
    assert admission.ask("one more", 1) is None
    assert admission.reserved.queued == 8


def test_who_leaves_the_queue_lets_the_next_one_move_up():
    admission = Admission(LIMITS)
    admission.ask("a", 600)
    admission.ask("large", 1024)
    admission.ask("small", 10)

    assert list(admission.leave("large")) == ["small"]


def test_leaving_twice_releases_once():
    admission = Admission(LIMITS)
    admission.ask("a", 600)
    admission.ask("b", 400)
    admission.leave("a")

    assert admission.leave("a") == {}
    assert admission.reserved == Reserved(cells=400, requests=1, queued=0)


def test_a_conversation_returns_to_the_slot_that_holds_its_beginning():
    admission = Admission(LIMITS)
    admission.ask("a", 10, b"system one, question")
    admission.ask("b", 10, b"another, question")
    slots = {ticket: admission.running[ticket].slot for ticket in "ab"}
    admission.leave("a")
    admission.leave("b")

    later = admission.ask("a2", 10, b"system one, question, answer, question")

    assert later == Admitted(10, slots["a"])


def test_without_anything_in_common_the_slot_that_rested_longest_is_taken():
    admission = Admission(LIMITS)
    for ticket, prompt in (("a", b"x"), ("b", b"y")):
        admission.ask(ticket, 10, prompt)
    oldest = admission.running["a"].slot
    admission.leave("a")
    admission.leave("b")

    assert admission.ask("c", 10, b"z") == Admitted(10, oldest)


@pytest.mark.parametrize(
    ("first", "second", "length"),
    [(b"", b"", 0), (b"abc", b"abd", 2), (b"abc", b"abc", 3), (b"a", b"b", 0), (b"ab", b"abc", 2)],
)
def test_common_prefix(first, second, length):
    assert common_prefix(first, second) == length


def test_limits_follow_the_settings():
    assert limits(Settings(8192), 32768) == Limits(
        n_ctx=8192, n_ctx_seq=8192, slots=1, gate=7168, max_tokens=1024, trained=32768
    )
    assert limits(Settings(1024, parallel=2), 1024) == replace(LIMITS, trained=1024)
    apart = limits(Settings(2048, parallel=2, kv_unified=False), 4096, gate=500, max_tokens=100)
    assert apart == Limits(n_ctx=2048, n_ctx_seq=1024, slots=2, gate=500, max_tokens=100, trained=4096)


def test_no_sequence_is_longer_than_the_model_was_trained_for():
    assert limits(Settings(4096, parallel=4), 1024) == Limits(
        n_ctx=4096, n_ctx_seq=1024, slots=4, gate=768, max_tokens=256, trained=1024
    )


@pytest.mark.parametrize("own", [{"gate": 0}, {"gate": 1024}, {"max_tokens": 0}, {"max_tokens": 1024}])
def test_limits_that_the_context_does_not_hold_are_wrong_input(own):
    with pytest.raises(InputError, match="does not fit into a context of 1024"):
        limits(Settings(1024), 1024, **own)
