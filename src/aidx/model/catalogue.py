"""Models by name: what people call them, and what is known of their files."""

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from aidx.errors import InputError
from aidx.model.quants import FILE_TYPES
from aidx.model.quants import find as find_type
from aidx.model.spec import Metadata, ModelSpec

Tier = Literal["micro", "editor", "architect", "thinking"]
Adherence = Literal["agentic", "general", "thinking", "unknown"]

_WORDS: Final = ("-gguf", "-latest", "-instruct", "-it", "-chat", "-text", "-base")
"""Endings of tags and repositories that change no tensor."""

_QUANTS: Final = (*(name.lower() for name in FILE_TYPES), "fp16", "fp32", "mxfp4")


_EDITOR_FROM, _ARCHITECT_FROM = 5_000_000_000, 70_000_000_000
"""Parameters; the role map has gaps (3B to 7B, 14B to 70B), and a model in one belongs to the tier below it."""

_PROVIDERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "anthropic": "anthropic",
        "openai": "openai",
        "gemini": "gemini",
        "google": "gemini",
        "vertex_ai": "gemini",
        "deepseek": "deepseek",
    }
)
"""What may stand before a slash (LiteLLM's notation), and whose models it means."""

SHOWN: Final = 80
"""Characters of a name that nobody knows: more of it helps nobody."""

_LISTED: Final = (
    "Check the spelling, or give the path of a .gguf file. "
    "aidx models lists what is here, aidx choose what the catalogue has for this machine."
)

_DATED: Final = re.compile(r"[-@](?:20\d{6}|20\d\d-\d\d-\d\d|latest)$")


class Standing(Struct, frozen=True):
    """What a model is for: its *tier* by size, its *adherence* class by its maker's card, each with its source.

    *reason* says why a general model may edit code; empty where there is none.
    """

    tier: Tier
    tier_source: str
    adherence: Adherence
    adherence_source: str
    reason: str = ""


class Published(Struct, frozen=True):
    """A file whose *bytes* are known: its *quant* and who put it on the net."""

    quant: str
    bytes: int
    publisher: str


class Entry(Struct, frozen=True):
    """A model of the catalogue.

    *metadata* are GGUF keys without the tokenizer. *absent* names tensors of its family that its files lack:
    in full (a tied ``output.weight``) or, for all blocks, without ``blk.N.``. *legacy*: its published files
    follow llama-quantize's rules of 2024. *native* is the quantization to take when none is named.
    *metadata_bytes* are the bytes of a file's header before its tensor infos, left over from a published file
    of the same tokenizer; ``None`` when none is known. *seen* says how the hyper-parameters were confirmed.
    *trained_in* is the quantization that it was trained in, where it was; *like* the entry whose network it is.
    """

    id: str
    hf_id: str
    aliases: tuple[str, ...]
    metadata: Metadata
    absent: frozenset[str]
    legacy: bool
    native: str
    tokenizer: str
    metadata_bytes: int | None
    files: tuple[Published, ...]
    seen: str
    sources: tuple[str, ...]
    parameters: int
    standing: Standing
    trained_in: str | None = None
    like: str | None = None
    note: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that it answers to."""
        return (self.id, self.hf_id, *self.aliases)


class Cloud(Struct, frozen=True):
    """A model of a *provider*: it takes no memory here. *context_length* in tokens, where it is published.

    *offered* is false for a name that literature uses and no provider does.
    """

    id: str
    provider: str
    aliases: tuple[str, ...]
    context_length: int | None
    standing: Standing
    offered: bool = True


class Found(NamedTuple):
    """An entry, and the quantization that the reference named, if it did."""

    entry: Entry
    quant: str | None


def find(entries: Iterable[Entry], reference: str) -> Found:
    """The model that *reference* means: an id, an Ollama name with or without a tag, or a repository.

    ``qwen2.5-coder:14b-instruct-q4_K_M`` is ``qwen2.5-coder-14b`` at ``Q4_K_M``. Raises ``InputError`` with
    the nearest names when none fits.
    """
    index = {_normal(name): entry for entry in entries for name in entry.names}
    wanted = _normal(reference)
    for name, quant in _readings(wanted):
        if name in index:
            return Found(index[name], None if quant is None else find_type(quant).name)
    raise InputError(_unknown(reference, wanted, index), hint=_LISTED)


def find_cloud(clouds: Iterable[Cloud], reference: str) -> Cloud | None:
    """The model of the cloud that *reference* means, or ``None``.

    A provider may stand before it (``anthropic/claude-sonnet-4``), a date after it
    (``claude-sonnet-4-20250514``).
    """
    wanted, provider = _plain(reference), None
    if "/" in wanted:
        before, wanted = wanted.removeprefix("openrouter/").rsplit("/", 1)
        provider = _PROVIDERS.get(before)
        if provider is None:
            return None
    bare = _DATED.sub("", wanted)
    for cloud in clouds:
        names = {_plain(name) for name in (cloud.id, *cloud.aliases)}
        if provider in {None, cloud.provider} and (wanted in names or bare in names):
            return cloud
    return None


def _plain(name: str) -> str:
    return re.sub(r"[\s()]+", "-", name.strip().lower()).strip("-")


def shown_size(parameters: int) -> str:
    """*parameters* as people say them: ``14.8B``, ``6.2M``."""
    return f"{parameters / 1e9:.1f}B" if parameters >= 10**8 else f"{parameters / 1e6:.1f}M"


def tier_of(parameters: int) -> Tier:
    """The tier by size alone."""
    if parameters < _EDITOR_FROM:
        return "micro"
    return "editor" if parameters < _ARCHITECT_FROM else "architect"


def standing_of(model: ModelSpec, entries: Iterable[Entry]) -> Standing:
    """What *model* is for: as its entry says, else by its size, of a class that nobody has told us.

    A file is known by its own name or the one in its header.
    """
    known = tuple(entries)
    told = (model.name, model.header.metadata.get("general.name"), model.header.metadata.get("general.basename"))
    for name in told:
        entry = _known(known, name) if isinstance(name, str) else None
        if entry is not None and abs(entry.parameters - model.parameters) <= entry.parameters // 20:
            return entry.standing
    size = f"{shown_size(model.parameters)} parameters, by the role map"
    return Standing(tier_of(model.parameters), size, "unknown", "no card of a model of this name is known")


def _known(entries: Sequence[Entry], name: str) -> Entry | None:
    try:
        return find(entries, re.sub(r"\s+", "-", name.lower().removesuffix(".gguf"))).entry
    except InputError:
        return None


def _normal(name: str) -> str:
    return name.strip().lower().removeprefix("hf.co/").replace(":", "-")


def _readings(name: str) -> Iterable[tuple[str, str | None]]:
    """The name as it stands, then without a quantization, then without words that change nothing."""
    yield name, None
    bare, quant = name, None
    for kind in _QUANTS:
        if name.endswith(f"-{kind}"):
            bare, quant = name.removesuffix(f"-{kind}"), kind
            yield bare, quant
            break
    while ending := next((word for word in _WORDS if bare.endswith(word)), None):
        bare = bare.removesuffix(ending)
        yield bare, quant


def _unknown(reference: str, wanted: str, names: Iterable[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only a wrong name pays for it

    close: Sequence[str] = get_close_matches(wanted, sorted(names), n=3, cutoff=0.5)
    shown = f" (close: {', '.join(close)})" if close else ""
    said = repr(reference) if len(reference) <= SHOWN else f"{reference[:SHOWN]!r}… of {len(reference):,} characters"
    return f"unknown model {said}{shown}"
