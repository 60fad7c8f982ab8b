"""Where settings may lie, and whether there are any: asked by every command, so nothing heavy is imported here."""

import os
import sys
from pathlib import Path

FILE = "AIDX_CONFIG"
PREFIX = "AIDX_"
TABLES = ("device", "roles", "pipeline", "route", "cascade", "checks", "index", "serve")
PROJECT = "aidx.toml"
_SETTINGS = tuple(f"{PREFIX}{name.upper()}_" for name in TABLES)


def concerns(name: str) -> bool:
    """Whether the variable called *name* is a setting; other ``AIDX_`` names are left to their owners."""
    return name.startswith(_SETTINGS)


def anything() -> bool:
    """Whether anybody has set anything; if not, the defaults hold."""
    if FILE in os.environ or any(map(concerns, os.environ)):
        return True
    return os.path.lexists(PROJECT) or maybe(user_file())


def maybe(path: Path) -> bool:
    """Whether there is something at *path*, as far as can be seen: a folder that hides it may hold it."""
    try:
        return path.exists()
    except PermissionError:
        return True


def user_file() -> Path:
    """The user's own settings, where the platform keeps such files.

    Written out instead of asking a package: it is three cases, and each command asks.
    """
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming") / "aidx" / "config.toml"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "aidx" / "config.toml"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "aidx" / "config.toml"
