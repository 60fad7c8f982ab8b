"""The first scene: a budget table from the literature beside exact plans of the same model and card."""

from aidx.budget.ledger import Account, Entry, What
from aidx.page.story import Budget, Row
from aidx.plan.article import CARD, GB, Evidence, claims, judge
from aidx.plan.checklist import components

SOURCE = "the article's budget table (V. Rudakov)"
STATED: tuple[tuple[What, int], ...] = (("weights", 8 * GB), ("kv_cache", GB), ("driver", GB // 2))
STATED_HEADROOM = 5 * GB // 2


def budget(found: Evidence) -> Budget:
    """The article's table and every figure it states, beside the plans in *found*."""
    stated = Account("article", "gpu", CARD, tuple(Entry(what, size, SOURCE, "assumed") for what, size in STATED))
    exact = components(found.at_gate.ledger)
    amounts = (*(size for _, size in STATED), STATED_HEADROOM)
    return Budget(
        stated=stated,
        table=tuple(
            Row(
                row.component,
                amount,
                row.bytes,
                judge(amount, row.bytes, reserve=row is exact[-1]),
            )
            for row, amount in zip(exact, amounts, strict=True)
        ),
        plans=dict(found.by_quant),
        claims=claims(found),
    )
