"""The router that decides here, and the files it is trained on."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aidx.config.merge import Settled
    from aidx.patterns.route import Judge
    from aidx.patterns.router.labelled import Labelled
    from aidx.patterns.router.model import Router
    from aidx.patterns.terms import Terms


@dataclass(frozen=True, slots=True)
class Deciding:
    """A router and where it came from; *threshold_from* says whose threshold it has."""

    router: "Router"
    origin: str
    threshold_from: str

    def judge(self, settled: "Settled") -> "Judge":
        """It with the bounds of ``[route]``."""
        from aidx.patterns.route import Judge

        return Judge(self.router, self.origin, settled.config.route.files)


def terms(settled: "Settled") -> "tuple[Terms, bool]":
    """Who may be asked as *settled* says, and whether that is assumed because it says nothing of roles.

    An Architect that is a cascade leaves the machine where its drafter or verifier does.
    """
    from aidx.config.roles import roles
    from aidx.patterns.terms import Terms
    from aidx.plan.need import Need

    local_only = settled.config.route.local_only
    configured = settled.config.roles
    if not configured:
        return Terms(
            roles=frozenset({"editor", "architect"}), remote=frozenset({"architect"}), local_only=local_only
        ), True
    remote = {role for role, _ in roles(settled, Need()).others}
    cascades = {role for role, table in configured.items() if table.pattern is not None}
    if remote & {"drafter", "verifier"}:
        remote |= cascades
    return Terms(roles=frozenset(configured), remote=frozenset(remote), local_only=local_only), False


def deciding(settled: "Settled | None" = None, file: str | None = None) -> Deciding:
    """The router at *file*, else ``.aidx/router.json``, else the shipped one, with the threshold of ``[route]``."""
    from aidx.adapters.router import current

    router, origin = current(file)
    if settled is None or settled.config.route.threshold is None:
        return Deciding(router, origin, "the router's own")
    threshold = settled.config.route.threshold
    return Deciding(replace(router, threshold=threshold), origin, settled.origin("route", "threshold").where)


def shipped_router() -> "Router":
    """The router that ships with the package."""
    from aidx.adapters.router import shipped

    return shipped()


def keep_router(router: "Router", file: str | None = None) -> str:
    """Write *router*, whole or not at all, and say where."""
    from aidx.adapters.router import keep

    return keep(router, file)


def labelled(path: str) -> "Sequence[Labelled]":
    """The labelled prompts in the file at *path* (``-``: standard input); ``InputError`` names what is wrong."""
    from aidx.adapters.router import contents
    from aidx.patterns.router.labelled import parse

    return parse(contents(path), "standard input" if path == "-" else path)
