"""Builds adapters and hands them to the flow; the only module that imports them, when they are needed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aidx.errors import BudgetError, CheckError, EngineError, InputError
from aidx.plan.devices import Machine
from aidx.plan.result import Plan
from aidx.ports import Deployment, Engine, Launch, Prober, Workspace
from aidx.wiring.models import beside, candidates, cloud, clouds, hub, pull, resolve, resolve_for, stored
from aidx.wiring.roles import Configured, configured

if TYPE_CHECKING:
    from aidx.adapters.endpoint import Endpoint
    from aidx.adapters.screen import Screen
    from aidx.config.merge import Settled
    from aidx.gate.admit import Limits, Overflow
    from aidx.gate.count import Own
    from aidx.plan.cards import Card
    from aidx.plan.inventory import Sight
    from aidx.plan.need import Need
    from aidx.plan.speed import Pace, Timing
    from aidx.plan.wish import Wish


def settings(file: str | None = None) -> "Settled":
    """The settings that hold here; *file* stands in for ``./aidx.toml``."""
    from aidx.config.read import load

    return load(file)


def any_settings() -> bool:
    """Whether there are any settings to read."""
    from aidx.config.places import anything

    return anything()


def engine_environment() -> tuple[tuple[str, str], ...]:
    """What engines are told by the environment: their own settings, as pairs."""
    import os

    return tuple(sorted(pair for pair in os.environ.items() if pair[0].startswith(("OLLAMA_", "LLAMA_ARG_"))))


def prober(*, warm: bool = False) -> Prober:
    """The engine in a child process, which starts when it is first asked, or at once to be *warm*."""
    from aidx.adapters.llama.prober import EngineProber

    found = EngineProber()
    if warm:
        found.warm()
    return found


@contextmanager
def asking(need: "Need", *, warm: bool = False) -> Iterator[Prober | None]:
    """Someone to ask for a plan of *need*, closed afterwards; nobody where the engine is not to be asked."""
    if need.fast:
        yield None
        return
    found = prober(warm=warm)
    try:
        yield found
    finally:
        found.close()


def machine(wish: "Wish | None" = None) -> Machine:
    """The machine to plan for: *wish* over what is here. Raises ``InputError`` for contradictions."""
    from aidx.adapters import detect
    from aidx.adapters.hardware import memory
    from aidx.plan.wish import Wish, granted

    return granted(wish or Wish(), here=detect.this_machine, ram=memory.read, cards=cards)


def cards() -> "tuple[Card, ...]":
    """The table of graphics cards."""
    from aidx.adapters.cards import read_cards

    return read_cards()


def sights() -> "tuple[Sight, ...]":
    """What each engine that is installed can compute on; blocks while they are asked."""
    from aidx.adapters.llama.sight import look

    return (look(),)


def start(plan: Plan, tell: Callable[[str], object] | None = None) -> Deployment:
    """Start the engine that *plan* decided on, with exactly its settings; blocks until it answers.

    Its own account of its buffers is compared with the plan, entry by entry; *tell* is handed the result. A plan
    that does not hold is never started (``BudgetError``), and an engine that took more than there is does not
    stay (``CheckError``). Raises ``EngineError`` for a model that is not on this machine and for an engine that
    fails.
    """
    from importlib import import_module
    from importlib.util import find_spec

    from aidx.adapters import engines
    from aidx.budget.compare import compare, overrun, sentence

    held(plan)
    role = plan.roles[0]
    if role.model.path is None:
        raise EngineError(
            f"{role.model.name} is known and not on this machine",
            hint=f"Fetch it with aidx pull {role.model.name}, or try aidx-tiny, which is always here.",
            code="model_not_here",
        )
    if not find_spec(name := f"{engines.__name__}.{role.engine.replace('-', '_')}"):
        raise EngineError(
            f"{role.engine} is planned, and aidx cannot start it yet",
            hint="Start it yourself with the planned settings, or use --engine embedded.",
        )
    if role.beside.projector is not None or role.beside.draft is not None:
        raise EngineError(
            "a projector or a draft model is planned, and the embedded engine is not started with one so far",
            hint="Leave out --mmproj and --model-draft, or start llama-server with the planned settings.",
        )
    engine: Engine = import_module(name).ENGINE
    loras = tuple(adapter.path for adapter in role.beside.loras)
    deployment = engine.start(Launch(role.model.path, role.model.name, role.settings, loras=loras))
    allocated = deployment.allocated()
    rows = compare(plan.ledger, allocated.devices, resolution=allocated.resolution)
    if beyond := overrun(plan.ledger, rows):
        deployment.stop()
        excess = ", ".join(f"{name} by {size:,} B" for name, size in beyond.items())
        raise CheckError(f"the engine took more than there is: {excess}; {sentence(rows)}", hint="Report the plan.")
    if tell is not None:
        tell(f"aidx: {role.model.name}: {sentence(rows)}")
    return deployment


def keep_speed(plan: Plan, machine: Machine, timing: "Timing | None") -> None:
    """Remember how fast the model of *plan* was on *machine*, for later choices; nothing where nobody measured it."""
    from aidx.adapters import speeds

    speeds.keep_for(plan.roles[0], machine, timing)


def pace() -> "Pace":
    """What is known of the speed of this machine and of cards that it does not have."""
    from aidx.adapters import speeds
    from aidx.plan.devices import bandwidth
    from aidx.plan.speed import Pace

    return Pace(bandwidth, speeds.read().get)


def held(plan: Plan) -> Plan:
    """*plan*, or ``BudgetError`` with what is in the way and the cheapest way out."""
    if plan.holds:
        return plan
    enough = [other.change for other in plan.alternatives if "not enough alone" not in other.cost]
    see = f"aidx plan {plan.roles[0].model.name}" if len(plan.roles) == 1 else "aidx plan"
    hint = f"Try {enough[0]}." if enough else f"No single change is enough: see {see}."
    what = plan.roles[0].model.name if len(plan.roles) == 1 else "the deployment"
    raise BudgetError(f"{what} does not fit: {plan.binding}", hint=hint)


def limits(
    plan: Plan,
    *,
    max_tokens: int | None = None,
    gate: int | None = None,
    history: int | None = None,
    overflow: "Overflow" = "refuse",
) -> "Limits":
    """What the gate may let in: the cells and slots of *plan*, and the role's own bounds."""
    from aidx.gate.admit import limits as of

    role = plan.roles[0]
    length = role.model.context_length
    return of(role.settings, length, max_tokens=max_tokens, gate=gate, history=history, overflow=overflow)


def own_count(path: str) -> "Own | None":
    """What it takes to count the tokens of the model at *path* here; ``None`` where only the engine can."""
    from aidx.adapters.counting import own_count as of

    return of(path)


def endpoint(url: str, key: str | None = None) -> "Endpoint | None":
    """The aidx endpoint that runs at *url*, if one does."""
    from aidx.adapters.endpoint import find

    return find(url, key)


def variable(name: str) -> str:
    """The value of the environment variable that holds a key; ``InputError`` where it is not set."""
    import os

    value = os.environ.get(name, "")
    if not value:
        raise InputError(f"the variable {name} is not set", hint=f"Put the key into it: export {name}=…")
    return value


def write_report(path: str, plan: Plan) -> None:
    """Write *plan* as one HTML page, whole or not at all; ``InputError`` where *path* cannot be written."""
    from aidx.page.report import render

    write_page(path, render(plan))


def write_page(path: str, page: str) -> None:
    """Write *page*, whole or not at all; ``InputError`` where *path* cannot be written."""
    from aidx.adapters.write import write_text

    write_text(path, page)


def check_page(path: str) -> None:
    """``InputError`` where *path* can be no page: said before the work, not after it."""
    from aidx.adapters.write import check_target

    check_target(path)


def workspace(root: str) -> Workspace:
    """The tree at *root*, held until it is closed; ``InputError`` where it is no folder, ``CheckError`` where busy."""
    from aidx.adapters.workspace.held import HeldWorkspace

    return HeldWorkspace(root)


def held_out_tasks() -> str:
    """The edits that ``aidx-tiny`` was not trained on, as JSON."""
    from aidx.adapters.stores import shipped

    return shipped.tasks()


def screen() -> "Screen":
    """Standard output as it is: its columns, and whether it has ASCII only."""
    from aidx.adapters.screen import read

    return read()


__all__ = [
    "Configured",
    "any_settings",
    "asking",
    "beside",
    "candidates",
    "cards",
    "check_page",
    "cloud",
    "clouds",
    "configured",
    "endpoint",
    "engine_environment",
    "held",
    "held_out_tasks",
    "hub",
    "keep_speed",
    "limits",
    "machine",
    "own_count",
    "pace",
    "prober",
    "pull",
    "resolve",
    "resolve_for",
    "screen",
    "settings",
    "sights",
    "start",
    "stored",
    "variable",
    "workspace",
    "write_page",
    "write_report",
]
