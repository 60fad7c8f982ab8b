"""A ``llama-server`` of the user's, started with exactly the planned flags: planned as the embedded one."""

from aidx.budget.ledger import Ledger
from aidx.budget.settings import Settings
from aidx.plan.engines._rules import Rules


def remarks(ledger: Ledger, _: Settings) -> tuple[str, ...]:
    """Another build has another graph: DESIGN section 3, up to a tenth was seen."""
    builds = {entry.why for account in ledger.accounts for entry in account.entries if entry.grade == "engine"}
    if not builds:
        return ()
    return ("compute is this build's, and the llama-server on PATH may be another one: up to a tenth more or less",)


RULES = Rules("llama-server", remarks=remarks)
