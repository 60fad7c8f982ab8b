"""The article's six steps, each with its proof or the command that will give it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from aidx.budget.ledger import Ledger
from aidx.budget.sizes import gib
from aidx.plan.article import Claim
from aidx.plan.result import Plan

EDITOR = (7_000_000_000, 15_000_000_000)  # DESIGN section 1, role map: 7B-14B; 14B models have up to 14.8B


@dataclass(frozen=True, slots=True)
class Step:
    """``open`` until *command* has given its *proof*."""

    step: int
    title: str
    status: Literal["ok", "open", "failed"]
    proof: str
    command: str


@dataclass(frozen=True, slots=True)
class Component:
    """A row of the component table."""

    component: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Checklist:
    """What ``aidx checklist`` prints."""

    steps: tuple[Step, ...]
    budget: tuple[Component, ...]
    article: tuple[Claim, ...] = ()


def checklist(plan: Plan, typed: str, article: Sequence[Claim] = ()) -> Checklist:
    """The six steps for *plan*; later commands prove steps 5 and 6, which stay ``open`` until then.

    *typed* is the model and the options that the plan was asked with, so that each command proves this plan.
    """
    return Checklist(
        steps=(
            _select(plan, typed),
            _quantize(plan, typed),
            _reserve(plan, typed),
            _verify(plan, typed),
            Step(
                5,
                "Enforce structured output",
                "open",
                "nothing enforces a schema for this plan yet",
                f"aidx serve {typed}",
            ),
            Step(
                6,
                "Stress test at peak KV",
                "open",
                f"no stress proof for plan {plan.plan_hash}",
                f"aidx stress {typed}",
            ),
        ),
        budget=components(plan.ledger),
        article=tuple(article),
    )


def components(ledger: Ledger) -> tuple[Component, ...]:
    """The component table of the device that holds the weights: the GPU, or the host without one."""
    account = ledger.accounts[0]
    weights = account.sum("weights") + account.sum("repack")
    cache = account.sum("kv_cache") + account.sum("recurrent_state")
    return (
        Component("Model weights", weights),
        Component("KV cache", cache),
        Component("OS and framework overhead", account.planned - weights - cache + account.sum("desktop")),
        Component("Available headroom", account.headroom),
    )


def _select(plan: Plan, typed: str) -> Step:
    model = plan.roles[0].model
    billions = model.parameters / 1e9
    suits = EDITOR[0] <= model.parameters <= EDITOR[1]
    return Step(
        1,
        "Select the Editor model",
        "ok" if suits else "failed",
        f"{model.name}: {billions:.2f}B parameters, {model.architecture}"
        + ("" if suits else "; an Editor has 7B to 14B"),
        f"aidx plan {typed}",
    )


def _quantize(plan: Plan, typed: str) -> Step:
    model, loss = plan.roles[0].model, plan.roles[0].loss
    return Step(
        2,
        "Quantize",
        "ok",
        f"{model.quantization}: file {gib(model.file_bytes)}, "
        f"KLD {loss.kld_low:g} to {loss.kld_high:g} ({loss.quality}; {loss.source})",
        f"aidx plan {typed}",
    )


def _reserve(plan: Plan, typed: str) -> Step:
    role = plan.roles[0]
    cache = sum(account.sum("kv_cache") + account.sum("recurrent_state") for account in plan.ledger.accounts)
    return Step(
        3,
        "Reserve KV headroom",
        "ok" if role.max_ctx_size >= role.settings.ctx_size or plan.ledger.holds else "failed",
        f"{gib(cache)} for {role.settings.n_ctx:,} cells; the longest context that holds is {role.max_ctx_size:,}",
        f"aidx plan {typed}",
    )


def _verify(plan: Plan, typed: str) -> Step:
    return Step(
        4,
        "Verify the total",
        "ok" if plan.ledger.holds else "failed",
        plan.binding,
        f"aidx plan {typed} --explain",
    )


def as_json(found: Checklist) -> dict[str, object]:
    """The object ``aidx.checklist/1``."""
    return {
        "schema": "aidx.checklist/1",
        "steps": [
            {"step": s.step, "title": s.title, "status": s.status, "proof": s.proof, "command": s.command}
            for s in found.steps
        ],
        "budget": [{"component": row.component, "bytes": row.bytes} for row in found.budget],
        "article": [
            {
                "claim": row.claim,
                "claimed_bytes": row.claimed_bytes,
                "exact_bytes": row.exact_bytes,
                "verdict": row.verdict,
                "note": row.note,
            }
            for row in found.article
        ],
    }
