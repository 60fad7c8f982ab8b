import pytest
from msgspec.structs import replace

from aidx.errors import EngineError, InputError
from aidx.plan.make import plan
from aidx.plan.need import Need
from aidx.plan.probe import Unanswered
from tests.unit.plan.worlds import BLOCKS, MIB, drive, engine, machine, model, silent

GIB = 1 << 30
ANY = Need()


def made(need=ANY, gpu=None, ram=64 * GIB, spec=None, answer=None):
    return drive(plan(spec or model(), need, machine(gpu, ram)), answer or engine())


def test_everything_fits_on_a_large_gpu_at_the_training_length() -> None:
    found, asked = made(gpu=8 * GIB)
    role = found.roles[0]
    assert found.verdict == "fits"
    assert role.settings.ctx_size == role.max_ctx_size == 32768
    assert role.settings.n_gpu_layers == BLOCKS + 1
    assert asked <= 2


def test_a_plan_for_the_cpu_alone_fits_and_never_says_offload() -> None:
    found, _ = made()
    assert found.verdict == "fits"
    assert found.roles[0].settings.n_gpu_layers == 0
    assert [account.name for account in found.ledger.accounts] == ["host"]


@pytest.mark.parametrize("bias", [0, 3 * MIB, 40 * MIB])
def test_the_longest_context_fits_and_256_more_do_not(bias: int) -> None:
    at_8k, _ = made(Need(ctx_size=8192, n_gpu_layers="all"), gpu=8 * GIB, answer=engine(bias))
    tight = at_8k.ledger.accounts[0].planned + MIB
    found, asked = made(gpu=tight, answer=engine(bias))
    reach = found.roles[0].max_ctx_size
    assert 4096 <= reach < 32768
    assert reach % 256 == 0
    assert asked <= 8
    for tokens, holds in ((reach, True), (reach + 256, False)):
        at, _ = made(Need(ctx_size=tokens, n_gpu_layers="all"), gpu=tight, answer=engine(bias))
        assert at.ledger.holds is holds
        assert (at.verdict == "fits") is holds


def test_what_does_not_fit_whole_is_split_and_one_layer_more_would_not_fit() -> None:
    whole, _ = made(Need(ctx_size=4096, n_gpu_layers="all"), gpu=8 * GIB)
    small = whole.ledger.accounts[0].planned * 2 // 3
    found, _ = made(Need(ctx_size=4096), gpu=small)
    layers = found.roles[0].settings.n_gpu_layers
    assert found.verdict == "fits_with_offload"
    assert 0 < layers <= BLOCKS
    more, _ = made(Need(ctx_size=4096, n_gpu_layers=layers + 1), gpu=small)
    assert more.verdict == "does_not_fit"


def test_experts_move_to_the_host_before_layers_do() -> None:
    spec = model(experts=True)
    whole, _ = made(Need(ctx_size=4096, n_gpu_layers="all"), gpu=8 * GIB, spec=spec)
    small = whole.ledger.accounts[0].planned * 4 // 5
    found, _ = made(Need(ctx_size=4096), gpu=small, spec=spec)
    settings = found.roles[0].settings
    assert found.verdict == "fits_with_offload"
    assert settings.n_gpu_layers == BLOCKS + 1
    assert 0 < settings.n_cpu_moe <= BLOCKS
    fewer = Need(ctx_size=4096, n_gpu_layers="all", n_cpu_moe=settings.n_cpu_moe - 1)
    assert made(fewer, gpu=small, spec=spec)[0].verdict == "does_not_fit"


def test_all_layers_asked_for_and_no_room_is_no_offload() -> None:
    found, _ = made(Need(ctx_size=4096, n_gpu_layers="all"), gpu=200 * MIB)
    assert found.verdict == "does_not_fit"
    assert found.roles[0].settings.n_gpu_layers == BLOCKS + 1


def test_a_plan_that_fits_nowhere_says_what_is_too_much_and_how_to_get_out() -> None:
    found, _ = made(Need(ctx_size=4096), gpu=64 * MIB, ram=64 * MIB)
    assert found.verdict == "does_not_fit"
    assert "too much" in found.binding
    assert found.alternatives
    assert all(other.saves_bytes > 0 for other in found.alternatives)


def test_without_the_engine_compute_is_modelled_and_the_first_note_says_so() -> None:
    found, asked = made(gpu=8 * GIB, answer=silent)
    grades = {entry.what: entry.grade for entry in found.ledger.accounts[0].entries}
    assert asked == 1
    assert found.notes[0] == "the engine was not asked (no engine here): compute is modelled"
    assert grades["compute"] == "modelled"


def test_fast_asks_nobody_and_needs_no_note() -> None:
    found, asked = made(Need(fast=True), gpu=8 * GIB, answer=silent)
    assert asked == 0
    assert found.notes == ()


def test_an_architecture_of_the_engine_alone_is_graded_engine() -> None:
    known = model()
    unknown = replace(known, architecture="mystery", layers=None)

    def answer(probe):
        return engine()(replace(probe, model=known))

    found, _ = made(Need(ctx_size=4096), gpu=8 * GIB, spec=unknown, answer=answer)
    assert found.verdict == "fits"
    grades = {entry.what: entry.grade for entry in found.ledger.accounts[0].entries}
    assert grades["weights"] == grades["kv_cache"] == grades["compute"] == "engine"


def test_an_architecture_that_nobody_knows_is_an_input_error() -> None:
    unknown = replace(model(), architecture="mystery", layers=None)
    with pytest.raises(InputError, match="mystery"):
        made(spec=unknown, answer=lambda _: Unanswered("unknown model architecture", refused=True))
    with pytest.raises(EngineError, match="mystery"):
        made(spec=unknown, answer=silent)
    with pytest.raises(InputError, match="mystery"):
        made(Need(fast=True), spec=unknown)


def test_a_context_beyond_the_training_length_is_allowed_with_a_note() -> None:
    found, _ = made(Need(ctx_size=65536), gpu=8 * GIB)
    assert found.verdict == "fits"
    assert "longer than the model was trained for" in found.notes[0]


@pytest.mark.parametrize(
    "wrong", [Need(ctx_size=0), Need(parallel=0), Need(ubatch_size=0), Need(turn_tokens=0), Need(cache_ram=-1)]
)
def test_numbers_that_cannot_be_are_refused(wrong: Need) -> None:
    with pytest.raises(InputError, match="too small"):
        made(wrong)


def test_growth_counts_the_turns_until_the_context_is_full() -> None:
    found, _ = made(Need(ctx_size=4096, start_tokens=1000, turn_tokens=600), gpu=8 * GIB)
    growth = found.roles[0].growth
    # 1000 + 5 x 600 = 4000 fit into 4096 cells; the sixth turn does not
    assert growth.context_full_at_turn == 6
    assert growth.bytes_per_token == BLOCKS * 2 * 4 * 64 * 2
    assert growth.memory_full_at_turn is not None
    assert growth.memory_full_at_turn > 6


def test_the_hash_names_the_promise_and_not_what_others_use() -> None:
    spec, need = model(), Need(ctx_size=4096)
    busy = machine(8 * GIB)
    busy = replace(busy, host=replace(busy.host, used=GIB))
    one, _ = drive(plan(spec, need, machine(8 * GIB)), engine())
    two, _ = drive(plan(spec, need, busy), engine())
    other, _ = drive(plan(spec, replace(need, ctx_size=8192), machine(8 * GIB)), engine())
    assert one.plan_hash == two.plan_hash != other.plan_hash
