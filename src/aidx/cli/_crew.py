"""Who fills the roles of a run: each model planned when its turn comes, started when it is needed."""

from functools import cached_property, partial
from typing import TYPE_CHECKING

from msgspec import Struct, field

from aidx import wiring
from aidx.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aidx.budget.prices import Price
    from aidx.config.merge import Settled
    from aidx.config.values import RoleTable
    from aidx.pipeline.cascading import Cascade
    from aidx.pipeline.context.editor import Format
    from aidx.pipeline.run import Bench, Seat
    from aidx.plan.deployment.members import Member
    from aidx.plan.devices import Machine
    from aidx.plan.result import Plan

EDITOR = "aidx-tiny"
AIDER = "aider"
ARCHITECT = "architect"
PAIR = ("drafter", "verifier")


class Crew(Struct, eq=False, dict=True):
    """The roles that *settled* configures, on *machine*, and the Editor that ships where it configures none.

    In a *dry* run no service is sent anything to count.
    """

    settled: "Settled"
    machine: "Machine"
    dry: bool = False
    _filled: "dict[str, _Filled]" = field(default_factory=dict)

    @cached_property
    def seats(self) -> "Mapping[str, Callable[[], Seat]]":
        """How to fill each role; nothing is planned before it is asked for."""
        return {role: partial(self._seat, role) for role in self._makers}

    @property
    def form(self) -> "Format":
        """How the Editor answers; the model that ships knows line edits only."""
        table = self._table("editor")
        if table is not None and table.engine == AIDER:
            return "tool"
        return "lines" if table is None or table.edit_format == "lines" else "blocks"

    @property
    def cascade(self) -> "Cascade | None":
        """How drafter and verifier plan, where they stand for the Architect."""
        from aidx.pipeline.cascading import Cascade

        table = self._table(ARCHITECT)
        return None if table is None or table.pattern is None else Cascade(self.settled.config.cascade.repairs)

    def bench(self, root: str, tell: "Callable[[str], object]") -> "Bench | None":
        """Where aider edits the tree at *root*, if it does; ``EngineError`` where it should and is not installed."""
        from aidx.pipeline.run import Bench
        from aidx.wiring import programs

        if self.form != "tool":
            return None
        programs.check_aider()
        return Bench(
            name=AIDER,
            seat=self.seats["editor"],
            open=lambda note, trust: programs.aider(
                root, self._one("editor").filled, note, lambda line: (tell(line), None)[1], trust
            ),
        )

    @cached_property
    def _makers(self) -> "dict[str, Callable[[], _Filled]]":
        from aidx.plan.deployment.members import Member
        from aidx.plan.need import Need
        from aidx.plan.wish import Wish

        found: dict[str, Callable[[], _Filled]] = {}
        if self.settled.config.roles:
            configured = wiring.configured(self.settled, Need(environment=wiring.engine_environment()))
            found = {member.role: partial(self._here, member, self.machine) for member in configured.members}
            found |= {remote.role: partial(self._elsewhere, remote.role) for remote in configured.remotes}
        for role, table in self.settled.config.roles.items():
            if table.pattern is not None and role != ARCHITECT:
                found[role] = partial(_patterned, role, table.pattern)
        if self.cascade is not None:
            found |= self._pair({member.role: member for member in configured.members})
        if "editor" not in found:
            tiny = Member("editor", wiring.resolve(EDITOR).model, Need(), max_kv=self.settled.config.pipeline.max_kv)
            found["editor"] = lambda: self._here(tiny, wiring.machine(Wish(vram=(0,))))
        return found

    def _one(self, role: str) -> "_Filled":
        from aidx.wiring import routing

        if role not in self._filled:
            routing.confine(self.settled, role)
            self._filled[role] = self._makers[role]()
        return self._filled[role]

    def _seat(self, role: str) -> "Seat":
        from aidx.budget.prices import FREE
        from aidx.pipeline.run import Seat

        found = self._one(role)
        filled = found.filled
        return Seat(
            model=filled.model,
            limits=filled.limits,
            start=filled.start,
            cell_bytes=filled.cell_bytes,
            kv_bytes=found.kv_bytes,
            max_kv=found.max_kv,
            leaves=filled.leaves,
            beside=found.beside,
            process=found.process,
            price=self._price(role) if filled.leaves else FREE,
            own=filled.own,
        )

    def _price(self, role: str) -> "Price | None":
        """What the model costs that answers elsewhere; nobody but the user knows."""
        from aidx.budget.prices import parse_price

        table = self._table(role)
        return None if table is None or table.price is None else parse_price(table.price)

    def _here(self, member: "Member", machine: "Machine") -> "_Filled":
        from contextlib import closing

        from aidx.advise import deploy

        with closing(wiring.prober()) as prober:
            plan = wiring.held(deploy([member], machine, prober))
        cache = sum(account.sum("kv_cache") for account in plan.ledger.accounts)
        return _Filled(wiring.fill(plan, self._table(member.role)), cache, member.max_kv)

    def _pair(self, members: "Mapping[str, Member]") -> "dict[str, Callable[[], _Filled]]":
        """Drafter and verifier beside each other, where both run here and fit together; else they take turns."""
        if not members.keys() >= set(PAIR):
            return {}
        return {role: partial(self._of_pair, role, members) for role in PAIR}

    def _of_pair(self, role: str, members: "Mapping[str, Member]") -> "_Filled":
        from aidx.plan.deployment.plan import owner, part

        plan = self._together
        if plan is None:
            return self._here(members[role], self.machine)
        mine = part(plan, role)
        cache = sum(account.sum("kv_cache") for account in mine.ledger.accounts)
        return _Filled(wiring.fill(mine, self._table(role)), cache, beside=frozenset(PAIR), process=owner(plan, role))

    @cached_property
    def _together(self) -> "Plan | None":
        """Drafter and verifier planned together; ``None`` where they do not fit, or answer at an address."""
        from contextlib import closing

        from aidx.advise import deploy
        from aidx.plan.need import Need

        if any(table is not None and table.urls for table in map(self._table, PAIR)):
            return None
        configured = wiring.configured(self.settled, Need(environment=wiring.engine_environment()))
        with closing(wiring.prober()) as prober:
            plan = deploy([each for each in configured.members if each.role in PAIR], self.machine, prober)
        return plan if plan.holds else None

    def _elsewhere(self, role: str) -> "_Filled":
        from msgspec.structs import replace

        table = self._table(role)
        assert table is not None
        if table.engine == AIDER:
            table = replace(table, engine="openai")  # what its url speaks
        return _Filled(wiring.elsewhere(role, table, counting="foreseen" if self.dry else "held"))

    def _table(self, role: str) -> "RoleTable | None":
        return self.settled.config.roles.get(role)  # type: ignore[call-overload,no-any-return]


def _patterned(role: str, pattern: str) -> "_Filled":
    raise InputError(
        f"roles.{role} is the pattern {pattern}, and in a run that can only stand for the architect",
        hint=f"Give [roles.{role}] a model, or bring a plan of your own with --plan.",
    )


class _Filled(Struct, frozen=True):
    """A role that is filled, and the cache that was planned for it on this machine (0: elsewhere); see ``Seat``."""

    filled: "wiring.Filled"
    kv_bytes: int = 0
    max_kv: int | None = None
    beside: frozenset[str] = frozenset()
    process: str | None = None
