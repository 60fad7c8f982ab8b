"""From a table of one origin to values, strictly: what is wrong is said with its place and the nearest right name."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args

import msgspec

from aidx.config.values import Config, RoleName, RoleTable, convert, looks_secret
from aidx.errors import InputError

Table = Mapping[str, Any]
Where = Callable[[tuple[str, ...]], str]  # the place of a key, for a message: aidx.toml:7
SEVERAL = ("roles", "checks")  # tables whose entries have names of their own
TABLES: Mapping[str, type[msgspec.Struct]] = {
    field.name: field.type for field in msgspec.structs.fields(Config) if field.name not in SEVERAL
}
CHECKS = next(field.type for field in msgspec.structs.fields(Config) if field.name == "checks")
LISTED = ("vram", "gpu", "origins")  # one entry may stand without its list
ROLES: tuple[str, ...] = get_args(RoleName)
HINT = "Every table and key stands in the reference, on the page aidx.toml."


def leaves(table: Table, where: Where) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every ``(path, value)`` of *table*, each checked to be a key that exists and a value of its type.

    Raises ``InputError`` for the first that is not: an unknown name with the nearest known one, a wrong type or
    value with what was expected.
    """
    _known(table, (), _names(Config), where)
    for name, inner in table.items():
        if not isinstance(inner, Mapping):
            raise _wrong((name,), f"is a table: write [{name}] above its keys", where)
        yield from _table(name, inner, where)


def _table(name: str, inner: Table, where: Where) -> Iterator[tuple[tuple[str, ...], object]]:
    if name == "roles":
        _known(inner, (name,), ROLES, where)
        for role, keys in inner.items():
            if not isinstance(keys, Mapping):
                raise _wrong((name, role), f"is a table: write [roles.{role}] above its keys", where)
            yield from _keys((name, role), keys, RoleTable, where)
    elif name == "checks":
        for check, argv in inner.items():
            yield (name, check), _value((name, check), argv, CHECKS, where, inside=check)
    else:
        yield from _keys((name,), inner, TABLES[name], where)


def _keys(
    path: tuple[str, ...], keys: Table, kind: type[msgspec.Struct], where: Where
) -> Iterator[tuple[tuple[str, ...], object]]:
    _known(keys, path, _names(kind), where)
    for key, value in keys.items():
        listed = [value] if key in LISTED and isinstance(value, str | int) else value
        yield (*path, key), getattr(_value((*path, key), {key: listed}, kind, where), key)


def _value(path: tuple[str, ...], value: object, kind: Any, where: Where, *, inside: str | None = None) -> Any:  # noqa: ANN401 - msgspec's own
    """*value* as *kind*; with *inside*, one entry of a table of free names."""
    _no_secrets(path, value, where)
    try:
        if inside is not None:
            return msgspec.convert({inside: value}, kind, dec_hook=convert)[inside]
        return msgspec.convert(value, kind, dec_hook=convert)
    except msgspec.ValidationError as wrong:
        reason, _, _ = str(wrong).partition(" - at `")
        raise _wrong(path, _plain(reason, kind, path[-1]), where) from None


def _plain(reason: str, kind: Any, key: str) -> str:  # noqa: ANN401 - msgspec's own
    """The decoder's words for people; of a choice, all that may be chosen."""
    wrong, _, got = reason.partition(", got ")
    if wrong.startswith("Invalid enum value") or "|" in wrong:
        of = next(field.type for field in msgspec.structs.fields(kind) if field.name == key)
        return f"expected {_expected(of)}, got {got.strip('`') or wrong.removeprefix('Invalid enum value ')}"
    return reason[0].lower() + reason[1:].replace("`", "")


def _expected(kind: Any) -> str:  # noqa: ANN401 - a type
    """A field's type in words: ``a whole number or max``."""
    number = ["a whole number"] if _mentions(kind, int) else []
    return " or ".join((*number, ", ".join(_choices(kind)) or "text"))


def _mentions(kind: Any, wanted: type) -> bool:  # noqa: ANN401 - a type
    return kind is wanted or any(_mentions(inner, wanted) for inner in get_args(kind))


def _choices(kind: Any) -> Iterator[str]:  # noqa: ANN401 - a type
    for inner in get_args(kind):
        if isinstance(inner, str):
            yield inner
        else:
            yield from _choices(inner)


def _no_secrets(path: tuple[str, ...], value: object, where: Where) -> None:
    if isinstance(value, str):
        if looks_secret(value):
            raise InputError(
                f"{where(path)}: {dotted(path)} looks like a key, which must not stand in a file (it is not shown)",
                hint="Put the key into a variable, and name the variable in api_key_env.",
            )
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            _no_secrets(path, inner, where)


def _known(table: Iterable[str], path: tuple[str, ...], names: tuple[str, ...], where: Where) -> None:
    for name in table:
        if name not in names:
            what = "role" if path == ("roles",) else "key" if path else "table or key"
            place = f" in [{dotted(path)}]" if path and path != ("roles",) else ""
            raise InputError(
                f"{where((*path, name))}: unknown {what} {name[:40]!r}{place} ({nearest(name, names)})", hint=HINT
            )


def nearest(name: str, names: tuple[str, ...]) -> str:
    """The known name that *name* is most like, or all of them where it is like none."""
    close = get_close_matches(name.lower(), names, n=1, cutoff=0.5)
    return f"nearest: {close[0]}" if close else f"known: {', '.join(names)}"


def _wrong(path: tuple[str, ...], reason: str, where: Where) -> InputError:
    return InputError(f"{where(path)}: {dotted(path)}: {reason}", hint=HINT)


def _names(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    return tuple(field.name for field in msgspec.structs.fields(kind))


def dotted(path: Iterable[str]) -> str:
    """``roles.editor.model``."""
    return ".".join(path)
