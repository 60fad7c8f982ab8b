"""What an engine changes about a plan: one file an engine, the folder is the list.

A file is named like its engine (``-`` becomes ``_``) and holds ``RULES``. Nothing is imported until it is named.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from typing import cast

from aidx.errors import InputError
from aidx.model.spec import ModelSpec
from aidx.plan.devices import Machine
from aidx.plan.engines._rules import Rules, Settled, Written
from aidx.plan.need import Need

AUTO = "auto"
_AUTO_PLANS_AS = "embedded"  # whichever engine is taken in the end, it is handed llama.cpp's own settings


def names() -> tuple[str, ...]:
    """What ``--engine`` may say."""
    return (AUTO, *sorted(_files()))


def find(name: str) -> Rules:
    """The rules of the engine called *name*; ``InputError`` for one that is not planned."""
    files = _files()
    wanted = _AUTO_PLANS_AS if name == AUTO else name
    if wanted not in files:
        raise InputError(f"engine {name!r} is not planned (known: {', '.join(names())})", hint="Name one of these.")
    return cast("Rules", importlib.import_module(f"{__name__}.{files[wanted]}").RULES)


def settle(model: ModelSpec, need: Need, machine: Machine) -> Settled:
    """*need* with the engine's own defaults where the user chose nothing, on the part of *machine* it would use."""
    return find(need.engine).settle(model, need, machine)


def _files() -> Mapping[str, str]:
    found = (info.name for info in pkgutil.iter_modules(__path__) if not info.name.startswith("_"))
    return {name.replace("_", "-"): name for name in found}


__all__ = ["AUTO", "Rules", "Settled", "Written", "find", "names", "settle"]
