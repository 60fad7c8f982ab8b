"""Paired comparisons against published values of the exact methods."""

import random

import pytest

from aidx.budget.paired import Pair, clopper_pearson, mcnemar, needed, paired
from aidx.stress.tasks import OPTIONS, tasks


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [  # tables of Clopper and Pearson, as R's binom.test prints them
        (0, 10, 0.0, 0.3084971),
        (5, 10, 0.1870860, 0.8129140),
        (10, 10, 0.6915029, 1.0),
        (1, 20, 0.001265089, 0.2487328),
        (81, 263, 0.2527215, 0.3676306),
    ],
)
def test_the_interval_is_exact(hits, count, low, high):
    assert clopper_pearson(hits, count) == pytest.approx((low, high), abs=2e-5)


@pytest.mark.parametrize(("lost", "won", "p"), [(10, 2, 0.03857422), (2, 10, 0.03857422), (4, 4, 1.0), (0, 6, 0.03125)])
def test_mcnemar_is_exact(lost, won, p):
    assert mcnemar(lost, won) == pytest.approx(p, abs=1e-8)


@pytest.mark.parametrize(("points", "parted", "tasks"), [(0.01, 0.05, 3924), (0.02, 0.08, 1566), (0.045, 0.15, 580)])
def test_how_many_tasks_show_a_difference(points, parted, tasks):
    """The tables of power for paired shares (Connor 1987) give 3,900, 1,570 and 580."""
    assert needed(points, parted) == pytest.approx(tasks, rel=0.01)


def test_what_both_get_right_or_wrong_says_nothing():
    found = paired([Pair(True, True, True)] * 50 + [Pair(False, False, False)] * 30 + [Pair(False, True, False)] * 20)

    assert (found.accuracy, found.accuracy_reference, found.lost, found.won) == (0.5, 0.7, 20, 0)
    assert found.flips == 0.5
    assert found.difference == pytest.approx(-0.2)
    assert found.difference_ci95.high < 0
    assert paired([Pair(True, True, True)] * 10).difference_ci95 == pytest.approx((-0.3084971, 0.3084971), abs=1e-5)


def test_tasks_come_from_their_seed_and_have_one_right_answer():
    made = tasks(300, random.Random(4).randrange)

    assert made == tasks(300, random.Random(4).randrange)
    assert made != tasks(300, random.Random(5).randrange)
    assert {task.kind for task in made} == {"predict", "choose", "apply"}
    assert all(len(set(task.options)) == OPTIONS for task in made)
    assert {task.right for task in made} == set(range(OPTIONS))
    for task in made:
        if task.kind == "predict":
            printed = []
            exec(task.prompt.partition("\n\n")[0], {"print": printed.append})
            assert task.options[task.right] == str(printed[0])
