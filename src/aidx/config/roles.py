"""What the configured roles ask of a plan."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct, field
from msgspec.structs import fields, replace

from aidx.config.merge import Settled
from aidx.config.values import RoleName, RoleTable
from aidx.errors import InputError
from aidx.plan.engines import names as planned_engines
from aidx.plan.need import Need

MIB = 1 << 20
MAX_TOKENS = 1024  # of output, where a role with a gate names none: the gate's own default
AIDER = "aider"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_SETTINGS = frozenset(entry.name for entry in fields(Need)) & frozenset(RoleTable.__struct_fields__)
_OF_A_PROCESS = frozenset({"model", "quant", "imatrix", "engine"})  # beside the settings of a need


class Wanted(Struct, frozen=True):
    """A role that runs here: *reference* names its model; *asked* are the keys of its table that decide its process."""

    role: str
    reference: str
    need: Need
    quant: str | None = None
    imatrix: bool = False
    on_host: bool = False
    at_least: int = 0
    max_kv: int | None = None
    asked: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


class Roles(Struct, frozen=True):
    """The roles in the order of the file: those that run *here*, those of *others*, and *notes* about the rest."""

    here: tuple[Wanted, ...]
    others: tuple[tuple[str, RoleTable], ...]
    notes: tuple[str, ...]


def roles(settled: Settled, flags: Need) -> Roles:
    """The configured roles, with *flags*: what the command line gave counts for each role that runs here."""
    here: list[Wanted] = []
    others: list[tuple[str, RoleTable]] = []
    notes: list[str] = []
    _check_one_context(settled.config.roles)
    for role, table in settled.config.roles.items():
        if table.pattern is not None:
            notes.append(f"{role} is answered by the cascade of drafter and verifier")
        elif table.model is None or not _runs_here(role, table):
            others.append((role, replace(table, engine="openai") if table.engine == "auto" else table))
        else:
            here.append(_wanted(settled, role, table, table.model, flags))
    return Roles(tuple(here), tuple(others), tuple(notes))


def _check_one_context(tables: Mapping[RoleName, RoleTable]) -> None:
    """Ollama has a model loaded once, and loads it again for each other context: roles that share it must agree."""
    first: dict[tuple[object, ...], RoleName] = {}
    for role, table in tables.items():
        if table.engine != "ollama" or table.model is None:
            continue
        other = first.setdefault((table.model, table.urls), role)
        sizes = [tables[name].ctx_size for name in (other, role)]
        if sizes[0] != sizes[1]:
            told = [f"{size} tokens" if size else "no ctx_size" for size in sizes]
            raise InputError(
                f"roles.{other} asks Ollama for {table.model} with {told[0]}, roles.{role} with {told[1]}: "
                "it would load the model again whenever the role changes",
                hint="Give both the same ctx_size; gate bounds what a role may send.",
            )


def _runs_here(role: str, table: RoleTable) -> bool:
    if table.urls and (table.engine == AIDER or (role, table.engine) == ("embedder", "auto")):
        return False  # whatever speaks as OpenAI does there, under a name of its own
    if table.engine not in {*planned_engines(), AIDER}:
        return False
    return all(urlsplit(url).hostname in LOOPBACK for url in table.urls)


def _wanted(settled: Settled, role: str, table: RoleTable, model: str, flags: Need) -> Wanted:
    given = settled.given("roles", role)
    mine = {name: value for name, value in given.items() if name in _SETTINGS}
    need = _need(mine, flags)
    return Wanted(
        role=role,
        reference=model,
        need=need,
        quant=table.quant,
        imatrix=table.imatrix,
        on_host=table.device == "host",
        at_least=0 if table.gate is None else table.gate + (table.max_tokens or MAX_TOKENS),
        max_kv=settled.config.pipeline.max_kv if role == "editor" else None,
        asked={name: value for name, value in given.items() if name in _SETTINGS | _OF_A_PROCESS},
    )


def _need(mine: Mapping[str, Any], flags: Need) -> Need:
    """A role's settings under the flags that were given."""
    taken = {name: value for name, value in mine.items() if name not in flags.given}
    if "cache_ram" in taken:
        taken["cache_ram"] *= MIB  # written in MiB, as llama.cpp's flag
    if taken.get("engine") == AIDER:
        del taken["engine"]  # it edits; the model it asks is run by whatever can
    engine = flags.engine if "engine" in flags.given else "auto"
    return replace(flags, **{"engine": engine, **taken}, given=flags.given | set(taken))
