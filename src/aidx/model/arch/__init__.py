"""One file a family of architectures; the folder is the list.

A family's file is named like its architecture (``-`` becomes ``_``) and holds ``NAMES``, ``layers`` and
``tensors``; files with a leading underscore are shared parts. Nothing is imported until it is asked for.
"""

import importlib
import pkgutil
from functools import cache
from typing import Protocol, cast

from aidx.model.blank import Blank
from aidx.model.spec import Layer, Metadata


class Family(Protocol):
    """What each file of this folder offers."""

    NAMES: tuple[str, ...]
    """The values of ``general.architecture`` that it answers for."""

    def layers(self, metadata: Metadata) -> tuple[Layer, ...]:
        """What each trunk block keeps; raises ``InputError`` for metadata that lack a key."""
        ...

    def tensors(self, metadata: Metadata) -> tuple[Blank, ...]:
        """Every tensor of a freshly converted F16 file, optional ones too."""
        ...


def find(architecture: str) -> Family | None:
    """The family of *architecture*, or ``None``; imports its file, others only for a name of another file."""
    files = _files()
    likely = architecture.replace("-", "_")
    if likely in files:
        files = (likely, *(file for file in files if file != likely))
    return next((family for file in files if architecture in (family := _load(file)).NAMES), None)


def known() -> tuple[str, ...]:
    """Every architecture that has a family, sorted; imports all of them (for messages)."""
    return tuple(sorted(name for file in _files() for name in _load(file).NAMES))


@cache  # the folder is read once
def _files() -> tuple[str, ...]:
    return tuple(info.name for info in pkgutil.iter_modules(__path__) if not info.name.startswith("_"))


def _load(file: str) -> Family:
    return cast("Family", importlib.import_module(f"{__name__}.{file}"))
