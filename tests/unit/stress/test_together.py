"""Proofs of several processes as one of the deployment."""

import pytest
from msgspec.structs import replace

from aidx.budget.ledger import Account, Ledger
from aidx.budget.proof import Moment, Proof
from aidx.plan.deployment.members import Member
from aidx.plan.deployment.plan import deploy
from aidx.plan.need import Need
from aidx.stress.together import TURNS, together
from tests.fakes.proofs import MIB, evidence
from tests.unit.plan.worlds import drive, engine, machine, model

GIB = 1 << 30


def whole(*entries_of):
    plan = drive(deploy([Member(role, model(4), Need(ctx_size=512)) for role in entries_of], machine(GIB)), engine())[0]
    base = evidence().ledger.accounts[0].entries
    entries = tuple(replace(entry, role=role) for role in entries_of for entry in base)
    return replace(plan, ledger=Ledger((Account("host", "host", GIB, entries),)))


def proof(verdict="HOLDS", **changes):
    return Proof(verdict, f"why {verdict}", "0" * 16, evidence(**changes))


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (("HOLDS", "HOLDS"), "HOLDS"),
        (("HOLDS", "NOT_PROVEN"), "NOT_PROVEN"),
        (("DOES_NOT_HOLD", "NOT_PROVEN"), "DOES_NOT_HOLD"),
    ],
)
def test_the_whole_is_no_better_than_its_worst(verdicts, expected):
    plan = whole("editor", "drafter")
    found = together(plan, dict(zip(("editor", "drafter"), map(proof, verdicts), strict=True)))
    assert (found.verdict, found.plan_hash) == (expected, plan.plan_hash)
    assert found.reason.count("why") == 2


def test_bytes_and_requests_are_added_up():
    plan = whole("editor", "drafter")
    moments = (Moment(0.0, 1, "start"), Moment(2.5, 3))
    one = evidence(timeline=moments)
    seen = together(plan, {"editor": proof(timeline=moments), "drafter": proof(timeline=moments)}).evidence
    assert seen.ceiling == 2 * one.ceiling == 200 * MIB
    assert seen.planned_peak == 2 * one.planned_peak
    assert seen.measured_peak == 2 * one.measured_peak
    assert seen.requests.answered == 2 * one.requests.answered
    assert (seen.kind, seen.held, seen.over_refused, seen.notes) == (one.kind, True, True, (TURNS,))
    events = [(moment.seconds, moment.event) for moment in seen.timeline]
    assert events == [(0.0, "editor: start"), (2.5, ""), (2.5, "drafter: start"), (5.0, "")]


def test_what_one_of_them_lacks_the_whole_lacks():
    plan = whole("editor", "drafter")
    lacking = {"kind": "none", "held": False, "no_ceiling": "no cgroup", "over_refused": None, "occupancy": 0.5}
    unseen = tuple(replace(peak, measured=None) for peak in evidence().peaks)
    seen = together(plan, {"editor": proof(), "drafter": proof("NOT_PROVEN", **lacking, peaks=unseen)}).evidence
    assert (seen.kind, seen.held, seen.no_ceiling, seen.over_refused) == ("none", False, "no cgroup", None)
    assert (seen.occupancy, seen.measured_peak) == (0.5, 0)
    seen = together(plan, {"editor": proof(over_refused=False), "drafter": proof(over_refused=None)}).evidence
    assert seen.over_refused is False


def test_what_was_not_loaded_is_said_and_not_counted():
    plan = whole("editor", "embedder")
    seen = together(plan, {"editor": proof()}).evidence
    assert seen.planned_peak == evidence().planned_peak
    assert "embedder is planned on host and makes vectors: its peak is not reached" in seen.notes
