"""What attention blocks keep, read as llama.cpp reads it (src/llama-model.cpp, src/llama-hparams.cpp)."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from aidx.errors import InputError
from aidx.model.metadata import block_count, find_int, find_ints, full_key, read_int, trunk_count
from aidx.model.spec import Layer, Metadata


@dataclass(frozen=True, slots=True)
class Heads:
    """The heads of one block and their sizes in elements."""

    query: int
    kv: int
    key_dim: int
    value_dim: int


def heads(metadata: Metadata) -> tuple[Heads, ...]:
    """The heads of every block of the file.

    ``head_count`` and ``head_count_kv`` may be arrays, one number a block; K and V are as wide as the
    embedding divided by the query heads of the first block unless a length is given.
    """
    count = block_count(metadata)
    query = find_ints(metadata, "attention.head_count", count) or (0,) * count
    kv = find_ints(metadata, "attention.head_count_kv", count) or query
    key_dim = _length(metadata, "attention.key_length", query[0])
    value_dim = _length(metadata, "attention.value_length", query[0])
    return tuple(Heads(of_q, of_kv, key_dim, value_dim) for of_q, of_kv in zip(query, kv, strict=True))


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A K and a V for each trunk block."""
    return tuple(Layer(of.kv, of.key_dim, of.value_dim) for of in heads(metadata)[: trunk_count(metadata)])


def windowed(metadata: Metadata, *, period: int) -> tuple[Layer, ...]:
    """Like ``layers`` with a sliding window in all but every *period*-th block.

    The file may say it otherwise: ``attention.sliding_window_pattern`` is a period or one truth value a
    block. No window or one of 0 means none.
    """
    window = find_int(metadata, "attention.sliding_window") or 0
    plain = layers(metadata)
    if not window:
        return plain
    slides = sliding(metadata, period=period)
    return tuple(replace(layer, window=window) if slides(il) else layer for il, layer in enumerate(plain))


def sliding(metadata: Metadata, *, period: int) -> Callable[[int], bool]:
    """Whether block *il* has a sliding window, as the file says it, or by *period* where it does not."""
    pattern = find_ints(metadata, "attention.sliding_window_pattern", block_count(metadata))
    if pattern is None:
        return lambda il: il % period < period - 1
    if isinstance(metadata[full_key(metadata, "attention.sliding_window_pattern")], int):
        every = pattern[0]
        return lambda il: every > 0 and il % every < every - 1
    return lambda il: bool(pattern[il])


def _length(metadata: Metadata, key: str, query_heads: int) -> int:
    length = find_int(metadata, key)
    if length is not None:
        return length
    if query_heads == 0:
        raise InputError(
            f"the metadata lack {full_key(metadata, key)} and the first block has no heads to divide by",
            hint="Convert the model again with a current converter.",
        )
    return read_int(metadata, "embedding_length") // query_heads
