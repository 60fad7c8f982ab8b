"""The roles of ``aidx.toml``, resolved: those that run here, and those that do not."""

from typing import TYPE_CHECKING

from msgspec import Struct

from aidx.errors import InputError
from aidx.model.found import Resolved
from aidx.wiring.models import resolve_for

if TYPE_CHECKING:
    from aidx.config import roles as configured_roles
    from aidx.config.merge import Settled
    from aidx.config.values import RoleTable
    from aidx.plan.deployment.members import Member, Remote
    from aidx.plan.need import Need


class Configured(Struct, frozen=True):
    """The configured roles, resolved: those that run here, those that do not, and what must be said of the rest."""

    members: "tuple[Member, ...]"
    remotes: "tuple[Remote, ...]"
    notes: tuple[str, ...]


def configured(settled: "Settled", need: "Need", *, quant: str | None = None, imatrix: bool = False) -> Configured:
    """The roles of *settled*, with the flags that *need*, *quant* and *imatrix* carry.

    Raises ``InputError`` where no role is configured, and for models that are not known.
    """
    from aidx.config.roles import roles
    from aidx.plan.deployment.members import Member, Remote

    found = roles(settled, need)
    if not settled.config.roles:
        raise InputError(
            "no MODEL is given, and no aidx.toml here configures a role",
            hint='Give a MODEL, or write aidx.toml: a line [roles.editor] and a line model = "qwen2.5-coder:14b".',
        )
    members = []
    for each in found.here:
        here = _of_role(each, quant, imatrix=imatrix)
        members.append(
            Member(
                role=each.role,
                model=here.model,
                need=each.need,
                on_host=each.on_host,
                at_least=each.at_least,
                max_kv=each.max_kv,
                variant=here.variant,
                asked=each.asked,
            )
        )
    remotes = (Remote(role, table.model or "", table.engine, _context(table)) for role, table in found.others)
    return Configured(tuple(members), tuple(remotes), found.notes)


def _of_role(wanted: "configured_roles.Wanted", quant: str | None, *, imatrix: bool) -> Resolved:
    try:
        return resolve_for(
            wanted.need.engine, wanted.reference, quant=quant or wanted.quant, imatrix=imatrix or wanted.imatrix
        )
    except InputError as wrong:
        raise type(wrong)(f"roles.{wanted.role}: {wrong}", hint=wrong.hint) from None


def _context(table: "RoleTable") -> int:
    return table.ctx_size if isinstance(table.ctx_size, int) else 0
