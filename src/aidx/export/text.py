"""Settings as text: the few pieces of YAML that are needed, and lines of a shell."""

import json
import shlex
from collections.abc import Mapping, Sequence

_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})  # YAML 1.1 takes them for values

Yaml = str | int | bool | Sequence["Yaml"] | Mapping[str, "Yaml"]


def yaml(value: Mapping[str, Yaml]) -> str:
    """*value* as YAML; texts are quoted as JSON quotes them, which YAML reads alike."""
    return "".join(f"{line}\n" for line in _lines(value))


def _lines(value: Yaml) -> list[str]:
    if isinstance(value, Mapping):
        return [line for key, each in value.items() for line in _entry(f"{_key(key)}:", each)]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [line for each in value for line in _item(each)]
    return [json.dumps(value, ensure_ascii=False)]


def _entry(key: str, value: Yaml) -> list[str]:
    if isinstance(value, str | int):
        return [f"{key} {_lines(value)[0]}"]
    return [key, *(f"  {line}" for line in _lines(value))]


def _item(value: Yaml) -> list[str]:
    first, *rest = _lines(value)
    return [f"- {first}", *(f"  {line}" for line in rest)]


def _key(key: str) -> str:
    plain = key.replace("-", "").replace("_", "").isalnum() and key[0].isalpha() and key.lower() not in _WORDS
    return key if plain else json.dumps(key)


def shell(words: Sequence[str]) -> str:
    """*words* as one command over several lines, a flag with its value on each."""
    lines: list[list[str]] = [[]]
    for word in words:
        if word.startswith("-") and not word[1:2].isdigit():
            lines.append([])
        lines[-1].append(shlex.quote(word))
    return " \\\n  ".join(" ".join(line) for line in lines)
