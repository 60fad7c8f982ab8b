"""The figures of the article that aidx puts into practice, beside the exact ones.

V. Rudakov, "Model Sizing, Quantization, and VRAM Budgeting for Local Deployment". Its claims are constants
of the text; the exact side comes from plans of the same model, never from this file.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from aidx.budget.ledger import Ledger
from aidx.budget.sizes import gib
from aidx.plan.result import Plan

MODEL = "qwen2.5-coder-14b"
CARD = 12 << 30
QUANTS = ("F16", "Q8_0", "Q4_K_M", "Q4_0")
GATE = 2048
WINDOW = 8192
GB = 1 << 30  # cards are sold in GiB called GB; the article's figures are read in the same unit
MARGIN = 0.10  # "~8 GB" is a round number: within a tenth it holds

Holds = Literal["holds", "conservative", "optimistic"]


class Claim(Struct, frozen=True):
    """One figure of the article beside the exact one, in bytes."""

    claim: str
    claimed_bytes: int
    exact_bytes: int
    verdict: Holds
    note: str


class Evidence(Struct, frozen=True):
    """Plans of the article's model: by quantization, and the caches at its two context sizes."""

    by_quant: Mapping[str, Plan]
    at_gate: Plan
    at_window: Plan
    at_window_q8: Plan


def claims(found: Evidence) -> tuple[Claim, ...]:
    """A row for every figure that the article states."""
    return (*_weights(found), *_caches(found), *_rest(found), *_savings(found))


def judge(claimed: int, exact: int, *, reserve: bool = False) -> Holds:
    """Whether a stated need covers the exact one; for a *reserve* (room left) more is the optimistic side."""
    if abs(claimed - exact) <= MARGIN * exact:
        return "holds"
    return "optimistic" if (claimed < exact) != reserve else "conservative"


def weights(ledger: Ledger) -> int:
    """Bytes of weights on all devices."""
    return sum(account.sum("weights") + account.sum("repack") for account in ledger.accounts)


def cache(ledger: Ledger) -> int:
    """Bytes of KV cache on all devices."""
    return sum(account.sum("kv_cache") for account in ledger.accounts)


def overhead(ledger: Ledger) -> int:
    """Bytes on the GPU that are neither weights nor cache."""
    account = ledger.accounts[0]
    return account.planned - account.sum("weights") - account.sum("kv_cache")


def _weights(found: Evidence) -> list[Claim]:
    full, small = found.by_quant["F16"], found.by_quant["Q4_K_M"]
    on_card = small.ledger.accounts[0].sum("weights")
    tensors = sum(tensor.bytes for tensor in full.roles[0].model.tensors)
    return [
        _row("weights at FP16 ~28 GB", 28 * GB, tensors, "tensor bytes; right as GiB"),
        _row(
            "weights at Q4_K_M ~8 GB",
            8 * GB,
            on_card,
            f"the part on the GPU; the file has {gib(small.roles[0].model.file_bytes)}, "
            "its token embeddings stay on the host",
        ),
    ]


def _caches(found: Evidence) -> list[Claim]:
    exact, packed, gate = cache(found.at_window.ledger), cache(found.at_window_q8.ledger), cache(found.at_gate.ledger)
    note = f"{exact / GB:.2f} GiB at f16, {packed / GB:.2f} GiB at q8_0"
    plan_cost = "one plan and its files at the gate; a run's own ledger records the rest"
    return [
        _row("KV cache ~2 GB per 8,192 tokens (14B)", 2 * GB, exact, note),
        _row("KV cache ~1 GB at the gate of 2,048 tokens", GB, gate, "f16"),
        _row("KV cache of the Editor below 4 GB after the Hard Reset", 4 * GB, gate, plan_cost),
        _row("KV headroom of 2-4 GB to reserve", 2 * GB, exact, "the lower bound against 8,192 tokens at f16"),
    ]


def _rest(found: Evidence) -> list[Claim]:
    ledger = found.at_gate.ledger
    left = ledger.accounts[0].headroom
    return [
        _row(
            "operating system and framework ~0.5 GB",
            GB // 2,
            overhead(ledger),
            "compute buffer and driver context; a desktop takes 0.2-1.6 GiB more",
        ),
        Claim(
            "headroom ~2.5 GB left on 12 GB",
            5 * GB // 2,
            left,
            judge(5 * GB // 2, left, reserve=True),
            "Q4_K_M at the gate of 2,048 tokens",
        ),
    ]


def _savings(found: Evidence) -> list[Claim]:
    full = sum(tensor.bytes for tensor in found.by_quant["F16"].roles[0].model.tensors)
    rows = [("Q8_0", 50, "negligible loss"), ("Q4_K_M", 75, "~1 % logic degradation"), ("Q4_0", 75, "2-3 %")]
    return [_saving(found, full, quant, percent, loss) for quant, percent, loss in rows]


def _saving(found: Evidence, full: int, quant: str, percent: int, loss: str) -> Claim:
    role = found.by_quant[quant].roles[0]
    exact = sum(tensor.bytes for tensor in role.model.tensors)
    claimed = full * (100 - percent) // 100
    saved = 100 * (1 - exact / full)
    published = f"KLD {role.loss.kld_low:g} to {role.loss.kld_high:g} ({role.loss.source})"
    return Claim(
        f"{quant} saves {percent} % against FP16, {loss}",
        claimed,
        exact,
        judge(claimed, exact) if exact <= claimed or saved >= percent - 1 else "optimistic",
        f"saves {saved:.1f} %; {published}",
    )


def _row(claim: str, claimed: int, exact: int, note: str) -> Claim:
    return Claim(claim, claimed, exact, judge(claimed, exact), note)
