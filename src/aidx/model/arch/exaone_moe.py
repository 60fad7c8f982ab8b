"""K-EXAONE: windows in three blocks of four, a dense first block, a dense block that predicts ahead."""

from aidx.model.arch import _attention, _blocks, _dense
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, read_int, read_ints, trunk_count
from aidx.model.spec import Layer, Metadata

NAMES = ("exaone-moe",)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """Three sliding blocks, then a global one."""
    return _attention.always_windowed(metadata, period=4)


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """Experts in all blocks of the trunk but the leading dense ones."""
    width, trunk = read_int(metadata, "embedding_length"), trunk_count(metadata)
    inner = read_ints(metadata, "feed_forward_length", block_count(metadata))
    found = [*_blocks.ends(metadata), _blocks.rotary(metadata)]
    for il, of in enumerate(_attention.heads(metadata)):
        found += (
            *_blocks.norms(il, width, "attn_norm", "ffn_norm"),
            *_blocks.attention(il, width, of),
            *_blocks.head_norms(il, of),
            *(
                (*_blocks.experts(il, metadata), *_shared(il, metadata), *_blocks.expert_bias(il, metadata))
                if il < trunk and _dense.routed(il, metadata)
                else _blocks.gated(il, width, inner[il])
            ),
            *((*_blocks.next_token(il, width), *_blocks.own_ends(il, metadata)) if il >= trunk else ()),
        )
    return tuple(found)


def _shared(il: int, metadata: Metadata) -> tuple[Blank, ...]:
    """As wide as one routed expert where the file gives no width."""
    inner = _blocks.shared_inner(metadata) or read_int(metadata, "expert_feed_forward_length")
    return _blocks.shared_expert(il, metadata, inner)
