import json
from pathlib import Path

import pytest

from aidx.budget.prices import Price
from aidx.errors import InputError
from aidx.patterns.router import fit, measure
from aidx.patterns.router.features import read
from aidx.patterns.router.labelled import parse
from aidx.patterns.router.stored import dumps, loads
from aidx.patterns.router.train import train

SET = Path(__file__).parents[4] / "scripts" / "router"
TRAINING = parse((SET / "train.jsonl").read_bytes(), "train.jsonl")
SOME = TRAINING[::6]


def rows(*texts):
    return [fit.Row(read(text), is_complex, text) for text, is_complex in texts]


def test_what_tells_the_labels_apart_is_learnt():
    data = rows(
        *((f"please translate word {n}", False) for n in "abcdefgh"), *((f"migrate {n}", True) for n in "abcdefgh")
    )
    found = fit.fit(data)
    assert found.score(read("translate this")) < 0 < found.score(read("migrate this"))


def test_the_same_rows_and_seed_give_the_same_router_to_the_byte():
    assert dumps(train(SOME, about="x")) == dumps(train(SOME, about="x"))
    assert dumps(train(SOME, about="x")) != dumps(train(SOME, about="x", seed=2))


def test_groups_are_never_split_and_both_labels_are_in_every_fold():
    data = [fit.Row(read(row.prompt), row.is_complex, row.group) for row in TRAINING]
    fold_of = fit.folds(data)
    groups = {}
    for row, fold in zip(data, fold_of, strict=True):
        groups.setdefault(row.group, set()).add(fold)
    assert all(len(folds) == 1 for folds in groups.values())
    for fold in range(fit.FOLDS):
        assert {row.is_complex for row, of in zip(data, fold_of, strict=True) if of == fold} == {True, False}


def test_few_rows_move_the_prior_little_and_many_a_lot():
    data = rows(*((f"green {n}", True) for n in range(4)), *((f"blue {n}", False) for n in range(4)))
    prior = fit.fit(rows(*((f"green {n}", False) for n in range(40)), *((f"blue {n}", True) for n in range(40))))
    held, moved = fit.fit(data, prior, pull=50.0), fit.fit(data * 200, prior, pull=0.01)
    green = read("green 1")
    assert prior.score(green) < 0
    assert held.score(green) == pytest.approx(prior.score(green), abs=0.6)
    assert moved.score(green) > 0


def test_a_stored_router_is_the_router():
    router = train(SOME, about="some prompts")
    again = loads(dumps(router).encode(), "router.json")
    assert [again.score(row.prompt) for row in SOME] == [router.score(row.prompt) for row in SOME]
    assert again.threshold == router.threshold
    assert dumps(again) == dumps(router)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda file: file.pop("weights"), "missing required field weights"),
        (lambda file: file.update(features=2), "trained for features 2"),
        (lambda file: file.update(threshold=1.5), "<= 1.0"),
        (lambda file: file["weights"].update({"99999": 1}), "int"),
        (lambda file: file["weights"].update({"1": 1 << 40}), "int"),
        (lambda file: file.update(more=1), "unknown field more"),
        (lambda file: file.update(schema="aidx.plan/1"), "aidx.plan/1"),
    ],
)
def test_what_is_no_router_is_said(change, says):
    file = json.loads(dumps(train(SOME, about="x")))
    change(file)
    with pytest.raises(InputError, match=r"r\.json") as wrong:
        loads(json.dumps(file).encode(), "r.json")
    assert says in str(wrong.value)
    assert wrong.value.hint


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[]", b"null"])
def test_what_is_no_json_is_no_router(data):
    with pytest.raises(InputError, match=r"r\.json is no router"):
        loads(data, "r.json")


def test_too_few_of_a_label_cannot_be_trained_on():
    few = [row for row in TRAINING if not row.is_complex][:30] + [row for row in TRAINING if row.is_complex][:9]
    with pytest.raises(InputError, match="9 prompts are labelled complex; training takes at least 10"):
        train(few, about="x")


def test_the_threshold_keeps_what_was_asked_for():
    router = train(SOME, about="x", most_missed=0.05)
    assert router.measured.missed_complex_rate <= 0.05


def test_platt_stays_finite_where_scores_separate_the_labels():
    found = fit.platt([-3.0, -2.0, 2.0, 3.0], [False, False, True, True])
    assert 0 < found.slope < 10
    assert found.probability(-1e9) < 1e-300
    assert found.probability(1e9) == 1.0


@pytest.mark.parametrize("scores", [[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
def test_scores_that_say_nothing_become_the_base_rate(scores):
    found = fit.platt(scores, [True, False, False, False])
    assert found.probability(scores[0]) == pytest.approx(0.3, abs=0.05)


def test_separated_prompts_do_not_promise_certainty():
    assert measure.auc([0.1] * 10 + [0.9] * 10, [False] * 10 + [True] * 10) == (1.0, pytest.approx(0.7), 1.0)
    assert measure.auc([0.9, 0.1], [False, True]) == (0.0, 0.0, 1.0)
    assert measure.auc([0.5] * 4, [True, False] * 2).auc == 0.5
    alone = measure.auc([0.5, 0.4, 0.6], [True, False, False])
    assert alone.low < alone.auc < alone.high


def test_the_curve_is_monotone_and_ends_at_nothing():
    chances = [0.1, 0.4, 0.35, 0.8, 1.0]
    found = measure.curve(chances, [False, False, True, True, True])
    assert [point.escalation_rate for point in found] == sorted((p.escalation_rate for p in found), reverse=True)
    assert [point.missed_complex_rate for point in found] == sorted(p.missed_complex_rate for p in found)
    assert found[0][1:] == (1.0, 0.0, 0.6)


def test_the_cost_is_that_of_the_chosen():
    editor, architect = Price(0.0, 1.0), Price(3.0, 15.0)
    found = measure.cost([measure.Size(1000, 100)] * 4, [True, False, False, False], editor, architect)
    assert found.architect == pytest.approx(4 * 0.0045)
    assert found.routed == pytest.approx(0.0045 + 3 * 0.0001)
    assert found.saved == pytest.approx(1 - found.routed / found.architect)
    assert measure.cost([], [], editor, editor).saved == 0.0


def test_calibrated_and_uncalibrated_probabilities():
    truth = [True, False] * 50
    assert measure.ece([0.5] * 100, truth) == pytest.approx(0.0)
    assert measure.ece([1.0] * 100, truth) == pytest.approx(0.5)
    assert measure.brier([0.5] * 100, truth) == pytest.approx(0.25)
