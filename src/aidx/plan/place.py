"""Which settings to plan: what was asked, completed where the user left the choice."""

from collections.abc import Generator

from msgspec.structs import replace

from aidx.budget.kv import check_cache
from aidx.budget.placement import used_gpus
from aidx.budget.settings import CELL_PAD, Settings
from aidx.budget.split import check_parts, parts_text
from aidx.errors import InputError
from aidx.plan.ledger import Desk
from aidx.plan.need import OFFLOAD_CTX, Need
from aidx.plan.probe import Answer, Probe
from aidx.plan.search import all_layers, has_experts, longest, offload
from aidx.plan.spread import by_memory, fitted, splits


def place(desk: Desk, need: Need) -> Generator[Probe, Answer, Settings]:
    """The settings to plan; they need not hold (then nothing that was tried does).

    Raises ``InputError`` for layers on a GPU that is not planned, parts that do not match the GPUs and experts of a
    model that has none.
    """
    _check(desk, need)
    settings = _as_asked(desk, need)
    check_cache(desk.model.layers or (), settings)
    free = need.n_gpu_layers == "auto" and bool(desk.machine.gpus)
    if isinstance(need.ctx_size, int):
        return (yield from _at(desk, settings, need, free=free))
    most = training_length(desk)
    enough = min(OFFLOAD_CTX, most)
    reached = yield from longest(desk, settings, most)
    if reached >= enough or (not free and reached):
        return (yield from fitted(desk, replace(settings, ctx_size=reached), desk.ask))
    settings = yield from _at(desk, replace(settings, ctx_size=enough), need, free=free)
    if need.ctx_size != "max" or not free:
        return settings
    reached = yield from longest(desk, settings, most)
    return (yield from fitted(desk, replace(settings, ctx_size=reached), desk.ask)) if reached else settings


def _check(desk: Desk, need: Need) -> None:
    gpus = len(desk.machine.gpus)
    if not gpus:
        _check_without_gpu(need)
    if need.n_cpu_moe not in {"auto", 0} and not has_experts(desk):
        flag = "--cpu-moe" if need.n_cpu_moe == "all" else f"--n-cpu-moe {need.n_cpu_moe}"
        raise InputError(
            f"{flag}, but {desk.model.name} has no experts",
            hint="Leave it out; --n-gpu-layers N moves whole layers.",
        )
    if need.tensor_split is not None:
        check_parts(need.tensor_split, gpus)
    if need.split_mode == "none":
        used_gpus(Settings(ctx_size=1, split_mode="none", main_gpu=need.main_gpu), gpus)


def _check_without_gpu(need: Need) -> None:
    flags = {
        f"--n-gpu-layers {need.n_gpu_layers}": need.n_gpu_layers not in {"auto", 0},
        f"--tensor-split {parts_text(need.tensor_split or ())}": need.tensor_split is not None,
        f"--split-mode {need.split_mode}": need.split_mode != "layer",
    }
    for flag, given in flags.items():
        if given:
            raise InputError(
                f"{flag}, but no GPU is planned", hint=f"Give the GPU's --vram, or leave {flag.split()[0]} out."
            )


def training_length(desk: Desk) -> int:
    """Tokens the model was trained for, at least one cell block."""
    return max(desk.model.context_length, CELL_PAD)


def _at(desk: Desk, settings: Settings, need: Need, *, free: bool) -> Generator[Probe, Answer, Settings]:
    """*settings* at their context: as they are if that holds, else spread better, else the best split, else as is.

    With *free* the user left to the plan how many layers lie on GPUs.
    """
    if not free and not desk.spreads:
        return settings
    here = yield from fitted(desk, settings, desk.ask)
    ledger = yield from desk.ask(here)
    if ledger.holds:
        return here
    if not free:
        return settings
    split = yield from offload(desk, settings, move_experts=need.n_cpu_moe == "auto")
    return split or settings


def _as_asked(desk: Desk, need: Need) -> Settings:
    experts = {"auto": 0, "all": desk.model.block_count}
    settings = Settings(
        ctx_size=need.ctx_size if isinstance(need.ctx_size, int) else training_length(desk),
        parallel=need.parallel,
        cache_type_k=need.cache_type_k,
        cache_type_v=need.cache_type_v,
        ubatch_size=need.ubatch_size,
        batch_size=need.batch_size,
        n_cpu_moe=need.n_cpu_moe if isinstance(need.n_cpu_moe, int) else experts[need.n_cpu_moe],
        flash_attn=need.flash_attn,
        kv_unified=need.kv_unified,
        swa_full=need.swa_full,
        cache_ram=need.cache_ram,
        ctx_checkpoints=need.ctx_checkpoints,
        split_mode=need.split_mode,
        main_gpu=need.main_gpu,
        n_draft=desk.beside.n_draft,
    )
    full = all_layers(desk, settings)
    if isinstance(need.n_gpu_layers, int) and desk.machine.gpus:
        full = replace(full, n_gpu_layers=min(need.n_gpu_layers, full.n_gpu_layers))
    if need.tensor_split is not None and splits(desk.machine, full):
        return replace(full, tensor_split=need.tensor_split)
    return by_memory(desk.machine, full)
