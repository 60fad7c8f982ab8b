"""What ``aidx stress`` proves, and with what: a plan of its own, or what an endpoint of aidx was planned with."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from aidx.cli._options import plan_typed, settings, typed
from aidx.errors import InputError
from aidx.plan.devices import Machine
from aidx.plan.need import Need

if TYPE_CHECKING:
    from aidx.plan.result import Plan
    from aidx.stress.load import Load
    from aidx.stress.run import Bench
    from aidx.stress.subject import Subject

SHIPPED: Final = "aidx-tiny"
SHORT: Final = 16  # turns of the run that only measures

Tell = Callable[[str], object]


class Run(NamedTuple):
    """What is proved, and with what."""

    subject: "Subject"
    bench: "Bench"


class Ask(Struct, frozen=True):
    """What was typed; *url* is that of an engine that runs already, with the *key* that it wants."""

    model: str | None
    need: Need
    machine: Machine
    options: Mapping[str, Any]
    url: str | None
    key: str | None
    load: "Load"
    tell: Tell
    role: str | None = None

    @property
    def deployment(self) -> bool:
        """Whether roles of aidx.toml are proved, and not one model."""
        return self.role is not None or (self.model is None and self.url is None and bool(settings().config.roles))

    @property
    def endpoint(self) -> bool:
        """Whether an endpoint of aidx is what runs at the url, which needs no ``--engine``: it says so itself."""
        from aidx.wiring.proof import is_endpoint

        return self.url is not None and self.need.engine == "auto" and is_endpoint(self.url)

    def plan(self) -> "Plan":
        """The plan of the options."""
        from aidx.cli.plan import planned

        return planned(_named(self), self.need, self.machine, dict(self.options))

    @property
    def see(self) -> str:
        """The command that shows the plan."""
        return f"aidx plan {typed(_named(self))}".strip()


def at_endpoint(ask: Ask) -> Run:
    """What the endpoint was planned with; ``InputError`` for options that would plan something else."""
    from aidx.wiring import proof as proving

    if found := plan_typed():
        raise InputError(
            f"{found[0]} makes a plan, and the endpoint at {ask.url} has one",
            hint="Leave the options of the plan out: it is read there.",
        )
    assert ask.url is not None
    return Run(*proving.endpoint_at(ask.url, ask.key, ask.model, ask.load, ask.tell))


def of_plan(ask: Ask, plan: "Plan") -> Run:
    """*plan* on an engine that is started here, or on the one that runs at the url."""
    from aidx.stress.subject import of
    from aidx.wiring import held
    from aidx.wiring import proof as proving

    held(plan, ask.see)
    if ask.url is None:
        return ready(plan, ask.plan, ask.need, ask.machine, partial(proving.bench, load=ask.load, tell=ask.tell))
    if ask.need.engine in {"embedded", "auto"}:
        raise InputError(
            f"no endpoint of aidx answers at {ask.url}, and --engine {ask.need.engine} is started here",
            hint="Add --engine llama-server or another one, or start aidx serve there.",
        )
    return Run(of(plan), proving.bench_at(plan, ask.url, ask.key, load=ask.load, tell=ask.tell))


def ready(
    plan: "Plan", again: "Callable[[], Plan]", need: Need, machine: Machine, bench: "Callable[[Plan], Bench]"
) -> Run:
    """A plan in which nothing about the engine's process is assumed: where it is, that is measured first."""
    from aidx.plan.calibration import assumed
    from aidx.stress.run import look
    from aidx.stress.subject import of
    from aidx.wiring import proof as proving

    made = bench(plan)
    if not assumed(plan):
        return Run(of(plan), made)
    made.tell("measuring what the engine's process takes, once for this model and machine")
    short = replace(made, load=replace(made.load, turns=min(made.load.turns, SHORT)))
    if not proving.calibrate(plan, machine, need, look(short, of(plan), None)):
        return Run(of(plan), made)
    measured = again()
    return Run(of(measured), bench(measured))


def _named(ask: Ask) -> str | None:
    """What is planned: the model that was given, the roles (``None``), or the shipped one."""
    if ask.deployment:
        return None
    roles = settings().config.roles
    if ask.model is None and roles:
        raise InputError(
            f"aidx.toml configures {', '.join(roles)}, and one engine runs at {ask.url}",
            hint="Give the MODEL of one of them, with its settings as options.",
        )
    return ask.model or SHIPPED
