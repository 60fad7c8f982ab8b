"""Single changes that save bytes: other settings, a smaller type, layers on the host."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from aidx.budget.checkpoint import checkpoint_bytes
from aidx.budget.ledger import Ledger
from aidx.budget.loss import model_loss
from aidx.budget.placement import HOST
from aidx.budget.settings import Settings
from aidx.budget.sizes import MIB
from aidx.model.spec import ModelSpec
from aidx.plan.engines import Written
from aidx.plan.ledger import Desk
from aidx.plan.search import all_layers, closed_fit
from aidx.plan.spread import gpu_headroom

SMALLER = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_K_S", "IQ4_XS", "Q3_K_M")
CACHE_COST = "KLD about 0.001 (Llama-3-8B, llama.cpp PR #7412)"


class Change(Struct, frozen=True):
    """Other *settings* for a *desk*, the *flags* that a user types for them, their *cost* in words.

    A flag takes the place of the same one before it. *omits* are those that must be left out instead.
    """

    desk: Desk
    settings: Settings
    flags: str
    cost: str
    omits: tuple[str, ...] = ()


class Fewer(NamedTuple):
    """A setting of what is kept in host RAM, and how much of it is *left* as it is written; *saved* in bytes."""

    field: str
    left: int
    saved: int
    cost: str

    @property
    def made(self) -> dict[str, int]:
        """The value that settings and needs have for what is written."""
        return {self.field: self.left * (MIB if self.field == "cache_ram" else 1)}


def same_model(desk: Desk, settings: Settings, reach: int, before: Ledger, written: Written) -> Iterator[Change]:
    """Changes that keep the model, cheapest in quality first; *reach* is the context that holds as it is.

    *before* is the ledger of *settings*, *written* what limits of host RAM are written behind.
    """
    yield from of_settings(desk, settings, before, written)
    if desk.beside.draft is not None and not before.holds:
        yield _alone(desk, settings)
    if 0 < reach < settings.ctx_size:
        yield Change(desk, replace(settings, ctx_size=reach), f"--ctx-size {reach}", "a shorter context")
    if desk.machine.gpus and not before.holds:
        yield layers_away(desk, settings)


def of_settings(desk: Desk, settings: Settings, before: Ledger, written: Written) -> Iterator[Change]:
    """Those of a setting or two each, which go with any other."""
    for fewer in kept(desk, settings, -before.account(HOST).headroom):
        flag = f"{getattr(written, fewer.field)}{fewer.left}"
        yield Change(desk, replace(settings, **fewer.made), flag, fewer.cost)
    plain = settings.cache_type_k == settings.cache_type_v == "f16"
    if plain and desk.model.caches and settings.flash_attn and _divides(desk, 32):
        change = replace(settings, cache_type_k="q8_0", cache_type_v="q8_0")
        yield Change(desk, change, "--cache-type-k q8_0 --cache-type-v q8_0", CACHE_COST)
    if settings.ubatch_size > 256:
        yield Change(desk, replace(settings, ubatch_size=256), "--ubatch-size 256", "slower prefill, same answers")
    if settings.swa_full:
        without = replace(settings, swa_full=False)
        yield Change(desk, without, "", "no prefix reuse in windows", omits=("--swa-full",))
    if settings.parallel > 1:
        yield Change(desk, replace(settings, parallel=1), "--parallel 1", "one request at a time")


def kept(desk: Desk, settings: Settings, short: int) -> Iterator[Fewer]:
    """What the server keeps of prompts in host RAM: of each kind as much as leaves *short* bytes, or nothing."""
    if settings.cache_ram and short > 0:
        left = max(settings.cache_ram - short, 0) // MIB
        yield Fewer("cache_ram", left, settings.cache_ram - left * MIB, f"{'fewer' if left else 'no'} prompts kept")
    each = settings.parallel * checkpoint_bytes(desk.model.layers or (), settings)
    if settings.ctx_checkpoints and each and short > 0:
        left = max(settings.ctx_checkpoints * each - short, 0) // each
        cost = f"{'fewer' if left else 'no'} checkpoints: more of a changed prompt is read again"
        yield Fewer("ctx_checkpoints", left, (settings.ctx_checkpoints - left) * each, cost)


def _alone(desk: Desk, settings: Settings) -> Change:
    """The model without the one that guesses ahead."""
    other = Desk(
        desk.model,
        desk.machine,
        desk.fast,
        silence=desk.silence,
        beside=replace(desk.beside, draft=None),
        spreads=desk.spreads,
    )
    return Change(other, replace(settings, n_draft=0), "", "slower: nothing is guessed ahead", omits=("--model-draft",))


def _divides(desk: Desk, block: int) -> bool:
    layers = desk.model.layers or ()
    widths = ((layer.key_dim, layer.value_dim, layer.view_dim) for layer in layers)
    return all(not width % block for each in widths for width in each)


def layers_away(desk: Desk, settings: Settings) -> Change:
    """The most layers that the GPU is sure to hold, whatever the host can take."""
    low, high = 0, settings.n_gpu_layers
    while high - low > 1:
        middle = (low + high) // 2
        ledger = desk.closed(closed_fit(desk, replace(settings, n_gpu_layers=middle)))
        low, high = (middle, high) if gpu_headroom(ledger) >= 0 else (low, middle)
    total = all_layers(desk, settings).n_gpu_layers
    # The placement itself is named by _pinned, as for every change of a split model.
    return Change(desk, replace(settings, n_gpu_layers=low), "", f"slower: {total - low} of {total} layers on the host")


def smaller(desk: Desk, settings: Settings, variant: Callable[[str], ModelSpec] | None) -> Iterator[Change]:
    """The same model in smaller types, largest first, where it can be had in others."""
    for name in _below(desk.model.quantization) if variant else ():
        model = variant(name) if variant else desk.model
        if model.file_bytes < desk.model.file_bytes:
            lost = model_loss(model)
            other = Desk(
                model, desk.machine, desk.fast, silence=desk.silence, beside=desk.beside, kin=desk, spreads=desk.spreads
            )
            yield Change(other, settings, f"--quant {name}", f"KLD {lost.kld_low:g} to {lost.kld_high:g}")


def _below(quantization: str) -> tuple[str, ...]:
    """Smaller types, largest first; none below a type that the model was trained in."""
    if quantization in {"F32", "F16", "BF16"}:
        return SMALLER
    return SMALLER[SMALLER.index(quantization) + 1 :] if quantization in SMALLER else ()
