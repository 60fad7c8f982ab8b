"""Finds the files, reads them and the environment, and hands all to the pure part."""

import os
import re
import tomllib
from pathlib import Path

from msgspec.structs import replace

from aidx.config.decode import leaves
from aidx.config.environment import from_environment
from aidx.config.lines import line_of
from aidx.config.merge import Key, Kind, Leaf, Origin, Settled, merge
from aidx.config.places import FILE, PROJECT, maybe, user_file
from aidx.errors import InputError
from aidx.userfile import NO_PERMISSION, read_text

LARGEST = 1 << 20  # a settings file of a megabyte is something else
_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


def load(file: str | None = None) -> Settled:
    """The settings that hold here: environment, ``./aidx.toml``, the user's file, defaults, in this order.

    *file*, else the file that ``AIDX_CONFIG`` names, stands in for ``./aidx.toml``. A user's file that may not be read
    is left out, and named as *unread*. Raises ``InputError`` for a
    named file that is not there, for what is no TOML, and for unknown keys and wrong values.
    """
    named = file or os.environ.get(FILE)
    project = Path(named) if named else Path(PROJECT)
    layers = [from_environment(os.environ)]
    if named or os.path.lexists(project):
        layers.append(_file(project, "project", str(project)))
    user = user_file()
    if maybe(user):
        try:
            layers.append(_file(user, "user", _short(user)))
        except InputError as hidden:  # in the home of another user: whoever runs this has no settings there
            if hidden.code != NO_PERMISSION:
                raise
            return replace(merge(layers), unread=_short(user))
    return merge(layers)


def _file(path: Path, kind: Kind, name: str) -> tuple[Leaf, ...]:
    text = read_text(str(path), "a settings file", LARGEST)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        place = _PLACE.search(str(wrong))
        line = place[1] if place and place[1] else str(text.count("\n") + 1)
        reason = _PLACE.sub("", str(wrong))
        said = f"{name}:{line}: no TOML: {reason[0].lower()}{reason[1:]}"
        raise InputError(said, hint="Correct that line.") from None

    def where(key: Key) -> str:
        line = line_of(text, key)
        return name if line is None else f"{name}:{line}"

    found = leaves(table, where)
    return tuple(Leaf(key, _anchored(key, value, path.parent), Origin(kind, where(key))) for key, value in found)


def _anchored(key: Key, value: object, folder: Path) -> object:
    """A model's relative path as seen from here: in the file it is relative to the file."""
    if key[0] == "roles" and key[-1] == "model" and isinstance(value, str):
        path = Path(value).expanduser()
        if path.is_absolute() or (folder / path).is_file():
            return str(folder / path)
    return value


def _short(path: Path) -> str:
    home = str(Path.home())
    return f"~{str(path).removeprefix(home)}" if str(path).startswith(home) else str(path)
