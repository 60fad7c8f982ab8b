"""Roles that take turns: each process is planned with the devices to itself, since not all are loaded at once."""

from collections.abc import Generator, Sequence

from msgspec.structs import replace

from aidx.budget.ledger import OUTSIDE, Ledger
from aidx.plan.deployment.arrange import groups
from aidx.plan.deployment.members import Member, Remote
from aidx.plan.deployment.plan import deploy
from aidx.plan.devices import Machine
from aidx.plan.make import promise
from aidx.plan.probe import Answer, Probe
from aidx.plan.result import Plan


def in_turns(
    members: Sequence[Member], machine: Machine, remotes: Sequence[Remote] = ()
) -> Generator[Probe, Answer, Plan]:
    """One plan of all *members*, which holds when each process holds alone; raises as ``deploy`` does.

    Its ledger has the entries of every process, so that their sum may be more than a device has: who loads them
    sees to it that those loaded together are not.
    """
    parts: tuple[Plan, ...] = ()
    shares = groups(members) or [()]
    for group in shares:
        parts += ((yield from deploy(group, machine, remotes if group is shares[-1] else ())),)
    if len(parts) == 1:
        return parts[0]
    wrong = next((part for part in parts if not part.holds), None)
    first = wrong or parts[0]
    order = {member.role: place for place, member in enumerate(members)}
    roles = sorted(
        (role for part in parts for role in part.roles), key=lambda role: order.get(role.role or "", len(order))
    )
    ledger = _all(parts)
    notes = dict.fromkeys(note for part in parts for note in part.notes)
    return replace(
        first,
        roles=tuple(roles),
        ledger=ledger,
        verdict=next((part.verdict for part in parts if part.verdict != "fits"), "fits")
        if wrong is None
        else wrong.verdict,
        plan_hash=promise(roles, ledger),
        notes=(*notes, f"{len(parts)} processes take turns: each is planned with the devices to itself"),
    )


def _all(parts: Sequence[Plan]) -> Ledger:
    """Every process's entries, and once what others use."""
    first = parts[0].ledger
    accounts = []
    for account in first.accounts:
        others = tuple(entry for entry in account.entries if entry.what in OUTSIDE)
        planned = (entry for part in parts for entry in part.ledger.account(account.name).entries)
        accounts.append(replace(account, entries=(*others, *(entry for entry in planned if entry.what not in OUTSIDE))))
    return Ledger(tuple(accounts))
