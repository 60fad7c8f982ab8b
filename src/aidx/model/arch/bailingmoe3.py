"""Ling 3: five blocks of delta attention with full-rank gates, then one of gated latent attention; experts.

Files may end with a block that predicts ahead: latent attention and experts.
"""

from aidx.model.arch import _attention, _blocks, _kda
from aidx.model.arch._attention import Heads
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, find_int, read_int, read_ints, trunk_count
from aidx.model.spec import Layer, Metadata

NAMES = ("bailingmoe3",)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A K without a V in a block with KV heads, a state in the others.

    The engine keeps a cache for the block that predicts ahead too, whether or not it loads its weights.
    """
    return _kda.layers(metadata)


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """Dense blocks first, then experts; the last norm of an ahead-predicting block has a name of its own."""
    width = read_int(metadata, "embedding_length")
    dense = find_int(metadata, "leading_dense_block_count") or 0
    inner = read_ints(metadata, "feed_forward_length", block_count(metadata))
    trunk = trunk_count(metadata)
    found = list(_blocks.ends(metadata))
    for il, of in enumerate(_attention.heads(metadata)):
        found += (
            *_blocks.norms(il, width, "attn_norm", "ffn_norm"),
            *(_latent(il, metadata, of) if of.kv or il >= trunk else _mixer(il, width, _kda.sizes(metadata))),
            *(_blocks.gated(il, width, inner[il]) if il < dense else _kda.experts(il, metadata)),
            *(_ahead(il, width) if il >= trunk else ()),
        )
    return tuple(found)


def _latent(il: int, metadata: Metadata, of: Heads) -> tuple[Blank, ...]:
    width = read_int(metadata, "embedding_length")
    return (*_kda.latent(il, metadata, of), Blank(f"blk.{il}.attn_gate.weight", (width, of.query)))


def _mixer(il: int, width: int, of: _kda.Sizes) -> tuple[Blank, ...]:
    return (
        *_kda.mixer(il, width, of),
        Blank(f"blk.{il}.ssm_f_a.weight", (width, of.inner)),
        Blank(f"blk.{il}.ssm_g_a.weight", (width, of.inner)),
        Blank(f"blk.{il}.ssm_a", (1, of.heads), "f32"),
    )


def _ahead(il: int, width: int) -> tuple[Blank, ...]:
    return (
        *(blank for blank in _blocks.next_token(il, width) if "shared_head" not in blank.name),
        *_blocks.norms(il, width, "layer_output_norm"),
    )
