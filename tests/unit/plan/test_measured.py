"""The search among measured ways: few questions, and the answer that trying all of them gives."""

import json
from importlib.resources import files
from math import ceil, log2
from types import SimpleNamespace

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aidx.budget.divergence import Scored, summarise
from aidx.cli._measure import Figures, _report, lines
from aidx.errors import BudgetError
from aidx.plan.measured import Way, search

LOSSES = (0.001, 0.005, 0.01, 0.03, 0.04, 0.1, 0.4)
SPEEDS = (10.0, 12.0, 14.0, 17.0, 18.0, 20.0, 24.0)
WAYS = tuple(Way(f"T{number}", "f16", "f16", 1000 - number) for number in range(len(LOSSES)))


def found(ways=WAYS, **bounds):
    """The winner and what was asked."""
    steps = search(ways, **bounds)
    asked = []
    try:
        request = next(steps)
        while True:
            asked.append((request.way, request.what))
            place = WAYS.index(request.way)
            request = steps.send(LOSSES[place] if request.what == "loss" else SPEEDS[place])
    except StopIteration as stop:
        return stop.value, asked


@given(st.floats(0, 0.5), st.integers(1, len(WAYS)))
def test_the_smallest_that_loses_little_enough(most, count):
    within = [way for way, loss in zip(WAYS[:count], LOSSES, strict=False) if loss <= most]
    if not within:
        with pytest.raises(BudgetError, match="loses so little"):
            found(WAYS[:count], max_loss=most, min_tps=None)
        return
    winner, asked = found(WAYS[:count], max_loss=most, min_tps=None)

    assert winner == within[-1]
    assert len(asked) <= ceil(log2(count + 1))


@given(st.floats(0, 30), st.one_of(st.none(), st.floats(0, 0.5)))
def test_the_least_loss_that_is_fast_enough(least, most):
    fast = [place for place, speed in enumerate(SPEEDS) if speed >= least]
    if not fast or (most is not None and LOSSES[fast[0]] > most):
        with pytest.raises(BudgetError):
            found(max_loss=most, min_tps=least)
        return
    winner, asked = found(max_loss=most, min_tps=least)

    assert winner == WAYS[fast[0]]
    assert len(asked) <= ceil(log2(len(WAYS) + 1)) + 1


def test_without_bounds_the_largest_wins_and_nothing_is_measured():
    assert found(max_loss=None, min_tps=None) == (WAYS[0], [])


def test_the_report_keeps_to_its_schema():
    figures = Figures({WAYS[0]: summarise([Scored(1, 1, 0.1, same=True)] * 9, lambda count: count - 1)}, {WAYS[1]: 9.5})
    settings = SimpleNamespace(ctx_size=4096, n_gpu_layers=0)
    plan = SimpleNamespace(settings=settings, plan_hash="abc")
    report = _report(
        SimpleNamespace(model="m.gguf"), figures, WAYS[0], "a b.gguf", plan, SimpleNamespace(verdict="HOLDS")
    )
    schema = json.loads((files("aidx") / "data" / "schemas" / "choose-measured.json").read_text())

    jsonschema_rs.validator_for(schema).validate(report)
    assert "aidx serve 'a b.gguf' -c 4096 -ctk f16 -ctv f16" in list(lines(report))
    assert [row["quantization"] for row in report["measured"]] == ["T0", "T1"]
