"""AUC, its DeLong variance, Brier scores and Platt's numbers against scikit-learn's and another package's."""

import json
from math import log
from pathlib import Path

import pytest

from aidx.patterns.router.fit import platt
from aidx.patterns.router.measure import NORMAL_95, auc, brier

CASES = json.loads((Path(__file__).parent / "router_figures.json").read_text("utf-8"))["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(len(case["scores"])))
def test_the_area_and_its_variance_are_those_of_others(case):
    found = auc(case["scores"], case["complex"])

    assert found.auc == pytest.approx(case["auc"], abs=1e-12)
    # The interval is taken on the logit: undo that to get at the standard error.
    width = (_logit(found.high) - _logit(found.low)) / 2 / NORMAL_95
    assert (width * found.auc * (1 - found.auc)) ** 2 == pytest.approx(case["variance"], rel=1e-6)


def _logit(share):
    return log(share / (1 - share))


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(len(case["scores"])))
def test_the_brier_score_is_that_of_others(case):
    assert brier(case["chances"], case["complex"]) == pytest.approx(case["brier"], abs=1e-9)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(len(case["scores"])))
def test_platts_numbers_are_those_of_a_logistic_regression(case):
    found = platt(case["scores"], case["complex"])

    assert (found.slope, found.offset) == pytest.approx((case["slope"], case["offset"]), abs=2e-4)
