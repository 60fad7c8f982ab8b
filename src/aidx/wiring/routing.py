"""The router that decides here, and the files it is trained on."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from aidx.errors import InputError

if TYPE_CHECKING:
    from aidx.config.merge import Settled
    from aidx.config.values import RoleTable
    from aidx.patterns.route import Judge
    from aidx.patterns.router.labelled import Labelled
    from aidx.patterns.router.model import Router
    from aidx.patterns.terms import Served, Terms
    from aidx.serve.exchange import Offered
    from aidx.serve.run import Offer
    from aidx.serve.service import Service
    from aidx.wiring.engines import Filled

HOSTED: Final = ("-cloud", ":cloud")  # how Ollama names models that it passes on to its own servers


class Deciding(Struct, frozen=True):
    """A router and where it came from; *threshold_from* says whose threshold it has."""

    router: "Router"
    origin: str
    threshold_from: str

    def judge(self, settled: "Settled") -> "Judge":
        """It with the bounds of ``[route]``."""
        from aidx.patterns.route import Judge
        from aidx.patterns.route_private import private

        known, table = self.router.gatekeeper, settled.config.roles.get("gatekeeper")
        same = known is not None and table is not None and known.model == table.model
        route = settled.config.route
        return Judge(self.router, known if same else None, route.files, private(route.private))


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
    remote |= {role for role, table in configured.items() if passed_on(table)}
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


def gatekeeper(settled: "Settled") -> "Filled":
    """What fills the configured gatekeeper, planned alone; raises as ``wiring.fill`` does."""
    from contextlib import closing

    from aidx.advise import deploy
    from aidx.plan.need import Need
    from aidx.wiring import configured, elsewhere, fill, machine, prober

    table = settled.config.roles.get("gatekeeper")
    if table is None:
        raise InputError("no gatekeeper is configured", hint="Configure [roles.gatekeeper] in aidx.toml.")
    asked, _ = terms(settled)
    if "gatekeeper" in asked.remote:
        if settled.config.route.local_only:
            raise InputError("local_only, and the gatekeeper is on another machine", hint="Use a model of this one.")
        return elsewhere("gatekeeper", table)
    members = [one for one in configured(settled, Need()).members if one.role == "gatekeeper"]
    with closing(prober()) as asking:
        plan = deploy(members, machine(), asking)
    return fill(plan, table, role="gatekeeper")


def passed_on(table: "RoleTable | None") -> bool:
    """Whether an engine of this machine would pass the requests of a role on to another one."""
    return table is not None and (table.model or "").endswith(HOSTED)


def staying(offers: "Sequence[Offer]", settled: "Settled", tell: Callable[[str], object]) -> "list[Offer]":
    """Those of *offers* that may be served: with ``local_only`` none whose requests leave this machine.

    What is left out is never started or attached to: nothing is sent, not even to see whether it is there.
    """
    tables: Mapping[str, RoleTable] = {str(role): table for role, table in settled.config.roles.items()}
    if not settled.config.route.local_only:
        return list(offers)
    found = []
    for offer in offers:
        if offer.process.leaves or passed_on(tables.get(offer.role)):
            tell(f"aidx: {offer.role} is not served: local_only, and {offer.model} is on another machine")
        else:
            found.append(offer)
    if not found:
        raise InputError("local_only, and every role is on another machine", hint="Configure a role that runs here.")
    return found


def pattern(settled: "Settled") -> "tuple[Served, Terms]":
    """The pattern ``auto``, for requests that no endpoint answers, and its terms; cascades stand for their roles."""
    from aidx.patterns import cascade
    from aidx.patterns.route import served
    from aidx.wiring.cascade import terms as of_cascade
    from aidx.wiring.feedback import learning

    asked, assumed = terms(settled)
    asked = replace(asked, roles=frozenset()) if assumed else asked
    stand = [str(role) for role, table in settled.config.roles.items() if table.pattern == cascade.PATTERN.name]
    judge = replace(deciding(settled).judge(settled), patterns=dict.fromkeys(stand, learning(cascade.PATTERN, settled)))
    return served(judge), of_cascade(settled, asked.roles, asked.remote)


def confine(settled: "Settled", role: str) -> None:
    """Raise ``InputError`` where *role* is on another machine, and ``local_only`` keeps requests on this one."""
    asked, _ = terms(settled)
    if asked.local_only and role in asked.remote:
        where = settled.origin("route", "local_only").where
        raise InputError(
            f"local_only, and {role} is on another machine ({where})",
            hint=f"Give [roles.{role}] a model of this machine, or take local_only back.",
            code="local_only",
        )


def auto(
    settled: "Settled",
    offers: "Sequence[Offer]",
    standing: "Mapping[str, Callable[[Mapping[str, Service]], Offered]] | None" = None,
) -> "list[Callable[[Mapping[str, Service]], Offered]]":
    """The model ``auto``, where Editor and Architect are configured and one of them is among *offers*.

    *standing* are patterns that stand for a role which has no model of its own.
    """
    from aidx.patterns.route import NEEDS
    from aidx.serve.auto import Auto

    asked, assumed = terms(settled)
    if assumed or not asked.roles.issuperset(NEEDS) or not {offer.role for offer in offers}.intersection(NEEDS):
        return []
    judge = deciding(settled).judge(settled)
    others = standing or {}
    return [lambda roles: Auto({**{role: make(roles) for role, make in others.items()}, **roles}, asked, judge)]
