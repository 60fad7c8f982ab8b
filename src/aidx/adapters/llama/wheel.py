"""Where the engine's library is, and whether it is the pinned build; nothing is imported to find out."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from msgspec import Struct

from aidx.errors import EngineError

PACKAGE = "xllamacpp"
PINNED = "2026.10.11549"
HINT = f"Install {PACKAGE}=={PINNED}, or use --fast for the closed forms."


class Wheel(Struct, frozen=True):
    """The shared *library* of an installed wheel and the *build* as a person reads it."""

    library: Path
    build: str


def find_wheel(pinned: str = PINNED) -> Wheel:
    """The installed wheel; raises ``EngineError`` when it is missing, another version or another machine's.

    The version is read from the name of the metadata's folder: ``importlib.metadata`` takes 30 ms to import.
    A build for a GPU (``2026.10.11549+cu128``) is the same version.
    """
    # platform.machine() would say the same and takes a millisecond to import.
    system = f"{sys.platform} {os.uname().machine}" if hasattr(os, "uname") else sys.platform
    if system != "linux x86_64":
        raise EngineError(f"the engine can be asked on linux x86_64 only, not on {system}", hint=HINT)
    found = find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise EngineError(f"{PACKAGE} is not installed", hint=HINT)
    folder = Path(found.submodule_search_locations[0])
    version = _version(folder.parent)
    if version.split("+")[0] != pinned:
        raise EngineError(f"{PACKAGE} {version} is installed, and {pinned} is known", hint=HINT)
    library = next(folder.glob(f"{PACKAGE}*.so"), None)
    if library is None:
        raise EngineError(f"{PACKAGE} {version} has no shared library in {folder}", hint=HINT)
    return Wheel(library, f"{PACKAGE} {version}")


def version() -> str:
    """The build that is installed, on any system: ``xllamacpp 2026.10.11549``."""
    found = find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        return f"no {PACKAGE}"
    return f"{PACKAGE} {_version(Path(found.submodule_search_locations[0]).parent)}"


def _version(site: Path) -> str:
    """The version of the package in *site*."""
    for folder in site.glob(f"{PACKAGE}-*.dist-info"):
        return folder.name.removeprefix(f"{PACKAGE}-").removesuffix(".dist-info")
    return "of an unknown version"
