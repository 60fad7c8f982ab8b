"""GLM 4.5 and 4.6 with experts: biases on Q, K and V, a dense first block, a block that predicts ahead."""

from aidx.model.arch import _attention, _blocks
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, find_int, read_int, read_ints, trunk_count, vocab_size
from aidx.model.spec import Layer, Metadata

NAMES = ("glm4moe",)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A K and a V for each block of the trunk."""
    return _attention.layers(metadata)


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """Trunk and ahead-predicting block; the largest model adds head norms, which no key says."""
    width = read_int(metadata, "embedding_length")
    dense = find_int(metadata, "leading_dense_block_count") or 0
    inner = read_ints(metadata, "feed_forward_length", block_count(metadata))
    trunk = trunk_count(metadata)
    found = list(_blocks.ends(metadata))
    for il, of in enumerate(_attention.heads(metadata)):
        found += (
            *_blocks.norms(il, width, "attn_norm", "post_attention_norm"),
            *_blocks.attention(il, width, of, bias=True),
            *_blocks.head_norms(il, of),
            *(_blocks.gated(il, width, inner[il]) if il < dense else _experts(il, metadata)),
            *(_ahead(il, metadata) if il >= trunk else ()),
        )
    return tuple(found)


def _ahead(il: int, metadata: Metadata) -> tuple[Blank, ...]:
    """The ahead-predicting block of 4.5 has an embedding and an output projection of its own."""
    width = read_int(metadata, "embedding_length")
    shape = (width, vocab_size(metadata))
    return (
        *_blocks.next_token(il, width),
        Blank(f"blk.{il}.nextn.embed_tokens.weight", shape),
        Blank(f"blk.{il}.nextn.shared_head_head.weight", shape),
    )


def _experts(il: int, metadata: Metadata) -> tuple[Blank, ...]:
    width = read_int(metadata, "embedding_length")
    return (
        *_blocks.experts(il, metadata),
        *_blocks.expert_bias(il, metadata),
        *_blocks.gated(il, width, _blocks.shared_inner(metadata), suffix="_shexp"),
    )
