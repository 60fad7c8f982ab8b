"""Layers of settings laid over each other: for each key the first layer that gives it wins, and is remembered."""

import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import Any, Literal

from msgspec import Struct, field

from aidx.config.decode import ROLES, SEVERAL, TABLES, dotted
from aidx.config.values import Config, RoleTable
from aidx.errors import InputError

Key = tuple[str, ...]
Kind = Literal["flag", "environment", "project", "user", "default"]


class Origin(Struct, frozen=True):
    """Where a value came from: *where* is a file with its line, a variable, or a flag."""

    kind: Kind
    where: str


class Leaf(Struct, frozen=True):
    """One key with its value, as one layer gives it."""

    path: Key
    value: object
    origin: Origin


_URL = re.compile(r"https?://[^\s/@?#]+(?:/[^\s@?#]*)?")
VRAM, GPU = ("device", "vram"), ("device", "gpu")
EITHER: Mapping[Key, Key] = MappingProxyType({VRAM: GPU, GPU: VRAM})  # who says one has said the other
DEFAULT = Origin("default", "aidx's default")


class Settled(Struct, frozen=True):
    """The configuration that holds, and the origin of each key that is not a default.

    *unread* is the user's file where it may not be read.
    """

    config: Config = field(default_factory=Config)
    origins: Mapping[Key, Origin] = field(default_factory=lambda: MappingProxyType({}))
    unread: str = ""

    def origin(self, *path: str) -> Origin:
        """Where the value at *path* came from."""
        return self.origins.get(path, DEFAULT)

    def given(self, *path: str) -> dict[str, Any]:
        """The keys of the table at *path* that somebody gave, with their values."""
        table: Any = self.config
        for name in path:
            table = table[name] if isinstance(table, Mapping) else getattr(table, name)
        names = [key[-1] for key in self.origins if key[:-1] == path]
        return {name: getattr(table, name) for name in names}


def merge(layers: Sequence[Sequence[Leaf]]) -> Settled:
    """The configuration of *layers*, the first of which counts most.

    Raises ``InputError`` for keys that contradict each other, and for a role without a model.
    """
    leaves: dict[Key, Leaf] = {}
    for layer in layers:
        settled_before = frozenset(leaves)
        for leaf in layer:
            if EITHER.get(leaf.path) not in settled_before:
                leaves.setdefault(leaf.path, leaf)
    tables: dict[str, dict[str, Any]] = {}
    for path, leaf in leaves.items():
        inner = tables.setdefault(path[0], {})
        for name in path[1:-1]:
            inner = inner.setdefault(name, {})
        inner[path[-1]] = leaf.value
    settled = Settled(_config(tables), MappingProxyType({path: leaf.origin for path, leaf in leaves.items()}))
    if VRAM in leaves and GPU in leaves:
        raise InputError(
            f"{leaves[GPU].origin.where}: device.gpu and device.vram both say which GPUs to plan for",
            hint="Give one of them.",
        )
    for role, table in settled.config.roles.items():
        _check_role(settled, role, table)
    return settled


def _config(tables: Mapping[str, dict[str, Any]]) -> Config:
    """The structs; every value has been checked before."""
    made: dict[str, Any] = {name: TABLES[name](**keys) for name, keys in tables.items() if name not in SEVERAL}
    configured = tables.get("roles", {})  # in the order of the role map, whichever layer named them first
    roles: Any = {role: RoleTable(**configured[role]) for role in ROLES if role in configured}
    return Config(roles=roles, checks=tables.get("checks", {}), **made)


def _check_role(settled: Settled, role: str, table: RoleTable) -> None:
    for wrong, reason, hint in _contradictions(role, table, set(settled.config.roles)):
        if wrong:
            raise _against(settled, ("roles", role), reason, hint)


def _contradictions(role: str, table: RoleTable, roles: AbstractSet[str]) -> Iterator[tuple[bool, str, str]]:
    """What keys of one role may not say together: whether they do, what is wrong, what to do."""
    pattern, engine = table.pattern, table.engine
    yield table.model is None and pattern is None, "has no model", 'Give it one, say model = "qwen2.5-coder:14b".'
    yield table.model is not None and pattern is not None, "has both a model and a pattern", "Keep one of them."
    lacks = pattern == "cascade" and not {"drafter", "verifier"} <= roles
    yield lacks, 'pattern = "cascade" needs two other roles', "Configure [roles.drafter] and [roles.verifier]."
    yield engine == "aider" and role != "editor", 'engine = "aider" can only edit', "Use it in [roles.editor]."
    yield engine == "aidx" and table.url is None, 'engine = "aidx" is another node', "Give its url."
    spread = table.device == "host" and table.n_gpu_layers not in {None, 0, "auto"}
    yield spread, 'device = "host" leaves no layers for a GPU', "Leave device or n_gpu_layers out."
    yield engine != "aidx" and len(table.urls) > 1, "has several urls", 'Only engine = "aidx" has several nodes.'
    strange = not all(_URL.fullmatch(url) for url in table.urls)
    yield strange, "url is no address of a server", "Write http://HOST:PORT, without a name or a password in it."


def _against(settled: Settled, path: Key, reason: str, hint: str) -> InputError:
    """The error about the table at *path*, with the place of one of its keys."""
    found = next((origin for key, origin in settled.origins.items() if key[: len(path)] == path), DEFAULT)
    return InputError(f"{found.where}: {dotted(path)}: {reason}", hint=hint)
