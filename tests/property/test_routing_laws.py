"""Laws of routing: local_only holds whatever anybody says, and a router's numbers are what they claim to be."""

import json

from hypothesis import given
from hypothesis import strategies as st

from aidx.adapters.router import shipped
from aidx.errors import AidxError, EngineError, InputError
from aidx.gate.admit import RefusedError
from aidx.patterns.prompt import Prompt, Turn
from aidx.patterns.route import Judge, answer
from aidx.patterns.router import measure
from aidx.patterns.router.features import NAMES, PLACES, files_named, named, read
from aidx.patterns.router.labelled import parse
from aidx.patterns.terms import Terms
from aidx.patterns.vocabulary import Said

JUDGE = Judge(shipped())
REPLIES = st.one_of(
    st.builds(
        lambda zero, one: Said("0", first={"0": zero, "1": one}),
        st.floats(-30, 0),
        st.floats(-30, 0),
    ),
    st.builds(Said, st.text(max_size=20)),
    st.sampled_from(
        [
            EngineError("died"),
            EngineError("down", code="engine_loading"),
            InputError("no tools", code="tools_not_supported"),
            RefusedError("too long", code="context_length_exceeded", over_by=3),
            RefusedError("too long", code="history_over_gate", over_by=3),
            RefusedError("full", code="kv_budget_exhausted"),
        ]
    ),
)
TURNS = st.lists(
    st.builds(Turn.of, st.sampled_from(["system", "user", "assistant"]), st.text()), min_size=1, max_size=4
)
ROLES = st.sets(st.sampled_from(["editor", "architect", "gatekeeper", "drafter", "verifier"]))


def asked(turns, terms, replies):
    """Who was asked, whatever came of it."""
    steps = answer(Prompt(tuple(turns)), terms, JUDGE)
    roles, left, result = [], iter(replies), None
    try:
        while True:
            if isinstance(result, AidxError):
                effect = steps.throw(result)
            else:
                effect = next(steps) if result is None else steps.send(result)
            roles.append(effect.role)
            result = next(left, EngineError("died"))
    except (StopIteration, AidxError):
        return roles


@given(TURNS, ROLES, ROLES, st.lists(REPLIES, max_size=4))
def test_with_local_only_no_role_elsewhere_is_ever_asked(turns, roles, remote, replies):
    terms = Terms(roles=frozenset(roles), remote=frozenset(remote), local_only=True)
    assert set(asked(turns, terms, replies)) <= roles - remote


@given(TURNS, ROLES, ROLES, st.lists(REPLIES, max_size=4))
def test_a_secret_goes_nowhere_else_either(turns, roles, remote, replies):
    """Not even to a gatekeeper elsewhere, who would read it."""
    terms = Terms(roles=frozenset(roles), remote=frozenset(remote))
    secret = [*turns, Turn.of("user", "the key is sk-abcdefghijklmnop1234, why is it refused?")]
    assert set(asked(secret, terms, replies)) <= roles - remote


@given(TURNS, ROLES, ROLES, st.booleans(), st.lists(REPLIES, max_size=4))
def test_nobody_is_asked_twice_and_at_most_three_are(turns, roles, remote, local_only, replies):
    terms = Terms(roles=frozenset(roles), remote=frozenset(remote), local_only=local_only)
    found = asked(turns, terms, replies)
    assert len(set(found)) == len(found) <= 3


@given(st.text())
def test_every_text_has_a_probability_and_its_features_have_names(text):
    assert 0.0 < JUDGE.router.probability(text) < 1.0
    found = read(text).features()
    assert {one.place: one.value for one in named(text)} == found
    assert all(0 <= place < PLACES for place in found)
    total = sum(reason.adds for reason in JUDGE.router.reasons(text)) + JUDGE.router.bias / (1 << 12)
    assert abs(total - JUDGE.router.score(text)) < 1e-9
    assert all(place >= len(NAMES) for place in read(text).grams)
    assert len(files_named(text)) <= len(text)


SCORED = st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=40).filter(
    lambda rows: {label for _, label in rows} == {True, False}
)


@given(SCORED)
def test_the_area_is_the_share_of_pairs_in_the_right_order(rows):
    scores, labels = zip(*rows, strict=True)
    hard = [score for score, one in rows if one]
    easy = [score for score, one in rows if not one]
    pairs = sum((up > down) + (up == down) / 2 for up in hard for down in easy) / (len(hard) * len(easy))
    found = measure.auc(scores, labels)
    assert abs(found.auc - pairs) < 1e-9
    assert 0 <= found.low <= found.auc <= found.high <= 1
    assert abs(measure.auc([-score for score in scores], labels).auc + found.auc - 1) < 1e-9


LABELLED = st.lists(
    st.tuples(st.text(min_size=1).filter(str.strip), st.sampled_from(["simple", "complex"])), min_size=1
)


@given(LABELLED)
def test_what_is_written_as_json_lines_is_read(rows):
    data = "\n".join(json.dumps({"prompt": prompt, "label": label}) for prompt, label in rows).encode()
    if len({label for _, label in rows}) == 1:
        return
    assert [(row.prompt, row.label) for row in parse(data, "f")] == rows


@given(st.binary(max_size=200))
def test_bytes_are_prompts_or_an_input_error(data):
    try:
        wrong = parse(data, "f") and None
    except InputError as error:
        wrong = error
    assert wrong is None or (wrong.hint and "\n" not in str(wrong))
