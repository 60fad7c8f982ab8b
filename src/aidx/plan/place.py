"""Which settings to plan: what was asked, completed where the user left the choice."""

from collections.abc import Generator
from dataclasses import replace

from aidx.budget.kv import check_cache
from aidx.budget.settings import CELL_PAD, Settings
from aidx.errors import InputError
from aidx.plan.ledger import Desk
from aidx.plan.need import OFFLOAD_CTX, Need
from aidx.plan.probe import Answer, Probe
from aidx.plan.search import all_layers, has_experts, longest, offload


def place(desk: Desk, need: Need) -> Generator[Probe, Answer, Settings]:
    """The settings to plan; they need not hold (then nothing that was tried does).

    Raises ``InputError`` for layers on a GPU that is not planned and for experts of a model that has none.
    """
    _check(desk, need)
    settings = _as_asked(desk, need)
    check_cache(desk.model.layers or (), settings)
    chooses_layers = need.n_gpu_layers == "auto" and bool(desk.machine.gpus)
    if isinstance(need.ctx_size, int):
        return (yield from _at(desk, settings, need)) if chooses_layers else settings
    reached = yield from longest(desk, settings, training_length(desk))
    enough = min(OFFLOAD_CTX, training_length(desk))
    if reached >= enough or (not chooses_layers and reached):
        return replace(settings, ctx_size=reached)
    settings = replace(settings, ctx_size=enough)
    if not chooses_layers:
        return settings
    settings = yield from _at(desk, settings, need)
    if need.ctx_size != "max":
        return settings
    reached = yield from longest(desk, settings, training_length(desk))
    return replace(settings, ctx_size=reached or enough)


def _check(desk: Desk, need: Need) -> None:
    if not desk.machine.gpus and need.n_gpu_layers not in {"auto", 0}:
        raise InputError(
            f"--n-gpu-layers {need.n_gpu_layers}, but no GPU is planned",
            hint="Give the GPU's --vram, or leave --n-gpu-layers out.",
        )
    if need.n_cpu_moe not in {"auto", 0} and not has_experts(desk):
        raise InputError(
            f"--n-cpu-moe {need.n_cpu_moe}, but {desk.model.name} has no experts",
            hint="Leave it out; --n-gpu-layers N moves whole layers.",
        )


def training_length(desk: Desk) -> int:
    """Tokens the model was trained for, at least one cell block."""
    return max(desk.model.context_length, CELL_PAD)


def _at(desk: Desk, settings: Settings, need: Need) -> Generator[Probe, Answer, Settings]:
    """*settings* at their context: all on the GPU if that holds, else the best split, else all again."""
    ledger = yield from desk.ask(settings)
    if ledger.holds:
        return settings
    split = yield from offload(desk, settings, move_experts=need.n_cpu_moe == "auto")
    return split or settings


def _as_asked(desk: Desk, need: Need) -> Settings:
    settings = Settings(
        ctx_size=need.ctx_size if isinstance(need.ctx_size, int) else training_length(desk),
        parallel=need.parallel,
        cache_type_k=need.cache_type_k,
        cache_type_v=need.cache_type_v,
        ubatch_size=need.ubatch_size,
        batch_size=need.batch_size,
        n_cpu_moe=need.n_cpu_moe if isinstance(need.n_cpu_moe, int) else 0,
        flash_attn=need.flash_attn,
        kv_unified=need.kv_unified,
        swa_full=need.swa_full,
        cache_ram=need.cache_ram,
        ctx_checkpoints=need.ctx_checkpoints,
    )
    full = all_layers(desk, settings)
    if isinstance(need.n_gpu_layers, int) and desk.machine.gpus:
        return replace(full, n_gpu_layers=min(need.n_gpu_layers, full.n_gpu_layers))
    return full
