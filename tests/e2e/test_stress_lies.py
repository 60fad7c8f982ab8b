"""A proof that cannot fail proves nothing: each lie of an engine is caught, and named."""

import os
import time

import psutil
import pytest
from tests.fakes._lying_child import LIES
from tests.fakes.lying import ROOT, Lies, LyingEngine

from aidx import wiring
from aidx.adapters.ceiling.find import find
from aidx.adapters.sampling.tree import TreeSampler
from aidx.advise import plan as make
from aidx.plan.need import Need
from aidx.plan.wish import Wish
from aidx.ports.chat import Patience
from aidx.ports.engine import Launch
from aidx.stress.load import Load
from aidx.stress.run import Bench, prove
from aidx.stress.subject import of

MIB = 1 << 20
CEILING = find(64 * MIB)
WALLED = pytest.mark.skipif(isinstance(CEILING, str), reason=f"no hard ceiling here: {CEILING}")
if not isinstance(CEILING, str):
    CEILING.close()


class Blind:
    def read(self):
        return None


@pytest.fixture(scope="module")
def plan():
    """aidx-tiny with 256 tokens: a second under load."""
    tiny = wiring.resolve("aidx-tiny")
    with wiring.asking(need := Need(ctx_size=256)) as prober:
        return make(tiny.model, need, wiring.machine(Wish(vram=(0,))), prober)


def proved(plan, lies=None, *, ceiling=None, see=TreeSampler, patient=None, wall=find):
    lies = lies or Lies()
    model = plan.roles[0].model
    engine = LyingEngine(lies)
    bench = Bench(
        start=lambda settings, under: engine.start(Launch(model.path, model.name, settings, under=under)),
        see=see,
        ceiling=wall,
        load=Load(turns=6),
        **({} if patient is None else {"patient": patient}),
    )
    return prove(bench, of(plan), ceiling)


def ended():
    """Whether nothing of this tree's lying engine runs any more."""
    return not any(map(lying, psutil.process_iter()))


def lying(process):
    try:
        told = process.environ()
        mine = told.get("PYTHONPATH") == ROOT and f"of={os.getpid()}" in told.get(LIES, "").split(",")
        return mine and "_lying_child" in " ".join(process.cmdline())
    except psutil.Error:
        return False


@WALLED
def test_an_honest_engine_holds(plan):
    found = proved(plan)

    assert (found.verdict, found.evidence.kills) == ("HOLDS", 0), found.reason
    assert found.evidence.occupancy >= 0.99
    assert found.evidence.held
    assert found.evidence.requests.lost == 0
    assert 1 <= found.evidence.requests.queued <= 4  # fewer where one is answered before the last has come
    assert found.evidence.over_refused
    assert not found.evidence.cut
    assert found.evidence.measured_peak <= found.evidence.planned_peak == found.evidence.ceiling


@WALLED
def test_one_that_holds_more_than_it_says_is_killed(plan):
    found = proved(plan, Lies(ballast=160 * MIB))

    assert found.verdict == "DOES_NOT_HOLD"
    assert found.evidence.kills
    assert "killed it" in found.reason


def test_without_a_ceiling_it_is_still_seen_to_hold_more(plan):
    found = proved(plan, Lies(ballast=160 * MIB), wall=lambda _: "not here")

    assert found.verdict == "DOES_NOT_HOLD"
    assert "more than planned" in found.reason


@WALLED
def test_one_whose_daemon_got_away_is_seen_and_cleaned_up(plan):
    found = proved(plan, Lies(daemon=8 * MIB))

    assert found.verdict == "DOES_NOT_HOLD"
    assert found.reason == "1 process(es) outlived the engine"
    assert ended()


@WALLED
def test_one_whose_daemon_holds_what_it_does_not_is_seen_to(plan):
    found = proved(plan, Lies(daemon=100 * MIB), ceiling=1024 * MIB)

    assert found.verdict == "DOES_NOT_HOLD"
    assert found.evidence.measured_peak > found.evidence.planned_peak


def test_one_that_answers_late_loses_its_requests(plan):
    found = proved(plan, Lies(late_s=1e6), patient=lambda *_: Patience(0.2, 0.2))

    assert found.verdict == "DOES_NOT_HOLD"
    assert found.evidence.requests.lost == 1
    assert "nothing for too long" in found.reason


def test_one_that_will_not_end_is_ended(plan):
    begun = time.monotonic()
    found = proved(plan, Lies(deaf=True))

    assert found.evidence.left == 0
    assert ended()
    assert time.monotonic() - begun < 120


def test_one_that_dies_in_the_middle_is_seen_to(plan):
    found = proved(plan, Lies(dies_at=6))

    assert found.verdict == "DOES_NOT_HOLD"
    assert "signal 9" in found.reason
    assert found.evidence.requests.lost >= 1
    assert found.evidence.kills == 0


def test_an_endpoint_that_counts_no_more_in_the_middle_has_lost_its_engine(plan):
    found = proved(plan, Lies(gone_at=6))

    assert found.verdict == "DOES_NOT_HOLD"
    assert "the model is being loaded" in found.reason


def test_an_endpoint_that_never_counted_proves_nothing(plan):
    assert proved(plan, Lies(gone_at=0)).verdict == "NOT_PROVEN"


def test_one_that_cuts_prompts_is_caught_by_its_own_count(plan):
    assert proved(plan, Lies(short=3)).reason.startswith("the engine read fewer tokens than it was sent")


def test_one_that_takes_what_is_too_long_is_caught(plan):
    found = proved(plan, Lies(greedy=True))

    assert found.verdict == "DOES_NOT_HOLD"
    assert found.evidence.cut


@WALLED
def test_a_pool_that_is_not_full_proves_nothing(plan):
    found = proved(plan, Lies(empty=True))

    assert (found.verdict, found.evidence.occupancy) == ("NOT_PROVEN", 0)
    assert "0.0% of the KV pool" in found.reason


@WALLED
def test_a_blind_sampler_proves_nothing(plan):
    found = proved(plan, see=lambda _: Blind())

    assert found.verdict == "NOT_PROVEN"
    assert "could not be seen" in found.reason


def test_without_a_ceiling_nothing_is_proven(plan):
    found = proved(plan, wall=lambda _: "not on this machine")

    assert found.verdict == "NOT_PROVEN"
    assert found.reason == "there is no hard ceiling: not on this machine"


@WALLED
def test_a_ceiling_under_which_it_cannot_load_does_not_hold(plan):
    found = proved(plan, ceiling=16 * MIB)

    assert found.verdict == "DOES_NOT_HOLD"
    assert found.evidence.kills
    assert "killed it" in found.reason
