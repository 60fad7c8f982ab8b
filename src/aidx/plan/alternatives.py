"""The ways out of a plan that is tight or does not hold, cheapest in quality first."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace

from aidx.budget.ledger import Ledger
from aidx.budget.loss import model_loss
from aidx.budget.settings import Settings
from aidx.model.spec import ModelSpec
from aidx.plan.ledger import Desk
from aidx.plan.place import training_length
from aidx.plan.probe import Answer, Probe
from aidx.plan.result import Alternative
from aidx.plan.search import all_layers, longest

SMALLER = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_K_S", "IQ4_XS", "Q3_K_M")
CACHE_COST = "KLD about 0.001 (Llama-3-8B, llama.cpp PR #7412)"
MOST = 6

Found = Generator[Probe, Answer, "Judged"]


@dataclass(frozen=True, slots=True)
class Change:
    """Other *settings* for a *desk*, the *flags* that a user types for them, their *cost* in words."""

    desk: Desk
    settings: Settings
    flags: str
    cost: str


@dataclass(frozen=True, slots=True)
class Judged:
    """An alternative, and whether the plan holds with it."""

    alternative: Alternative
    holds: bool


def alternatives(
    desk: Desk, settings: Settings, reach: int, variant: Callable[[str], ModelSpec] | None
) -> Generator[Probe, Answer, tuple[Alternative, ...]]:
    """Changes that save bytes, those that make the plan hold first; none for an unknown architecture."""
    if desk.model.layers is None:
        return ()
    before = yield from desk.best(settings)
    found = yield from _each(_same_model(desk, settings, reach, holds=before.holds), before)
    for change in _smaller(desk, settings, variant):
        found += yield from _each(iter((change,)), before)
        if found[-1].holds:  # the first that holds is the largest that holds
            break
    helping = [judged for judged in found if judged.alternative.saves_bytes > 0]
    helping.sort(key=lambda judged: not judged.holds)  # stable: each list is already in order of its cost
    return tuple(judged.alternative for judged in helping[:MOST])


def _each(changes: Iterator[Change], before: Ledger) -> Generator[Probe, Answer, list[Judged]]:
    found: list[Judged] = []
    for change in changes:
        judged = yield from _judged(change, before)
        found.append(judged)
    return found


def _same_model(desk: Desk, settings: Settings, reach: int, *, holds: bool) -> Iterator[Change]:
    plain = settings.cache_type_k == settings.cache_type_v == "f16"
    if plain and desk.model.caches and settings.flash_attn and _divides(desk, 32):
        change = replace(settings, cache_type_k="q8_0", cache_type_v="q8_0")
        yield Change(desk, change, "--cache-type-k q8_0 --cache-type-v q8_0", CACHE_COST)
    if settings.ubatch_size > 256:
        yield Change(desk, replace(settings, ubatch_size=256), "--ubatch-size 256", "slower prefill, same answers")
    if settings.swa_full:
        yield Change(desk, replace(settings, swa_full=False), "--no-swa-full", "no prefix reuse in windows")
    if settings.parallel > 1:
        yield Change(desk, replace(settings, parallel=1), "--parallel 1", "one request at a time")
    if 0 < reach < settings.ctx_size:
        yield Change(desk, replace(settings, ctx_size=reach), f"--ctx-size {reach}", "a shorter context")
    if desk.machine.gpus and not holds:
        yield _on_the_host(desk, settings)


def _divides(desk: Desk, block: int) -> bool:
    layers = desk.model.layers or ()
    widths = ((layer.key_dim, layer.value_dim, layer.view_dim) for layer in layers)
    return all(not width % block for each in widths for width in each)


def _on_the_host(desk: Desk, settings: Settings) -> Change:
    """The most layers that the GPU is sure to hold, whatever the host can take."""
    low, high = 0, settings.n_gpu_layers
    while high - low > 1:
        middle = (low + high) // 2
        ledger = desk.closed(replace(settings, n_gpu_layers=middle))
        low, high = (middle, high) if ledger.accounts[0].headroom >= 0 else (low, middle)
    total = all_layers(desk, settings).n_gpu_layers
    # The placement itself is named by _pinned, as for every change of a split model.
    return Change(desk, replace(settings, n_gpu_layers=low), "", f"slower: {total - low} of {total} layers on the host")


def _smaller(desk: Desk, settings: Settings, variant: Callable[[str], ModelSpec] | None) -> Iterator[Change]:
    for name in _below(desk.model.quantization) if variant else ():
        smaller = variant(name) if variant else desk.model
        if smaller.file_bytes < desk.model.file_bytes:
            lost = model_loss(smaller)
            other = Desk(smaller, desk.machine, desk.fast, silence=desk.silence)
            yield Change(other, settings, f"--quant {name}", f"KLD {lost.kld_low:g} to {lost.kld_high:g}")


def _below(quantization: str) -> tuple[str, ...]:
    """Smaller types, largest first; none below a type that the model was trained in."""
    if quantization in {"F32", "F16", "BF16"}:
        return SMALLER
    return SMALLER[SMALLER.index(quantization) + 1 :] if quantization in SMALLER else ()


def _judged(change: Change, before: Ledger) -> Found:
    desk, settings = change.desk, change.settings
    after = yield from desk.best(settings)
    tight = min(before.accounts, key=lambda account: account.headroom).name
    saved = before.account(tight).planned - after.account(tight).planned
    reach = yield from longest(desk, settings, training_length(desk), desk.best)
    cost = change.cost if after.holds else f"{change.cost}; not enough alone"
    flags = _pinned(change, holds=after.holds)
    return Judged(Alternative(flags, saved, min(reach, desk.model.context_length), cost), after.holds)


def _pinned(change: Change, *, holds: bool) -> str:
    """The flags with the placement that they were judged at, wherever ``auto`` would choose another."""
    settings, flags = change.settings, [change.flags] if change.flags else []
    if change.desk.machine.gpus and not (
        holds and settings.n_gpu_layers in change.desk.whole and not settings.n_cpu_moe
    ):
        whole = settings.n_gpu_layers in change.desk.whole
        flags.append(f"--n-gpu-layers {'all' if whole else settings.n_gpu_layers}")
        if settings.n_cpu_moe:
            flags.append(f"--n-cpu-moe {settings.n_cpu_moe}")
    return " ".join(flags)
