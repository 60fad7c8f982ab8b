"""What was measured stands for what was assumed: for the same model and machine, with its date, never erring low."""

import pytest
from msgspec.structs import replace

from aidx.budget.ledger import Account, Entry, Ledger
from aidx.budget.proof import Peak, Requests
from aidx.plan.calibration import CELL, Calibration, applied, assumed, found, here, key, words
from aidx.plan.devices import Device, Machine, host
from aidx.plan.make import plan
from aidx.plan.need import Need
from tests.fakes import plans
from tests.fakes.proofs import MIB, evidence
from tests.unit.plan.worlds import drive, model, silent

HERE = Machine(host(16 << 30, used=1 << 30))
GPU = Device("gpu0", "gpu", 12 << 30, used=1, label="NVIDIA X", overhead=512 * MIB)
KNOWN = Calibration(80 * MIB, 4096, "2026-11-28", "xllamacpp 1", {"NVIDIA X": 300 * MIB})


def test_the_measured_figure_is_planned_with_room_for_the_spread_and_its_date():
    device = applied(HERE, KNOWN).host

    assert device.overhead == 90 * MIB
    assert device.overhead_grade == "measured"
    assert "measured here on 2026-11-28 with xllamacpp 1: 80.0 MiB" in device.overhead_why


def test_a_small_process_gets_a_least_room():
    assert applied(HERE, replace(KNOWN, process=8 * MIB)).host.overhead == 12 * MIB


def test_a_longer_context_costs_its_cells_and_a_shorter_one_saves_nothing():
    host = applied(HERE, KNOWN).host
    sizes = [host.account((), cells).sum("engine_process") for cells in (256, 4096, 4097, 8192)]

    assert sizes == [90 * MIB, 90 * MIB, 90 * MIB + CELL, 90 * MIB + 4096 * CELL]
    assert "and 1.0 MiB for a longer context" in host.account((), 8192).entries[0].why


@pytest.mark.parametrize("asked", [256, 4096, 99_999_999, "max"])
def test_the_longest_context_is_planned_with_the_process_that_it_has_whatever_was_asked(asked):
    spec = model(context=65536)
    at_8k = plan(spec, Need(ctx_size=8192, fast=True), applied(HERE, KNOWN))
    need = drive(at_8k, silent)[0].ledger.accounts[0].planned
    small = applied(Machine(host(need + (1 << 30) + MIB, used=1 << 30)), KNOWN)
    found = drive(plan(spec, Need(ctx_size=asked, fast=True), small), silent)[0]
    assert found.roles[0].max_ctx_size == 8192


def test_a_driver_is_planned_by_its_label_unless_it_is_known_better():
    other = replace(GPU, name="gpu1", label="AMD Y")
    sure = replace(GPU, name="gpu2", overhead=7, overhead_grade="measured")
    gpus = applied(replace(HERE, gpus=(GPU, other, sure)), KNOWN).gpus

    assert [gpu.overhead for gpu in gpus] == [300 * MIB, 512 * MIB, 7]
    assert [gpu.overhead_grade for gpu in gpus] == ["measured", "assumed", "measured"]


def test_it_holds_for_this_machine_only():
    assert here(HERE)
    assert not here(Machine(host(16 << 30)))
    assert not here(Machine(HERE.host, (replace(GPU, label=""),)))


def test_everything_that_changes_the_process_is_in_the_key():
    model, need = plans.role().model, Need()
    keys = {
        key(replace(model, **changes), replace(need, **asked), machine, cores=cores, build=build)
        for changes, asked, machine, cores, build in [
            ({}, {}, HERE, 2, "a"),
            ({}, {}, HERE, 3, "a"),
            ({}, {}, HERE, 2, "b"),
            ({}, {}, Machine(host(8 << 30, used=1)), 2, "a"),
            ({}, {}, replace(HERE, gpus=(GPU,)), 2, "a"),
            ({"quantization": "Q8_0"}, {}, HERE, 2, "a"),
            ({"vocab_size": 5}, {}, HERE, 2, "a"),
            ({}, {"parallel": 2}, HERE, 2, "a"),
            ({}, {"ubatch_size": 64}, HERE, 2, "a"),
            ({}, {"cache_type_k": "q8_0"}, HERE, 2, "a"),
            ({}, {"flash_attn": False}, HERE, 2, "a"),
        ]
    }

    assert len(keys) == 11
    first = key(model, need, HERE, cores=2, build="a")
    assert first == key(model, replace(need, ctx_size=99), HERE, cores=2, build="a")


def plan_of(seen):
    return replace(plans.fitting(), ledger=seen.ledger)


def test_a_run_to_the_end_gives_what_lies_beside_the_buffers():
    seen = evidence()

    assert found(plan_of(seen), HERE, seen, "2026-11-28") == Calibration(
        24 * MIB, plan_of(seen).roles[0].settings.n_ctx, "2026-11-28", "xllamacpp 1"
    )


def test_what_a_gpu_held_beside_its_buffers_is_its_driver():
    ledger = Ledger(
        (Account("gpu0", "gpu", 12 << 30, (Entry("weights", 9, "", "exact"),)), *evidence().ledger.accounts)
    )
    taken = {"host": (), "gpu0": (Entry("weights", 9, "", "measured"),)}
    seen = evidence(ledger=ledger, allocated=taken, peaks=(Peak("gpu0", 9, 309), Peak("host", 9, 50)))

    assert found(plan_of(seen), replace(HERE, gpus=(GPU,)), seen, "d").drivers == {"NVIDIA X": 300}


@pytest.mark.parametrize(
    "changes",
    [
        {"ended": "signal 9"},
        {"kills": 1},
        {"problem": "no text"},
        {"unfit": "too long"},
        {"requests": Requests(1, 0, 0, 1)},
        {"peaks": (Peak("host", 1, None),)},
        {"peaks": ()},
        {"peaks": (Peak("host", 1, 5),)},
    ],
)
def test_a_run_that_came_to_no_end_or_was_not_seen_gives_nothing(changes):
    seen = evidence(**changes)

    assert found(plan_of(seen), HERE, seen, "2026-11-28") is None


def test_whether_anything_is_assumed():
    assert assumed(plans.fitting())
    accounts = (replace(evidence().ledger.accounts[0], entries=()),)
    assert not assumed(replace(plans.fitting(), ledger=Ledger(accounts)))


def test_a_name_is_said_in_words_and_tells_apart_what_a_user_can_choose():
    model = plans.role().model
    plain = words(key(model, Need(), HERE, cores=2, build="xllamacpp 1"))
    asked = Need(parallel=3, cache_type_k="q8_0", kv_unified=False, flash_attn=False, n_gpu_layers=7)
    special = words(key(model, asked, Machine(HERE.host, (GPU,)), cores=8, build="xllamacpp 1"))

    assert plain == (
        f"{model.architecture} {model.quantization} of {model.parameters:,} parameters, 1 slot(s), KV f16/f16, "
        "batches 2048/512, 2 cores, xllamacpp 1"
    )
    for word in ("3 slot(s)", "KV q8_0/f16", "a cache for each slot", "no flash", "-ngl 7", "on NVIDIA X", "8 cores"):
        assert word in special
    assert words("2 cores | qwen2") == "2 cores | qwen2"
