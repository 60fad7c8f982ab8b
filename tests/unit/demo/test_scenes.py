"""The values of the tour: the article's table, tasks, streams, and the JSON object."""

import json

import pytest
from msgspec.structs import replace
from tests.fakes import plans

from aidx.demo import task as tasks
from aidx.demo.article import budget
from aidx.demo.contract import as_json
from aidx.demo.run import run
from aidx.errors import InputError


def test_the_articles_table_adds_up_and_its_figures_are_among_its_claims(evidence):
    found = budget(evidence)
    claimed = {claim.claimed_bytes for claim in found.claims}

    assert [row.stated for row in found.table] == [8 << 30, 1 << 30, 1 << 29, 5 << 29]
    assert {row.stated for row in found.table} <= claimed
    assert found.stated.headroom == found.table[-1].stated


def test_the_exact_side_comes_from_the_plan(evidence):
    def column(plan):
        return [row.exact for row in budget(replace(evidence, at_gate=plan)).table]

    card = plans.gpu()
    assert column(plans.fitting()) == [8_544_198_656, 1536 << 20, (512 << 20) + 135_280_768, card.headroom]
    assert column(plans.too_big())[1] == 6 << 30


def test_more_headroom_than_there_is_counts_as_optimistic(evidence):
    assert budget(evidence).table[-1].verdict == "optimistic"


def test_tasks_are_read_and_picked_by_number_or_by_kind():
    fields = {"file": "f.py", "instruction": "i", "source": "s", "edited": "e"}
    found = tasks.read(json.dumps([{"kind": "other", **fields}, {"kind": tasks.SHOWN, **fields}]))

    assert tasks.pick(found, 1) == tasks.Task("other", "f.py", "i", "s", "e")
    assert tasks.pick(found, None).kind == tasks.SHOWN
    for number in (0, 3, -1):
        with pytest.raises(InputError, match=f"no task {number}"):
            tasks.pick(found, number)


def test_an_overlong_prompt_is_about_twice_the_gate(task):
    each = len(tasks.shown(task).split())

    for gate in (10, 64, 1000):
        assert gate < len(tasks.overlong(task, gate, each=each).split()) <= 2 * gate + 2 * each


def test_the_object_has_what_the_tour_found(tour):
    story = run(tour)
    found = as_json(story, html="demo.html", seconds=1.234)

    assert found["schema"] == "aidx.demo/1"
    assert found["holds"] is True
    assert found["article"]["budget"][0] == {
        "component": "Model weights",
        "stated_bytes": 8 << 30,
        "exact_bytes": 8_544_198_656,
        "verdict": "holds",
    }
    assert found["article"]["plans"]["F16"]["verdict"] == "does_not_fit"
    assert found["plan"]["plan_hash"] == story.running.plan.plan_hash
    assert [entry["difference_bytes"] for entry in found["comparison"]["entries"]] == [0, 0, -5000, 2294]
    assert found["edit"]["result"] == "def g(a):\n    return a"
    assert found["refusal"]["over_by"] == story.refusal.numbers["over_by"]
    assert (found["html"], found["seconds"]) == ("demo.html", 1.23)
