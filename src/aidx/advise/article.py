"""The article's figures beside the exact ones: plans of its model on its card."""

from collections.abc import Callable

from aidx.advise.one import plan
from aidx.model.spec import ModelSpec
from aidx.plan.article import CARD, GATE, QUANTS, WINDOW, Claim, Evidence, claims
from aidx.plan.devices import Machine, host, wished_gpu
from aidx.plan.need import Need
from aidx.plan.result import Plan
from aidx.ports.prober import Prober

HOST_RAM = 16 << 30  # the article names no host; a common size, fixed so that the table is the same everywhere


def article_plans(variant: Callable[[str], ModelSpec], prober: Prober, *, fast: bool = False) -> Evidence:
    """Plans of the article's model on its 12 GB card; *variant* builds it at a quantization."""
    machine = Machine(host(HOST_RAM), (wished_gpu(CARD),))

    def at(quant: str, tokens: int, cache: str = "f16") -> Plan:
        need = Need(ctx_size=tokens, n_gpu_layers="all", cache_type_k=cache, cache_type_v=cache, fast=fast)
        return plan(variant(quant), need, machine, prober)

    return Evidence(
        by_quant={quant: at(quant, GATE) for quant in QUANTS},
        at_gate=at("Q4_K_M", GATE),
        at_window=at("Q4_K_M", WINDOW),
        at_window_q8=at("Q4_K_M", WINDOW, "q8_0"),
    )


def article(variant: Callable[[str], ModelSpec], prober: Prober, *, fast: bool = False) -> tuple[Claim, ...]:
    """The article's figures beside the exact ones."""
    return claims(article_plans(variant, prober, fast=fast))
