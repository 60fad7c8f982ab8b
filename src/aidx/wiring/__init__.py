"""Builds adapters and hands them to the flow; the only module that imports them, when they are needed."""

from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aidx.adapters.endpoint import Endpoint
    from aidx.adapters.screen import Screen
    from aidx.config.merge import Settled
    from aidx.plan.cards import Card
    from aidx.plan.devices import Device, Machine
    from aidx.plan.inventory import Sight
    from aidx.plan.need import Need
    from aidx.plan.result import Plan
    from aidx.plan.speed import Pace, Timing
    from aidx.plan.wish import Wish
    from aidx.ports.prober import Prober
    from aidx.ports.workspace import Workspace
    from aidx.wiring.engines import (
        Bounds,
        Filled,
        elsewhere,
        fill,
        fill_all,
        held,
        limits,
        own_count,
        start,
        variable,
    )
    from aidx.wiring.models import beside, candidates, cloud, clouds, hub, pull, resolve, resolve_for, stored
    from aidx.wiring.roles import Configured, configured
    from aidx.wiring.serving import offers, within

_HOMES = {
    "engines": (
        "Bounds",
        "Filled",
        "elsewhere",
        "fill",
        "fill_all",
        "held",
        "limits",
        "own_count",
        "start",
        "variable",
    ),
    "models": ("beside", "candidates", "cloud", "clouds", "hub", "pull", "resolve", "resolve_for", "stored"),
    "roles": ("Configured", "configured"),
    "serving": ("offers", "within"),
}


def __getattr__(name: str) -> object:
    """What a module of this package has under *name*: it is imported when it is first asked for."""
    home = next((module for module, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


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


def prober(*, warm: bool = False) -> "Prober":
    """The engine in a child process, which starts when it is first asked, or at once to be *warm*."""
    from aidx.adapters.llama.prober import EngineProber

    found = EngineProber()
    if warm:
        found.warm()
    return found


@contextmanager
def asking(need: "Need", *, warm: bool = False) -> "Iterator[Prober | None]":
    """Someone to ask for a plan of *need*, closed afterwards; nobody where the engine is not to be asked."""
    if need.fast:
        yield None
        return
    found = prober(warm=warm)
    try:
        yield found
    finally:
        found.close()


def machine(wish: "Wish | None" = None) -> "Machine":
    """The machine to plan for: *wish* over what is here. Raises ``InputError`` for contradictions."""
    from aidx.plan.wish import Wish, granted

    return granted(wish or Wish(), here=_this_machine, ram=_ram, cards=cards)


def _this_machine() -> "Machine":
    from aidx.adapters.detect import this_machine

    return this_machine()


def _ram() -> "Device":
    from aidx.adapters.hardware import memory

    return memory.read()


def cards() -> "tuple[Card, ...]":
    """The table of graphics cards."""
    from aidx.adapters.cards import read_cards

    return read_cards()


def sights() -> "tuple[Sight, ...]":
    """What each engine that is installed can compute on; blocks while they are asked."""
    from aidx.adapters.llama.sight import look

    return (look(),)


def keep_speed(plan: "Plan", machine: "Machine", timing: "Timing | None") -> None:
    """Remember how fast the model of *plan* was on *machine*, for later choices; nothing where nobody measured it."""
    from aidx.adapters import speeds

    speeds.keep_for(plan.roles[0], machine, timing)


def pace() -> "Pace":
    """What is known of the speed of this machine and of cards that it does not have."""
    from aidx.adapters import speeds
    from aidx.plan.devices import bandwidth
    from aidx.plan.speed import Pace

    return Pace(bandwidth, speeds.read().get)


def endpoint(url: str, key: str | None = None) -> "Endpoint | None":
    """The aidx endpoint that runs at *url*, if one does."""
    from aidx.adapters.endpoint import find

    return find(url, key)


def write_report(path: str, plan: "Plan") -> None:
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


def workspace(root: str) -> "Workspace":
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
    "Bounds",
    "Configured",
    "Filled",
    "any_settings",
    "asking",
    "beside",
    "candidates",
    "cards",
    "check_page",
    "cloud",
    "clouds",
    "configured",
    "elsewhere",
    "endpoint",
    "engine_environment",
    "fill",
    "fill_all",
    "held",
    "held_out_tasks",
    "hub",
    "keep_speed",
    "limits",
    "machine",
    "offers",
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
    "within",
    "workspace",
    "write_page",
    "write_report",
]
