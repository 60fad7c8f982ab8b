"""From a header to the model that is planned."""

from aidx.errors import InputError
from aidx.model import arch
from aidx.model.metadata import architecture, block_count, find_int, read_int, vocab_size
from aidx.model.part import refuse_as_model
from aidx.model.quants.filetypes import parse_name
from aidx.model.spec import Header, Metadata, ModelSpec, SourceName

FILE_TYPE = "general.file_type"


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


def label(header: Header) -> str:
    """The quantization as people write it: by ``general.file_type``, else the type of most bytes."""
    number = header.metadata.get(FILE_TYPE)
    if isinstance(number, int) and (named := parse_name(number)) is not None:
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
