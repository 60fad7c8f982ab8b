"""Plans over several GPUs, by hand: the engine here answers as the closed forms do."""

import pytest
from msgspec.structs import replace

from aidx.adapters.catalogue import read_catalogue
from aidx.errors import InputError
from aidx.model.blueprint import from_catalogue
from aidx.model.catalogue import find
from aidx.plan.devices import Device, Machine
from aidx.plan.inverse import longest_context
from aidx.plan.ledger import Desk
from aidx.plan.make import plan
from aidx.plan.need import Need
from aidx.plan.spread import spread
from tests.unit.plan.worlds import BLOCKS, MIB, drive, engine, model

GIB = 1 << 30
AT_4K = Need(ctx_size=4096)
SPEC = model()


def machine(*gpus, ram=64 * GIB):
    devices = tuple(Device(f"gpu{number}", "gpu", size) for number, size in enumerate(gpus))
    return Machine(Device("host", "host", ram), devices)


def made(need=AT_4K, gpus=(8 * GIB, 8 * GIB), spec=SPEC, ram=64 * GIB):
    return drive(plan(spec, need, machine(*gpus, ram=ram)), engine())[0]


def shares(found):
    return [account.sum("weights") for account in found.ledger.accounts if account.kind == "gpu"]


def test_the_engine_s_own_split_by_free_memory_is_taken_where_it_holds():
    found = made(gpus=(6 * GIB, 2 * GIB))
    assert found.verdict == "fits"
    assert found.roles[0].settings.tensor_split == (6144, 2048)
    assert shares(found)[0] > 2 * shares(found)[1]


def test_what_others_use_counts_when_layers_are_split():
    busy = machine(8 * GIB, 8 * GIB)
    busy = replace(busy, gpus=(replace(busy.gpus[0], used=6 * GIB), busy.gpus[1]))
    found, _ = drive(plan(SPEC, AT_4K, busy), engine())
    assert found.roles[0].settings.tensor_split == (2048, 8192)


def test_a_split_given_by_the_user_is_kept():
    found = made(replace(AT_4K, tensor_split=(1, 3)))
    assert found.roles[0].settings.tensor_split == (1, 3)
    assert shares(found)[0] < shares(found)[1]


def test_another_split_is_found_where_the_usual_one_does_not_hold():
    """The output and its embeddings make the last layers heavy: equal parts overflow gpu1 first."""
    spec = replace(model(blocks=4), vocab_size=4096)
    equal = made(gpus=(8 * GIB, 8 * GIB), spec=spec)
    tight = max(a.planned for a in equal.ledger.accounts if a.kind == "gpu") - MIB
    found = made(gpus=(tight, tight), spec=spec)
    assert found.verdict == "fits"
    assert found.roles[0].settings.tensor_split != (tight // MIB, tight // MIB)
    asked_for = made(replace(AT_4K, tensor_split=(1, 1)), gpus=(tight, tight), spec=spec)
    assert asked_for.verdict == "fits_with_offload"


def test_the_split_found_is_the_best_of_all():
    """Every split in two of eight layers and the output is tried by hand."""
    desk = Desk(SPEC, machine(GIB, GIB), fast=True)
    settings = drive(plan(SPEC, replace(AT_4K, fast=True), desk.machine), engine())[0].roles[0].settings

    def left(parts):
        ledger = desk.closed(replace(settings, tensor_split=parts))
        return min(account.headroom for account in ledger.accounts if account.kind == "gpu")

    best = max(left((float(first), BLOCKS + 1.0 - first)) for first in range(BLOCKS + 2))
    found = spread(desk, settings, desk.closed(settings))
    # Compute and its borders may differ by what one device more hands over.
    assert left(found.tensor_split) >= best - MIB


def test_the_binding_device_may_be_the_second_gpu():
    found = made(gpus=(8 * GIB, 100 * MIB), need=replace(AT_4K, n_gpu_layers="all", tensor_split=(1, 1)))
    assert found.verdict == "does_not_fit"
    assert found.binding.startswith("gpu1: ")


def test_what_fits_no_gpus_together_is_split_with_the_host():
    whole = made()
    need = sum(a.planned for a in whole.ledger.accounts if a.kind == "gpu")
    found = made(gpus=(need // 3, need // 3))
    layers = found.roles[0].settings.n_gpu_layers
    assert found.verdict == "fits_with_offload"
    assert 0 < layers <= BLOCKS
    alone = made(gpus=(need // 3,))
    assert alone.roles[0].settings.n_gpu_layers < layers


def test_experts_move_to_the_host_before_layers_do():
    spec = model(experts=True)
    whole = made(spec=spec)
    need = sum(a.planned for a in whole.ledger.accounts if a.kind == "gpu")
    found = made(gpus=(need * 2 // 5, need * 2 // 5), spec=spec)
    settings = found.roles[0].settings
    assert found.verdict == "fits_with_offload"
    assert settings.n_gpu_layers == BLOCKS + 1
    assert 0 < settings.n_cpu_moe <= BLOCKS


def test_all_experts_on_the_host_when_asked():
    found = made(replace(AT_4K, n_cpu_moe="all"), spec=model(experts=True))
    assert found.roles[0].settings.n_cpu_moe == BLOCKS
    with pytest.raises(InputError, match="--cpu-moe, but hand-made has no experts"):
        made(replace(AT_4K, n_cpu_moe="all"))


@pytest.mark.parametrize("gpus", [(300 * MIB, 300 * MIB), (400 * MIB, 200 * MIB, 250 * MIB)])
def test_the_longest_context_fits_and_256_more_do_not(gpus):
    reach = made(Need(), gpus=gpus).roles[0].max_ctx_size
    settings = made(Need(), gpus=gpus).roles[0].settings
    at = Need(n_gpu_layers=settings.n_gpu_layers, tensor_split=settings.tensor_split)
    assert 0 < reach < 32768
    assert made(replace(at, ctx_size=reach), gpus=gpus).ledger.holds
    assert not made(replace(at, ctx_size=reach + 256), gpus=gpus).ledger.holds


def test_split_mode_none_uses_one_gpu_and_the_others_stay_empty():
    found = made(replace(AT_4K, split_mode="none", main_gpu=1))
    assert shares(found)[0] == 0 < shares(found)[1]


@pytest.mark.parametrize(
    ("changed", "gpus", "says"),
    [
        ({"tensor_split": (1, 2, 3)}, (GIB, GIB), "3 parts, and 2 GPUs are planned"),
        ({"tensor_split": (0, 0)}, (GIB, GIB), "gives no GPU a layer"),
        ({"tensor_split": (1, 1), "split_mode": "none"}, (GIB, GIB), "--split-mode none does not"),
        ({"main_gpu": 1}, (GIB, GIB), "changes nothing with --split-mode layer"),
        ({"main_gpu": 2, "split_mode": "none"}, (GIB, GIB), "--main-gpu 2 is not planned"),
        ({"main_gpu": -1, "split_mode": "none"}, (GIB, GIB), "too small"),
        ({"tensor_split": (1, 1)}, (), "--tensor-split 1,1, but no GPU is planned"),
        ({"split_mode": "none"}, (), "--split-mode none, but no GPU is planned"),
        ({"n_gpu_layers": "all"}, (), "--n-gpu-layers all, but no GPU is planned"),
    ],
)
def test_wishes_that_contradict_each_other_are_refused(changed, gpus, says):
    with pytest.raises(InputError, match=says) as error:
        made(replace(AT_4K, **changed), gpus=gpus)
    assert error.value.hint


def test_two_devices_of_one_name_are_refused():
    with pytest.raises(InputError, match="2 devices are called gpu0"):
        Machine(Device("host", "host", GIB), (Device("gpu0", "gpu", GIB), Device("gpu0", "gpu", GIB)))
    with pytest.raises(InputError, match="GPU 0 is called cuda"):
        Machine(Device("host", "host", GIB), (Device("cuda", "gpu", GIB),))


def shared(limit, ram):
    """A GPU that may take *limit* bytes of *ram*, and nothing of its own."""
    return Machine(Device("host", "host", ram), (Device("gpu0", "gpu", limit, unified=limit),))


def test_a_gpu_in_the_host_s_memory_holds_by_its_limit_and_by_the_ram():
    whole, _ = drive(plan(SPEC, AT_4K, shared(8 * GIB, 64 * GIB)), engine())
    gpu, host = whole.ledger.accounts
    assert whole.verdict == "fits"
    assert host.usable == 64 * GIB - gpu.planned

    tight, _ = drive(plan(SPEC, replace(AT_4K, n_gpu_layers="all"), shared(8 * GIB, gpu.planned + MIB)), engine())
    assert tight.verdict == "does_not_fit"
    assert tight.binding.startswith("host: ")
    small, _ = drive(plan(SPEC, replace(AT_4K, n_gpu_layers="all"), shared(gpu.planned - MIB, 64 * GIB)), engine())
    assert small.binding.startswith("gpu0: ")


def test_the_longest_context_in_shared_memory_ends_where_the_ram_does():
    at_4k, _ = drive(plan(SPEC, AT_4K, shared(8 * GIB, 64 * GIB)), engine())
    ram = sum(account.planned for account in at_4k.ledger.accounts) + 8 * MIB
    reach = drive(plan(SPEC, Need(n_gpu_layers="all"), shared(8 * GIB, ram)), engine())[0].roles[0].max_ctx_size
    assert 4096 <= reach < 32768
    for tokens, holds in ((reach, True), (reach + 256, False)):
        need = Need(ctx_size=tokens, n_gpu_layers="all")
        assert drive(plan(SPEC, need, shared(8 * GIB, ram)), engine())[0].ledger.holds is holds


def catalogued(name):
    return from_catalogue(find(read_catalogue(), name).entry)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("gemma-3-12b", (10, 3)),
        ("qwen2.5-coder-14b", (12, 2)),
        ("qwen3-8b", (4, 6)),
        ("gpt-oss-20b", (10, 3)),
        ("llama-3.1-8b", (4, 3, 4)),
    ],
)
def test_the_longest_context_is_the_same_whatever_was_asked_and_no_split_holds_more(name, sizes):
    spec, gpus = catalogued(name), tuple(size * GIB for size in sizes)
    whole = Need(n_gpu_layers="all", fast=True)

    def longest_of(tokens):
        return drive(longest_context(spec, replace(whole, ctx_size=tokens), machine(*gpus)), engine())[0]

    most = made(replace(whole, ctx_size="max"), gpus=gpus, spec=spec)
    reach = most.roles[0].settings.ctx_size
    more = made(replace(whole, ctx_size=reach + 256), gpus=gpus, spec=spec)
    assert {longest_of(tokens) for tokens in (256, 1024, 8192, "max")} == {reach}
    assert 0 < reach < spec.context_length
    assert most.ledger.holds
    assert most.roles[0].max_ctx_size == reach
    assert not more.ledger.holds
    if len(gpus) == 2:
        desk, settings = Desk(spec, machine(*gpus), fast=True), more.roles[0].settings
        layers = spec.block_count + 1
        splits = [(float(first), float(layers - first)) for first in range(layers + 1)]
        assert not any(desk.closed(replace(settings, tensor_split=parts)).holds for parts in splits)


def test_a_split_of_the_user_s_bounds_the_longest_context():
    spec, gpus = catalogued("gemma-3-12b"), (10 * GIB, 3 * GIB)
    own = Need(ctx_size=1024, n_gpu_layers="all", tensor_split=(39, 10), fast=True)
    reach = made(own, gpus=gpus, spec=spec).roles[0].max_ctx_size
    assert reach < made(replace(own, tensor_split=None), gpus=gpus, spec=spec).roles[0].max_ctx_size
    assert made(replace(own, ctx_size=reach), gpus=gpus, spec=spec).ledger.holds
    assert not made(replace(own, ctx_size=reach + 256), gpus=gpus, spec=spec).ledger.holds


def test_the_shorter_context_among_the_ways_out_is_the_longest_that_holds():
    spec, gpus = catalogued("qwen2.5-coder-14b"), (11 * GIB // 2, 7 * GIB // 2)
    found = made(Need(ctx_size=8192, n_gpu_layers="all", fast=True), gpus=gpus, spec=spec)
    assert found.verdict == "does_not_fit"
    assert f"--ctx-size {found.roles[0].max_ctx_size}" in [other.change for other in found.alternatives]
    assert not any("--tensor-split" in other.change for other in found.alternatives)
