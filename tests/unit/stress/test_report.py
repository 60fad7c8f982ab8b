"""What a proof looks like: lines, JSON by its schema, a page that stands alone."""

import json
from importlib.resources import files

import jsonschema_rs
import pytest
from msgspec.structs import replace

from aidx.budget.proof import Peak, Proof, Twin, judge
from aidx.page.proof import render
from aidx.stress.contract import as_json
from aidx.stress.words import lines
from tests.fakes.proofs import MIB, evidence

TWIN = Twin(died=True, what="the ceiling killed it at turn 9", answered=8, peak=99 * MIB, settings="4 slots")
SCHEMA = jsonschema_rs.validator_for(
    json.loads((files("aidx") / "data" / "schemas" / "stress.json").read_text("utf-8"))
)
CASES = [
    {},
    {"kind": "none", "held": False, "no_ceiling": "no cgroup"},
    {"kills": 1, "ended": "signal 9", "allocated": {}, "rows": (), "growth": None, "timeline": ()},
    {"peaks": (Peak("host", 100 * MIB, None),), "over_refused": None},
]


def proof(twin=None, **changes):
    seen = evidence(**changes)
    return Proof(*judge(seen), "0123456789abcdef", seen, twin)


@pytest.mark.parametrize("changes", CASES)
@pytest.mark.parametrize("twin", [None, TWIN])
def test_the_object_is_as_its_schema_says(changes, twin):
    found = as_json(proof(twin, **changes))

    SCHEMA.validate(json.loads(json.dumps(found)))
    assert sum(entry["bytes"] for entry in found["planned"]) == found["planned_peak_bytes"]


def test_measured_entries_sum_up_to_the_measured_peak():
    found = as_json(proof())

    assert sum(entry["bytes"] for entry in found["measured"]) == found["measured_peak_bytes"] == 92 * MIB


def test_three_lines_say_it():
    first, second, third, *rest = lines(proof(TWIN), "tiny")

    assert first.startswith("HOLDS: tiny: peak 92.0 MiB of 100.0 MiB planned")
    assert second == "one token over the limit: refused"
    assert third == "unplanned, under the same ceiling: dies: the ceiling killed it at turn 9"
    assert any("Engine process" in line and "-25.0%" in line for line in rest)
    assert any("KV cache" in line and "as planned" in line for line in rest)


@pytest.mark.parametrize("changes", CASES)
def test_every_verdict_has_lines_and_a_page(changes):
    made = proof(TWIN, **changes)
    page = render(made, "<tiny>")

    assert made.reason in lines(made, "tiny")[0]
    assert f'data-verdict="{made.verdict}"' in page
    assert "<tiny>" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_what_was_not_tried_is_said():
    made = replace(proof(over_refused=None))

    assert lines(made, "tiny")[1] == "one token over the limit: not tried"
    assert "not tried (--twin)" in lines(made, "tiny")[2]


def test_buffers_that_the_engine_does_not_name_are_not_shown_as_nothing():
    unnamed = proof(allocated={}, rows=())
    said = lines(unnamed, "m")

    assert as_json(unnamed)["differences"] == []
    assert "entry by entry: not compared, the engine does not say what its buffers take" in said
    assert not [line for line in said if " 0 B" in line]
