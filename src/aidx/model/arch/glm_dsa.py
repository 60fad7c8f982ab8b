"""GLM 5: DeepSeek V3.2's latent attention and indexer; from 5.2 on only some blocks have an indexer.

The others look at the tokens that an earlier block picked.
"""

from msgspec.structs import replace

from aidx.model.arch import _latent
from aidx.model.blank import Blank
from aidx.model.metadata import find_ints, read_int, trunk_count
from aidx.model.spec import Layer, Metadata

NAMES = ("glm-dsa",)
_SPARSE_FROM = 1 << 20  # trained context from which llama.cpp takes a file without types for a GLM 5.2
_FULL = 2  # its first blocks with an indexer; then every fourth, beginning at once


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """An indexer's K where the block has one."""
    full = _full(metadata)
    return tuple(
        layer if full[il] else replace(layer, index_key=0) for il, layer in enumerate(_latent.indexed(metadata))
    )


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """DeepSeek V3's tensors, and an indexer in the blocks that have one."""
    full = _full(metadata)
    return _latent.tensors(
        metadata,
        lambda il, metadata: _latent.indexer(il, metadata) if il >= len(full) or full[il] else (),
    )


def _full(metadata: Metadata) -> tuple[bool, ...]:
    """Whether each block of the trunk has an indexer."""
    count = trunk_count(metadata)
    types = find_ints(metadata, "attention.indexer.types", count)
    if types is not None:
        return tuple(map(bool, types))
    if read_int(metadata, "context_length") < _SPARSE_FROM:
        return (True,) * count
    return tuple(il < _FULL or (il - _FULL) % 4 == 0 for il in range(count))
