"""What attention blocks keep, read as llama.cpp reads it (src/llama-model.cpp, src/llama-hparams.cpp)."""

from collections.abc import Callable

from msgspec import Struct

from aidx.errors import InputError
from aidx.model.metadata import block_count, find_int, find_ints, full_key, read_int, read_ints, trunk_count
from aidx.model.spec import Layer, Metadata


class Heads(Struct, frozen=True):
    """The heads of one block and their sizes in elements."""

    query: int
    kv: int
    key_dim: int
    value_dim: int


Slides = Callable[[int], bool]
"""Whether a block has a sliding window."""


def heads(metadata: Metadata, slides: Slides | None = None) -> tuple[Heads, ...]:
    """The heads of every block of the file.

    ``head_count`` and ``head_count_kv`` may be arrays, one number a block; K and V are as wide as the
    embedding divided by the query heads of the first block unless a length is given. Blocks of which *slides*
    is true have lengths of their own where the file gives them.
    """
    count = block_count(metadata)
    query = find_ints(metadata, "attention.head_count", count) or (0,) * count
    kv = find_ints(metadata, "attention.head_count_kv", count) or query
    key_dim = _length(metadata, "attention.key_length", query[0])
    value_dim = _length(metadata, "attention.value_length", query[0])
    key_swa, value_swa = (find_int(metadata, f"attention.{name}_length_swa") for name in ("key", "value"))
    return tuple(
        Heads(
            of_q,
            of_kv,
            key_swa if key_swa is not None and slides is not None and slides(il) else key_dim,
            value_swa if value_swa is not None and slides is not None and slides(il) else value_dim,
        )
        for il, (of_q, of_kv) in enumerate(zip(query, kv, strict=True))
    )


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A K and a V for each trunk block."""
    return tuple(Layer(of.kv, of.key_dim, of.value_dim) for of in heads(metadata)[: trunk_count(metadata)])


def windowed(
    metadata: Metadata, *, period: int, dense_first: bool = False, window: int | None = None
) -> tuple[Layer, ...]:
    """Like ``layers`` with a sliding window in all but every *period*-th block, where the file names one above 0.

    *dense_first*: the block without is the first of each period, not the last. *window* is what the engine takes
    whatever number the file has. Sliding blocks may have heads of a length of their own.
    """
    named = find_int(metadata, "attention.sliding_window")
    if not named:
        return layers(metadata)
    slides = sliding(metadata, period=period, dense_first=dense_first)
    return _slid(metadata, slides, named if window is None else window)


def always_windowed(
    metadata: Metadata, *, period: int, dense_first: bool = False, window: int | None = None
) -> tuple[Layer, ...]:
    """``windowed`` for families that always have windows; one of 0 tokens keeps no more than a batch.

    *window* stands where the file names none; without it the file has to.
    """
    named = find_int(metadata, "attention.sliding_window") if window is not None else None
    size = read_int(metadata, "attention.sliding_window") if window is None else window
    slides = sliding(metadata, period=period, dense_first=dense_first)
    return _slid(metadata, slides, size if named is None else named)


def chunked(metadata: Metadata, *, period: int, chunk: int) -> tuple[Layer, ...]:
    """Attention within chunks of *chunk* tokens in all but every *period*-th block; a chunk is kept like a window."""
    return _slid(metadata, sliding(metadata, period=period), chunk)


def listed(metadata: Metadata) -> tuple[Layer, ...]:
    """Windows where ``attention.sliding_window_pattern`` says so, one truth value a block; both keys are needed."""
    read_ints(metadata, "attention.sliding_window_pattern", trunk_count(metadata))
    return always_windowed(metadata, period=1)


def _slid(metadata: Metadata, slides: Slides, window: int) -> tuple[Layer, ...]:
    return tuple(
        Layer(of.kv, of.key_dim, of.value_dim, window if slides(il) else None)
        for il, of in enumerate(heads(metadata, slides)[: trunk_count(metadata)])
    )


def sliding(metadata: Metadata, *, period: int, dense_first: bool = False) -> Slides:
    """Whether block *il* has a sliding window, as the file says it, or by *period* where it does not.

    ``attention.sliding_window_pattern`` is one truth value a block, or a period; with one of 0 all blocks slide.
    Blocks that predict ahead count as global.
    """
    count = trunk_count(metadata)
    pattern = find_ints(metadata, "attention.sliding_window_pattern", count)
    if pattern is not None and not isinstance(metadata[full_key(metadata, "attention.sliding_window_pattern")], int):
        return lambda il: il < count and bool(pattern[il])
    every = period if pattern is None else pattern[0]
    full = 0 if dense_first else every - 1
    return lambda il: il < count and (every == 0 or il % every != full)


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
