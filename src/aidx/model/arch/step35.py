"""Step 3.5: sliding blocks have more query heads than global ones; each head has a gate; blocks predict ahead."""

from aidx.model.arch import _attention, _blocks, _dense
from aidx.model.arch._attention import Heads
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, read_int, read_ints, trunk_count
from aidx.model.spec import Layer, Metadata

NAMES = ("step35",)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A window in each block that the file lists."""
    return _attention.listed(metadata)


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """Experts with a shared one in all blocks of the trunk but the leading dense ones; one set of rotary factors."""
    width, trunk = read_int(metadata, "embedding_length"), trunk_count(metadata)
    inner = read_ints(metadata, "feed_forward_length", block_count(metadata))
    found = [*_blocks.ends(metadata), _blocks.rotary(metadata)]
    for il, of in enumerate(_attention.heads(metadata)):
        found += (
            *_blocks.norms(il, width, "attn_norm", "ffn_norm"),
            *_blocks.attention(il, width, of),
            *_blocks.head_norms(il, of),
            *_gate(il, width, of),
            *(
                (
                    *_blocks.experts(il, metadata),
                    *_blocks.shared_expert(il, metadata),
                    *_blocks.expert_bias(il, metadata),
                )
                if il < trunk and _dense.routed(il, metadata)
                else _blocks.gated(il, width, inner[il])
            ),
            *((*_blocks.next_token(il, width), *_blocks.own_ends(il, metadata)) if il >= trunk else ()),
        )
    return tuple(found)


def _gate(il: int, width: int, of: Heads) -> tuple[Blank, ...]:
    return (Blank(f"blk.{il}.attn_gate.weight", (width, of.query)),)
