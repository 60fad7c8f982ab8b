"""Which files of a repository are the model that was asked for.

As llama.cpp (``common/download.cpp``) and Ollama do it: the quantization is looked for in the path, in any
case; projectors, draft heads and importance matrices are no models; a split model is all of its parts.
Where they would take the first of several, this asks.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from aidx.errors import InputError

DEFAULT: Final = "Q4_K_M"
_OTHERS: Final = ("mmproj", "imatrix", "mtp-", "eagle3-", "dflash-", "dspark-")
# Text, compiled when it is first used: each plan of a name imports this.
_SPLIT: Final = r"(?ia)-(\d{5})-of-(\d{5})\.gguf\Z"
_LABEL: Final = (
    r"(?ia)(?<![A-Z0-9])"
    r"((?:UD-)?(?:I?Q\d(?:_[A-Z0-9]+)*|TQ\d_\d|B?F16|F32|FP16|FP32|MXFP4(?:_MOE)?|NVFP4))"
    r"(?=[.\-/]|\Z)"
)
_ALIASES: Final = {"FP16": "F16", "F16": "FP16", "FP32": "F32", "F32": "FP32", "MXFP4": "MXFP4_MOE"}
_COMPONENT: Final = r"(?!\.+\Z)[^/\\:*?\"<>|\0]{1,255}(?<![. ])\Z"
_SHOWN: Final = 12


class RepoFile(Struct, frozen=True):
    """A file of a repository: *path* inside it, *size* in bytes, *sha256* where the hub keeps one."""

    path: str
    size: int
    sha256: str | None = None


def is_model(path: str) -> bool:
    """Whether *path* is a GGUF file with a model's weights, by its name."""
    name = path.rsplit("/", 1)[-1].lower()
    return name.endswith(".gguf") and not any(word in name for word in _OTHERS)


def is_inside(parts: Iterable[str]) -> bool:
    """Whether path components stay in the folder that they are joined to, on every system."""
    found = tuple(parts)
    return bool(found) and all(re.match(_COMPONENT, part) and part.isprintable() for part in found)


def label(path: str) -> str | None:
    """The quantization that *path* names, as it writes it: the last one, since folders may name one too."""
    found = re.findall(_LABEL, path.removesuffix(".gguf"))
    return found[-1] if found else None


def models(files: Iterable[RepoFile]) -> tuple[tuple[RepoFile, ...], ...]:
    """The models among *files*, each with its parts in order; a split one without all parts is left out."""
    groups: dict[tuple[str, int], dict[int, RepoFile]] = {}
    for file in files:
        if is_model(file.path):
            match = re.search(_SPLIT, file.path)
            stem, number, count = (file.path, 1, 1) if match is None else _part(file.path, match)
            groups.setdefault((stem, count), {})[number] = file
    return tuple(
        tuple(parts[number] for number in sorted(parts))
        for (_, count), parts in groups.items()
        if sorted(parts) == list(range(1, count + 1))
    )


def pick(files: Sequence[RepoFile], quant: str | None, name: str) -> tuple[RepoFile, ...]:
    """The parts, in order, of the model of repository *name* at *quant* (``None``: ``Q4_K_M``, or the only one).

    Raises ``InputError`` that lists what there is.
    """
    whole = models(files)
    if not whole:
        raise InputError(f"{name} holds no whole GGUF model", hint="Name a repository with .gguf files.")
    wanted = (DEFAULT,) if quant is None else (quant, *filter(None, [_ALIASES.get(quant.upper())]))
    for each in wanted:
        found = _matching(whole, each)
        if found:
            return _one(found, each, name)
    if quant is None and len(whole) == 1:
        return whole[0]
    said = "has no Q4_K_M and more than one model" if quant is None else f"has no {quant[:40]}"
    first = label(whole[0][0].path) or whole[0][0].path
    raise InputError(
        f"{name} {said} (there: {_shown(whole)})", hint=f"Choose one of them, say {name.partition(':')[0]}:{first}."
    )


def _part(path: str, match: re.Match[str]) -> tuple[str, int, int]:
    return path[: match.start()], int(match[1]), int(match[2])


def _matching(whole: Sequence[tuple[RepoFile, ...]], quant: str) -> list[tuple[RepoFile, ...]]:
    pattern = re.compile(rf"(?<![A-Za-z0-9]){re.escape(quant)}(?=[.-])", re.IGNORECASE)
    return [parts for parts in whole if pattern.search(parts[0].path)]


def _one(found: list[tuple[RepoFile, ...]], quant: str, name: str) -> tuple[RepoFile, ...]:
    """Of several that match: the one labelled exactly so, the one in one file; else the user decides."""
    exact = [parts for parts in found if (label(parts[0].path) or "").upper() == quant.upper()] or found
    single = [parts for parts in exact if len(parts) == 1]
    kept = single if len({_stem(parts) for parts in exact}) == 1 and single else exact
    if len(kept) == 1:
        return kept[0]
    paths = ", ".join(parts[0].path for parts in kept[:_SHOWN])
    base = name.partition(":")[0]
    raise InputError(f"{base} has several at {quant} ({paths})", hint=f"Name the file: {base}/{kept[0][0].path}.")


def _stem(parts: tuple[RepoFile, ...]) -> str:
    return re.sub(_SPLIT, "", parts[0].path).removesuffix(".gguf").lower()


def _shown(whole: Sequence[tuple[RepoFile, ...]]) -> str:
    names = list(dict.fromkeys(label(parts[0].path) or parts[0].path for parts in whole))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
