"""A ghost: the model's header with nothing behind it, enough for the engine to plan.

The tokenizer is replaced by ``no_vocab`` and the vocabulary's size, which changes no byte of any buffer and
takes an eighth of the work. Split files become one: what says that a file is a part is left out.
"""

from msgspec import Struct

from aidx.model.gguf.kinds import STRING, U32
from aidx.model.gguf.render import data_size, lay_out, render
from aidx.model.spec import Array, Metadata, ModelSpec, Value

TOKENIZER = "tokenizer.ggml.model"
SHAPES = ("tokenizer.ggml.token_type_count",)  # rows of a tensor of BERT's: without it the engine refuses the model


class Ghost(Struct, frozen=True):
    """A file of *header* and a hole of *hole* bytes."""

    header: bytes
    hole: int


def ghost(model: ModelSpec) -> Ghost:
    """The ghost of *model*."""
    metadata = ghost_metadata(model)
    # Values keep the kinds they were read with, which the engine insists on; ours replace theirs.
    kinds = {**model.header.kinds, TOKENIZER: STRING, f"{model.architecture}.vocab_size": U32}
    header = render(metadata, lay_out(model.tensors), kinds=kinds)
    return Ghost(header, data_size(model.tensors))


def ghost_metadata(model: ModelSpec) -> Metadata:
    """The metadata of *model* less tokenizer, parts, alignment and arrays that were not read."""
    kept: dict[str, Value] = {key: value for key, value in model.header.metadata.items() if not _left_out(key, value)}
    kept[TOKENIZER] = "no_vocab"
    kept[f"{model.architecture}.vocab_size"] = _vocabulary(model)
    return kept


def _left_out(key: str, value: Value) -> bool:
    unread = isinstance(value, Array) and value.data is None
    told = key.startswith(("tokenizer.", "split.")) and key not in SHAPES
    return unread or told or key == "general.alignment"


def _vocabulary(model: ModelSpec) -> int:
    """Tokens as the engine counts them: the tokenizer's list, where there is one."""
    tokens = model.header.metadata.get("tokenizer.ggml.tokens")
    return tokens.count if isinstance(tokens, Array) else model.vocab_size
