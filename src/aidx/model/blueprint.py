"""From a catalogue's entry, or the shapes of a checkpoint, to the model that is planned: no file need exist yet."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from msgspec.structs import replace

from aidx.errors import InputError
from aidx.model import arch
from aidx.model.blank import Blank
from aidx.model.build import FILE_TYPE, from_header
from aidx.model.gguf.kinds import ALIGNMENT, padded
from aidx.model.gguf.render import bare_size, data_size
from aidx.model.metadata import architecture, vocab_size
from aidx.model.published import fetch_line
from aidx.model.quants import find
from aidx.model.quants.assign import assign
from aidx.model.spec import Header, Metadata, ModelSpec, SourceName
from aidx.model.tensor import Tensor

if TYPE_CHECKING:
    from aidx.model.catalogue import Entry

_TOKEN_BYTES = 65
"""Header bytes a token where no file of the tokenizer is known: above gpt-oss's 64.5, the most seen so far."""


def from_catalogue(entry: "Entry", quant: str | None = None, *, imatrix: bool = False) -> ModelSpec:
    """The model of *entry* at *quant*, or as it is usually fetched; tensor bytes are exact.

    The header is exact for a published file of known size and estimated otherwise. Raises ``InputError`` for
    an unknown quantization.
    """
    of = find(quant or entry.native)
    family = arch.find(architecture(entry.metadata))
    if family is None:
        raise InputError(f"{entry.id} is of an architecture without a family: {architecture(entry.metadata)}")
    made = from_blanks(
        entry.metadata,
        present(family.tensors(entry.metadata), entry.absent),
        of.name,
        name=entry.id,
        source="catalogue",
        imatrix=imatrix,
        legacy=entry.legacy,
        before=entry.metadata_bytes,
        published=next((file.bytes for file in entry.files if file.quant == of.name and not imatrix), None),
    )
    return replace(made, fetch=fetch_line(entry, of.name))


def from_blanks(  # noqa: PLR0913 - a file that does not exist yet is described by all of these
    metadata: Metadata,
    blanks: Sequence[Blank],
    quant: str,
    *,
    name: str,
    source: SourceName,
    imatrix: bool = False,
    legacy: bool = False,
    before: int | None = None,
    published: int | None = None,
) -> ModelSpec:
    """The model whose F16 file has *blanks*, at *quant*; tensor bytes are exact.

    *before* are the bytes of its header before the tensor infos, *published* those of the whole file, where
    they are known.
    """
    of = find(quant)
    typed = {**metadata, FILE_TYPE: of.number}
    tensors = assign(blanks, of.name, typed, imatrix=imatrix, legacy=legacy)
    data = data_size(tensors)
    size = _header_size(metadata, tensors, before) if published is None else published - data
    return from_header(
        Header(typed, tensors, size),
        name=name,
        source=source,
        file_bytes=size + data,
        header_exact=published is not None,
    )


def present(blanks: Iterable[Blank], absent: AbstractSet[str]) -> tuple[Blank, ...]:
    """*blanks* without those in *absent*: full names, or what follows ``blk.N.`` for all blocks."""
    return tuple(blank for blank in blanks if not absent & {blank.name, blank.part})


def _header_size(metadata: Metadata, tensors: tuple[Tensor, ...], before: int | None) -> int:
    """Metadata with the tokenizer as another file of it has them, then the tensor infos."""
    if before is None:
        before = _TOKEN_BYTES * vocab_size(metadata)
    # What rendering it would give, padded, and padded again with the metadata before it.
    return padded(before + padded(bare_size(tensors), ALIGNMENT), ALIGNMENT)
