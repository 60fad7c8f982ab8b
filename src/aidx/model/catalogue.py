"""Models by name: what people call them, and what is known of their files."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from aidx.errors import InputError
from aidx.model.quants import FILE_TYPES
from aidx.model.quants import find as find_type
from aidx.model.spec import Metadata

_WORDS: Final = ("-gguf", "-latest", "-instruct", "-it", "-chat", "-text", "-base")
"""Endings of tags and repositories that change no tensor."""

_QUANTS: Final = (*(name.lower() for name in FILE_TYPES), "fp16", "fp32", "mxfp4")


@dataclass(frozen=True, slots=True)
class Published:
    """A file whose *bytes* are known: its *quant* and who put it on the net."""

    quant: str
    bytes: int
    publisher: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A model of the catalogue.

    *metadata* are GGUF keys without the tokenizer. *absent* names tensors of its family that its files lack:
    in full (a tied ``output.weight``) or, for all blocks, without ``blk.N.``. *legacy*: its published files
    follow llama-quantize's rules of 2024. *native* is the quantization to take when none is named.
    *metadata_bytes* are the bytes of a file's header before its tensor infos, left over from a published file
    of the same tokenizer; ``None`` when none is known. *seen* says how the hyper-parameters were confirmed.
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
    note: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that it answers to."""
        return (self.id, self.hf_id, *self.aliases)


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
    raise InputError(_unknown(reference, wanted, index), hint="Check the spelling, or give the path of a .gguf file.")


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
    return f"unknown model {reference[:80]!r}{shown}"
