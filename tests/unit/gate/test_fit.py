"""What does not fit is refused with its numbers, or loses whole exchanges and says which."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from aidx.gate.admit import Limits, RefusedError
from aidx.gate.count import Counter
from aidx.gate.fit import Fitter
from aidx.gate.prompt import Prompt
from tests.fakes.engine import TEMPLATE_TOKENS, TOKEN, FakeChat
from tests.fakes.requests import prompt, turn

LIMITS = Limits(n_ctx=400, n_ctx_seq=200, slots=2, gate=150, max_tokens=16)
COMPACT = replace(LIMITS, overflow="compact")
SAID = "x" * 10 * TOKEN  # 14 tokens with its share of the template
EACH = 10 + TEMPLATE_TOKENS


def conversation(exchanges, *, system=True, asked=8):
    before = [("system", SAID)] * system + [("user", SAID), ("assistant", SAID)] * exchanges
    return prompt(SAID, asked, before=before)


def fit(limits, asked):
    async def run():
        chat = FakeChat()
        return await Fitter(limits, Counter(None, print)).fit(chat, asked), chat

    return asyncio.run(run())


def test_what_fits_is_left_alone():
    fitted, chat = fit(COMPACT, conversation(3))

    assert fitted.prompt == conversation(3)
    assert (fitted.tokens, fitted.output) == (TEMPLATE_TOKENS + 8 * EACH, 8)
    assert (fitted.evicted_messages, fitted.evicted_tokens) == (0, 0)
    assert chat.counts == 1


def test_without_leave_nothing_is_left_out():
    with pytest.raises(RefusedError) as refused:
        fit(LIMITS, conversation(9))

    assert refused.value.code == "context_length_exceeded"
    assert refused.value.numbers["over_by"] == TEMPLATE_TOKENS + 20 * EACH - 150


def test_the_oldest_exchanges_are_left_out_and_counted():
    fitted, _ = fit(COMPACT, conversation(9))

    assert fitted.evicted_messages == 10  # ten messages of 14 tokens and the template's 4 are within 150
    assert fitted.evicted_tokens == 10 * EACH
    assert fitted.tokens == TEMPLATE_TOKENS + 10 * EACH
    assert [one.role for one in fitted.prompt.turns[:2]] == ["system", "user"]
    assert fitted.prompt.turns[-1] == conversation(9).turns[-1]


def test_what_was_asked_for_as_output_counts_as_well():
    fitted, _ = fit(COMPACT, conversation(4, asked=100))

    assert fitted.tokens + 100 <= 200
    assert fitted.evicted_messages == 4


def test_calls_and_their_results_stay_together():
    turns = [turn("user", SAID), turn("assistant", SAID), turn("tool", SAID), turn("assistant", SAID)] * 4
    fitted, _ = fit(COMPACT, Prompt((*turns, turn("user", SAID)), max_tokens=1))

    assert fitted.evicted_messages % 4 == 0
    assert fitted.prompt.turns[0].role == "user"


def test_the_last_question_itself_is_never_left_out():
    with pytest.raises(RefusedError) as refused:
        fit(COMPACT, prompt(SAID * 20, 1, before=[("user", SAID), ("assistant", SAID)]))

    assert refused.value.numbers["n_prompt_tokens"] == TEMPLATE_TOKENS * 2 + 200


@given(exchanges=st.integers(0, 30), asked=st.integers(1, 180), system=st.booleans(), gate=st.integers(20, 199))
@settings(deadline=None)
def test_compaction_leaves_out_as_little_as_it_can(exchanges, asked, system, gate):
    limits = replace(COMPACT, gate=gate)
    whole = conversation(exchanges, system=system, asked=asked)
    total = TEMPLATE_TOKENS + EACH * len(whole.turns)
    least = TEMPLATE_TOKENS + EACH * (1 + system)
    if limits.over(least, asked) > 0:  # not even the question alone
        with pytest.raises(RefusedError) as refused:
            fit(limits, whole)
        assert refused.value.numbers["over_by"] == limits.over(least, asked)
        return
    fitted, _ = fit(limits, whole)
    assert limits.over(fitted.tokens, asked) <= 0
    assert fitted.tokens + fitted.evicted_tokens == total
    if fitted.evicted_messages:
        assert limits.over(fitted.tokens + 2 * EACH, asked) > 0  # one exchange more would have been too many


def test_history_over_its_own_bound_is_refused_and_never_compacted():
    limits = replace(COMPACT, history=60)
    fit(limits, conversation(2))

    with pytest.raises(RefusedError) as refused:
        fit(limits, conversation(3))
    assert refused.value.code == "history_over_gate"
    assert refused.value.numbers == {"n_history_tokens": 84, "max_chat_history_tokens": 60, "over_by": 24}


def test_no_history_at_all_may_be_wanted():
    limits = replace(LIMITS, history=0)
    fit(limits, conversation(0))

    with pytest.raises(RefusedError, match="28 tokens between"):
        fit(limits, conversation(1))


def test_the_history_ends_where_the_user_spoke_last():
    asked = Prompt((turn("user", SAID), turn("assistant", SAID), turn("tool", SAID)), max_tokens=1)

    assert list(asked.history) == []
    assert list(Prompt((turn("system", "s"),)).history) == []
    assert list(conversation(2).history) == [1, 2, 3, 4]
    assert [list(one) for one in conversation(2).exchanges] == [[1, 2], [3, 4]]


def test_embeddings_are_bound_by_the_gate_and_take_no_output():
    fitted, _ = fit(
        LIMITS, Prompt((), ("a" * 40, "b" * 40), b'"input":["%b","%b"]' % (b"a" * 40, b"b" * 40), kind="embedding")
    )

    assert (fitted.tokens, fitted.output) == (20, 0)
