"""The layer of the environment: ``AIDX_SERVE_PORT=9000``, ``AIDX_ROLES_EDITOR_CTX_SIZE=8192``."""

import tomllib
from collections.abc import Mapping

from aidx.config.decode import leaves
from aidx.config.merge import Key, Leaf, Origin
from aidx.config.places import PREFIX, concerns
from aidx.errors import InputError


def from_environment(environment: Mapping[str, str]) -> tuple[Leaf, ...]:
    """The settings in *environment*; ``InputError`` for one that no table has, or with a wrong value.

    A value is text where the key takes text, else TOML: ``true``, ``9000``, ``["12GiB", "8GiB"]``.
    """
    return tuple(leaf for name in sorted(environment) if concerns(name) for leaf in _leaves(name, environment[name]))


def _leaves(name: str, text: str) -> list[Leaf]:
    try:
        return _read(name, text)
    except InputError as wrong:
        value = _toml(text)
        if value is None or value == text:
            raise wrong from None
        return _read(name, value)


def _read(name: str, value: object) -> list[Leaf]:
    first, *rest = name.removeprefix(PREFIX).lower().split("_")
    path: Key = (first, rest[0], "_".join(rest[1:])) if first == "roles" else (first, "_".join(rest))
    if not all(path):
        raise InputError(f"{name} names no key", hint="Write the key after it, as in AIDX_ROLES_EDITOR_MODEL.")
    table: object = value
    for key in reversed(path):
        table = {key: table}
    assert isinstance(table, dict)
    return [Leaf(found, given, Origin("environment", name)) for found, given in leaves(table, lambda _: name)]


def _toml(text: str) -> object:
    try:
        found = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return None
    return found["value"] if len(found) == 1 else None
