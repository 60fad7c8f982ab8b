"""The most that fits: what is answered holds, and one step more does not."""

import pytest
from msgspec.structs import replace

from aidx.plan.inverse import largest_quantization, longest_context, most_slots
from aidx.plan.make import plan
from aidx.plan.need import Need
from tests.unit.plan.worlds import MIB, drive, engine, machine, model, silent

KINDS = {"F16": "f16", "Q8_0": "q8_0", "Q4_0": "q4_0"}
WHOLE = Need(ctx_size=4096, n_gpu_layers="all")


def planned(need, gpu, spec=None, answer=None):
    return drive(plan(spec or model(), need, machine(gpu)), answer or engine())[0]


def tight(need, spare=MIB):
    """A GPU that has *spare* bytes more than *need* takes."""
    return planned(need, 64 << 30).ledger.accounts[0].planned + spare


def holds(need, gpu, bias=0, spec=None):
    return planned(need, gpu, spec, engine(bias)).ledger.holds


@pytest.mark.parametrize("bias", [0, 3 * MIB, 40 * MIB])
def test_the_longest_context_holds_and_256_more_does_not(bias):
    gpu = tight(replace(WHOLE, ctx_size=9000))
    reach, _ = drive(longest_context(model(), WHOLE, machine(gpu)), engine(bias))

    assert reach % 256 == 0
    assert holds(replace(WHOLE, ctx_size=reach), gpu, bias)
    assert not holds(replace(WHOLE, ctx_size=reach + 256), gpu, bias)


@pytest.mark.parametrize("bias", [0, 40 * MIB])
@pytest.mark.parametrize("each", [512, 2000])
def test_the_most_slots_hold_and_one_more_does_not(bias, each):
    gpu = tight(replace(WHOLE, ctx_size=9000))
    slots, asked = drive(most_slots(model(), WHOLE, machine(gpu), each), engine(bias))

    assert slots > 1
    assert asked > 0
    assert holds(replace(WHOLE, ctx_size=slots * each, parallel=slots), gpu, bias)
    assert not holds(replace(WHOLE, ctx_size=(slots + 1) * each, parallel=slots + 1), gpu, bias)


def test_where_nothing_holds_there_is_no_slot_and_no_context():
    assert drive(most_slots(model(), WHOLE, machine(16 * MIB), 512), engine())[0] == 0
    assert drive(longest_context(model(), WHOLE, machine(16 * MIB)), engine())[0] == 0


def test_slots_end_where_the_engine_ends_them():
    assert drive(most_slots(model(), replace(WHOLE, fast=True), machine(64 << 30), 256), silent)[0] == 256


def test_an_architecture_of_the_engine_alone_is_asked_for_every_step():
    known = model()
    unknown = replace(known, architecture="mystery", layers=None)

    def answer(probe):
        return engine()(replace(probe, model=known))

    gpu = tight(replace(WHOLE, ctx_size=3000))
    slots, _ = drive(most_slots(unknown, WHOLE, machine(gpu), 512), answer)

    assert slots == drive(most_slots(known, WHOLE, machine(gpu), 512), engine())[0]


def test_the_largest_quantization_holds_and_the_next_larger_does_not():
    def build(quant):
        return replace(model(kind=KINDS[quant]), quantization=quant)

    gpu = planned(WHOLE, 64 << 30, build("Q8_0")).ledger.accounts[0].planned + MIB
    best, _ = drive(largest_quantization(build, tuple(KINDS), WHOLE, machine(gpu)), engine())

    assert best == "Q8_0"
    assert holds(WHOLE, gpu, spec=build("Q8_0"))
    assert not holds(WHOLE, gpu, spec=build("F16"))
    assert drive(largest_quantization(build, tuple(KINDS), WHOLE, machine(16 * MIB)), engine())[0] is None
