"""From a header to the model that is planned."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from aidx.errors import InputError
from aidx.model import arch, quants
from aidx.model.blank import Blank
from aidx.model.companion import refuse_as_model
from aidx.model.gguf.kinds import ALIGNMENT, padded
from aidx.model.gguf.render import bare_size, data_size
from aidx.model.metadata import architecture, block_count, find_int, read_int, vocab_size
from aidx.model.spec import Header, Metadata, ModelSpec, SourceName
from aidx.model.tensor import Tensor

if TYPE_CHECKING:
    from aidx.model.catalogue import Entry

_FILE_TYPE = "general.file_type"
_TOKEN_BYTES = 65
"""Header bytes a token where no file of the tokenizer is known: above gpt-oss's 64.5, the most seen so far."""


def from_header(
    header: Header,
    *,
    name: str,
    source: SourceName,
    file_bytes: int,
    path: str | None = None,
    split_paths: tuple[str, ...] = (),
    header_exact: bool = True,
) -> ModelSpec:
    """The model behind *header*; raises ``InputError`` that names a key the header lacks.

    An architecture that we do not know has ``layers`` ``None``: the engine may still know it.
    """
    refuse_as_model(header, name)
    metadata = header.metadata
    of = architecture(metadata)
    family = arch.find(of)
    if family is None and find_int(metadata, "block_count") is None:
        raise InputError(
            f"architecture '{of}' is no language model that aidx or the engine plans, or its header is damaged",
            hint=f"Known architectures: {', '.join(arch.known())}.",
        )
    return ModelSpec(
        name=name,
        source=source,
        architecture=of,
        quantization=label(header),
        header=header,
        layers=None if family is None else family.layers(metadata),
        block_count=block_count(metadata),
        context_length=_positive(metadata, "context_length"),
        embedding_length=_positive(metadata, "embedding_length"),
        vocab_size=_vocabulary(header),
        file_bytes=file_bytes,
        header_exact=header_exact,
        path=path,
        split_paths=split_paths,
    )


def from_catalogue(entry: "Entry", quant: str | None = None, *, imatrix: bool = False) -> ModelSpec:
    """The model of *entry* at *quant*, or as it is usually fetched; tensor bytes are exact.

    The header is exact for a published file of known size and estimated otherwise. Raises ``InputError`` for
    an unknown quantization.
    """
    of = quants.find(quant or entry.native)
    family = arch.find(architecture(entry.metadata))
    if family is None:
        raise InputError(f"{entry.id} is of an architecture without a family: {architecture(entry.metadata)}")
    return from_blanks(
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
    of = quants.find(quant)
    typed = {**metadata, _FILE_TYPE: of.number}
    tensors = quants.assign(blanks, of.name, typed, imatrix=imatrix, legacy=legacy)
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


def label(header: Header) -> str:
    """The quantization as people write it: by ``general.file_type``, else the type of most bytes."""
    number = header.metadata.get(_FILE_TYPE)
    if isinstance(number, int) and (named := quants.parse_name(number)) is not None:
        return named
    sizes: dict[str, int] = {}
    for tensor in header.tensors:
        sizes[tensor.type.name] = sizes.get(tensor.type.name, 0) + tensor.bytes
    return max(sizes, key=lambda kind: sizes[kind]).upper() if sizes else "unknown"


def _vocabulary(header: Header) -> int:
    """Tokens as the embedding counts them; the tokenizer's list where there is no embedding."""
    for tensor in header.tensors:
        if tensor.name == "token_embd.weight" and len(tensor.shape) > 1:
            return tensor.shape[1]
    tokens = vocab_size(header.metadata) if _counts_tokens(header.metadata) else 0
    if not tokens:
        raise InputError(
            "the header has neither token_embd.weight nor a list of tokens",
            hint="Name a language model's file; this may be a projector, an adapter or one part of a split.",
        )
    return tokens


def _counts_tokens(metadata: Metadata) -> bool:
    return "tokenizer.ggml.tokens" in metadata or find_int(metadata, "vocab_size") is not None


def _positive(metadata: Metadata, key: str) -> int:
    value = read_int(metadata, key)
    if value < 1:
        raise InputError(
            f"{architecture(metadata)}.{key} is {value}",
            hint="Convert the model again or fetch the file again; its header is damaged.",
        )
    return value
