"""Who fills the roles of a run: each model planned when its turn comes, started when it is needed."""

from functools import partial
from typing import TYPE_CHECKING

from aidx import wiring
from aidx.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aidx.config.merge import Settled
    from aidx.pipeline.run import Seat
    from aidx.plan.deployment.members import Member, Remote
    from aidx.plan.devices import Machine

EDITOR = "aidx-tiny"


def seats(settled: "Settled", machine: "Machine") -> "Mapping[str, Callable[[], Seat]]":
    """How to fill each configured role, and the Editor with the model that ships where none is configured."""
    from aidx.plan.deployment.members import Member
    from aidx.plan.need import Need
    from aidx.plan.wish import Wish

    found: dict[str, Callable[[], Seat]] = {}
    if settled.config.roles:
        configured = wiring.configured(settled, Need(environment=wiring.engine_environment()))
        found = {member.role: partial(_local, member, settled, machine) for member in configured.members}
        found |= {remote.role: partial(_elsewhere, remote) for remote in configured.remotes}
    if "editor" not in found:
        max_kv = settled.config.pipeline.max_kv
        tiny = Member("editor", wiring.resolve(EDITOR).model, Need(), max_kv=max_kv)
        found["editor"] = partial(_local, tiny, settled, wiring.machine(Wish(vram=(0,))))
    return found


def edits_lines(settled: "Settled") -> bool:
    """Whether the Editor answers in line edits; the model that ships knows nothing else."""
    table = settled.config.roles.get("editor")
    return table is None or table.edit_format == "lines"


def _local(member: "Member", settled: "Settled", machine: "Machine") -> "Seat":
    from contextlib import closing

    from aidx.advise import deploy
    from aidx.pipeline.run import Seat

    with closing(wiring.prober()) as prober:
        plan = wiring.held(deploy([member], machine, prober))
    table = settled.config.roles.get(member.role)  # type: ignore[call-overload]
    bounds = {} if table is None else {"max_tokens": table.max_tokens, "gate": table.gate}
    return Seat.of(plan, wiring.limits(plan, **bounds), partial(wiring.start, plan), member.max_kv)


def _elsewhere(remote: "Remote") -> "Seat":
    raise EngineError(
        f"{remote.role}: {remote.model} is reached through {remote.engine}, which a run cannot do yet",
        hint="Use a model on this machine for the role; a plan of your own (--plan) needs no architect.",
        code="engine_missing",
    )
