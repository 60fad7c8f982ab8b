"""The ways out of a plan that is tight or does not hold, cheapest in quality first."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from aidx.budget.ledger import Ledger
from aidx.budget.loss import published_loss
from aidx.budget.settings import Settings
from aidx.model.spec import ModelSpec
from aidx.plan.ledger import Desk
from aidx.plan.place import training_length
from aidx.plan.result import Alternative
from aidx.plan.search import all_layers, closed_longest

SMALLER = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_K_S", "IQ4_XS", "Q3_K_M")
CACHE_COST = "KLD about 0.001 (Llama-3-8B, llama.cpp PR #7412)"
MOST = 6


def alternatives(
    desk: Desk, settings: Settings, reach: int, variant: Callable[[str], ModelSpec] | None
) -> tuple[Alternative, ...]:
    """Changes by closed forms, those that make the plan hold first; none for an unknown architecture."""
    if desk.model.layers is None:
        return ()
    before = desk.closed(settings)
    found = [
        *_same_model(desk, settings, before, reach),
        *(_smaller(desk, settings, before, variant) if variant else ()),
    ]
    helping = [pair for pair in found if pair[0].saves_bytes > 0]
    helping.sort(key=lambda pair: not pair[1])  # stable: each list is already in order of its cost
    return tuple(alternative for alternative, _ in helping[:MOST])


def _same_model(desk: Desk, settings: Settings, before: Ledger, reach: int) -> Iterator[tuple[Alternative, bool]]:
    if settings.cache_type_k == settings.cache_type_v == "f16" and settings.flash_attn and _divides(desk, 32):
        change = replace(settings, cache_type_k="q8_0", cache_type_v="q8_0")
        yield _judged(desk, change, before, "--cache-type-k q8_0 --cache-type-v q8_0", CACHE_COST)
    if settings.ubatch_size > 256:
        change = replace(settings, ubatch_size=256)
        yield _judged(desk, change, before, "--ubatch-size 256", "slower prefill, same answers")
    if settings.swa_full:
        yield _judged(desk, replace(settings, swa_full=False), before, "drop --swa-full", "no prefix reuse in windows")
    if settings.parallel > 1:
        yield _judged(desk, replace(settings, parallel=1), before, "--parallel 1", "one request at a time")
    if 0 < reach < settings.ctx_size:
        change = replace(settings, ctx_size=reach)
        yield _judged(desk, change, before, f"--ctx-size {reach}", "a shorter context")
    if desk.machine.gpus and not before.holds:
        yield from _on_the_host(desk, settings, before)


def _divides(desk: Desk, block: int) -> bool:
    layers = desk.model.layers or ()
    return all(not layer.key_dim % block and not layer.value_dim % block for layer in layers)


def _on_the_host(desk: Desk, settings: Settings, before: Ledger) -> Iterator[tuple[Alternative, bool]]:
    """The most layers that the GPU holds, whatever the host can take."""
    low, high = 0, settings.n_gpu_layers
    while high - low > 1:
        middle = (low + high) // 2
        ledger = desk.closed(replace(settings, n_gpu_layers=middle))
        low, high = (middle, high) if ledger.accounts[0].headroom >= 0 else (low, middle)
    change = replace(settings, n_gpu_layers=low)
    total = all_layers(desk, settings).n_gpu_layers
    yield _judged(desk, change, before, f"--n-gpu-layers {low}", f"slower: {total - low} of {total} layers on the host")


def _smaller(
    desk: Desk, settings: Settings, before: Ledger, variant: Callable[[str], ModelSpec]
) -> Iterator[tuple[Alternative, bool]]:
    for name in _below(desk.model.quantization):
        smaller = variant(name)
        if smaller.file_bytes >= desk.model.file_bytes:
            continue
        other = Desk(smaller, desk.machine, fast=True)
        lost = published_loss(name)
        pair = _judged(other, settings, before, f"--quant {name}", f"KLD {lost.kld_low:g} to {lost.kld_high:g}")
        yield pair
        if pair[1]:  # the first that holds is the largest that holds
            return


def _below(quantization: str) -> tuple[str, ...]:
    """Smaller types, largest first; none below a type that the model was trained in."""
    if quantization in {"F32", "F16", "BF16"}:
        return SMALLER
    return SMALLER[SMALLER.index(quantization) + 1 :] if quantization in SMALLER else ()


def _judged(desk: Desk, change: Settings, before: Ledger, flags: str, cost: str) -> tuple[Alternative, bool]:
    after = desk.closed(change)
    tight = min(before.accounts, key=lambda account: account.headroom).name
    saved = before.account(tight).planned - after.account(tight).planned
    reach = min(closed_longest(desk, change, training_length(desk)), desk.model.context_length)
    return Alternative(flags, saved, reach, cost if after.holds else f"{cost}; not enough alone"), after.holds
