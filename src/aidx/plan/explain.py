"""The equations of a plan with the numbers filled in."""

from collections import Counter

from aidx.budget.ledger import OUTSIDE, Account
from aidx.budget.settings import Settings
from aidx.budget.sizes import gib
from aidx.model.spec import Layer, ModelSpec
from aidx.plan.result import Plan


def explain(plan: Plan) -> tuple[str, ...]:
    """One line an equation, each device in turn; sums are written out so that they can be checked."""
    lines: list[str] = []
    for role in plan.roles:
        if role.model.source != "cloud":
            named = "" if role.role is None else f"{role.role}: "
            lines += [f"{named}{line}" for line in (*_context(role.settings), *_layers(role.model))]
    for account in plan.ledger.accounts:
        lines += _device(account)
    return tuple(lines)


def _context(settings: Settings) -> list[str]:
    if settings.kv_unified:
        how = f"pad({settings.ctx_size}, 256)"
    else:
        how = f"{settings.parallel} slots x pad({settings.ctx_size} / {settings.parallel}, 256)"
    return [
        f"n_ctx = {how} = {settings.n_ctx} cells",
        f"n_ubatch = min({settings.ctx_size}, {settings.batch_size}, {settings.ubatch_size}) = {settings.n_ubatch}",
    ]


def _layers(model: ModelSpec) -> list[str]:
    if model.layers is None:
        return [f"layers: architecture '{model.architecture}' is answered by the engine alone"]
    kinds = [f"layers: {count} x {_layer(layer)}" for layer, count in Counter(model.layers).items()]
    return kinds if model.caches else [*kinds, "kv_cache = 0 B: no block has KV heads, and a state does not grow"]


def _layer(layer: Layer) -> str:
    parts = []
    if layer.kv_heads:
        values = f"{layer.value_dim} V" if layer.value_dim else "V a view of K"
        span = f", window {layer.window}" if layer.window else ""
        parts.append(f"{layer.kv_heads} KV heads x ({layer.key_dim} K + {values}){span}")
    if layer.conv_state or layer.recurrent_state:
        parts.append(f"state of {layer.conv_state:,} + {layer.recurrent_state:,} f32 a sequence")
    return " and ".join(parts) or "keeps nothing"


def _device(account: Account) -> list[str]:
    lines = [f"{account.name}:"]
    lines += [
        f"  {f'{entry.role} ' if entry.role else ''}{entry.what} = {entry.bytes:,} B ({entry.why}) [{entry.grade}]"
        for entry in account.entries
    ]
    inside = [f"{entry.bytes:,}" for entry in account.entries if entry.what not in OUTSIDE]
    outside = [f" - {entry.bytes:,}" for entry in account.entries if entry.what in OUTSIDE]
    lines += [
        f"  planned = {' + '.join(inside) or '0'} = {account.planned:,} B",
        f"  usable = {account.total:,}{''.join(outside)} = {account.usable:,} B",
        f"  headroom = {account.usable:,} - {account.planned:,} = {account.headroom:,} B = {gib(account.headroom)}",
    ]
    return lines
