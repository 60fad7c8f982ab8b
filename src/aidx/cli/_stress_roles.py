"""``aidx stress`` of the roles of ``aidx.toml``: each process under a ceiling of its own share of the plan."""

from functools import partial
from typing import TYPE_CHECKING

from aidx.cli._options import settings
from aidx.cli._stress import Ask, Run
from aidx.errors import InputError

if TYPE_CHECKING:
    from aidx.plan.result import Plan


def of_roles(ask: Ask, whole: "Plan") -> dict[str, Run]:
    """How each process of *whole* is proved, or the one of the role that was asked for, by its first role.

    Raises ``BudgetError`` where *whole* does not hold, ``InputError`` where there is nothing to prove.
    """
    from aidx.plan.proven import provable
    from aidx.wiring import held

    held(whole, ask.see)
    found = {str(part.roles[0].role): part for part in provable(whole)}
    if ask.role is not None:
        name = _owner(ask.role, whole, found)
        found = {name: found[name]}
    if not found:
        raise InputError("none of the roles holds a conversation here", hint="There is nothing to prove.")
    return {role: _run(ask, role, part) for role, part in found.items()}


def _owner(role: str, whole: "Plan", found: "dict[str, Plan]") -> str:
    """Under which role the process that answers for *role* is proved."""
    from aidx.plan.deployment.plan import owner

    known = {str(each.role): each for each in whole.roles}
    if role not in known:
        raise InputError(f"no role {role} is configured; there is: {', '.join(known)}", hint="Name one of these.")
    if known[role].model.source == "cloud":
        raise InputError(f"{role} is filled elsewhere, and takes nothing here", hint="Name a role that runs here.")
    name = owner(whole, role)
    if name not in found:
        raise InputError(f"{role} makes vectors, and no conversation fills its cache", hint="Name another role.")
    return name


def _run(ask: Ask, role: str, part: "Plan") -> Run:
    """*part*, of one process, on an engine that is started here, or on the one that its role is filled by."""
    from aidx.stress.subject import of
    from aidx.wiring import proof as proving
    from aidx.wiring import variable

    tell = partial(_prefixed, ask, role)
    table = next((table for name, table in settings().config.roles.items() if name == role), None)
    if table is None or not table.urls:
        return Run(of(part), proving.bench(part, ask.load, tell))
    key = None if table.api_key_env is None else variable(table.api_key_env)
    return Run(of(part), proving.bench_at(part, table.urls[0], key, ask.load, tell))


def _prefixed(ask: Ask, role: str, line: str) -> None:
    ask.tell(f"{role}: {line}")
