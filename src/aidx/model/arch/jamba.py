"""Jamba: one attention block in eight, without positions, among Mamba blocks; experts in every other block.

Which blocks have experts is in no key of the file, only in its tensors: here every second one, from the
second on, as in all published models.
"""

from aidx.model.arch import _attention, _blocks, _ssm
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, find_int, read_int, read_ints
from aidx.model.spec import Layer, Metadata

NAMES = ("jamba",)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A K and a V in a block with KV heads, a state in the others."""
    return _ssm.alternating(metadata, _ssm.sizes(metadata, grouped=False))


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """Two norms a block; the Mamba mixer norms its time step, B and C as well."""
    width = read_int(metadata, "embedding_length")
    inner = read_ints(metadata, "feed_forward_length", block_count(metadata))
    of = _ssm.sizes(metadata, grouped=False)
    experts = find_int(metadata, "expert_count") or 0
    found = list(_blocks.ends(metadata))
    for il, heads in enumerate(_attention.heads(metadata)):
        found += (
            *_blocks.norms(il, width, "attn_norm", "ffn_norm"),
            *(_blocks.attention(il, width, heads) if heads.kv else _mixer(il, width, of)),
            *(_blocks.experts(il, metadata) if experts > 1 and il % 2 else _blocks.gated(il, width, inner[il])),
        )
    return tuple(found)


def _mixer(il: int, width: int, of: _ssm.Sizes) -> tuple[Blank, ...]:
    return (
        *_ssm.mamba(il, width, of),
        *_blocks.norms(il, of.rank, "ssm_dt_norm"),
        *_blocks.norms(il, of.state, "ssm_b_norm", "ssm_c_norm"),
    )
