"""PLaMo 2: every other block has attention, the rest a Mamba mixer with one decay a head.

Gate and up are one tensor, and several norms are filed without ``.weight``.
"""

from aidx.model.arch import _attention, _blocks, _ssm
from aidx.model.arch._attention import Heads
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, read_int, read_ints
from aidx.model.spec import Layer, Metadata

NAMES = ("plamo2",)
_LEAST_STEP = 64  # width of the time step: a sixteenth of the embedding, at least this


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """A K and a V in a block with KV heads, a state in the others."""
    return _ssm.alternating(metadata, _ssm.sizes(metadata, grouped=True))


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """Norms before and after both parts of a block."""
    width = read_int(metadata, "embedding_length")
    inner = read_ints(metadata, "feed_forward_length", block_count(metadata))
    of = _ssm.sizes(metadata, grouped=True)
    found = list(_blocks.ends(metadata))
    for il, heads in enumerate(_attention.heads(metadata)):
        found += (
            *_blocks.norms(il, width, "attn_norm", "ffn_norm"),
            *(Blank(f"blk.{il}.{name}", (width,), "f32") for name in ("post_attention_norm", "post_ffw_norm")),
            *(_fused(il, width, heads) if heads.kv else _mixer(il, width, of)),
            Blank(f"blk.{il}.ffn_up.weight", (width, 2 * inner[il])),
            Blank(f"blk.{il}.ffn_down.weight", (inner[il], width)),
        )
    return tuple(found)


def _fused(il: int, width: int, of: Heads) -> tuple[Blank, ...]:
    """Q, K and V in one projection, and a norm for each query and each key head."""
    size = (of.query + of.kv) * of.key_dim + of.kv * of.value_dim
    return (
        Blank(f"blk.{il}.attn_qkv.weight", (width, size)),
        Blank(f"blk.{il}.attn_q_norm.weight", (of.key_dim, of.query), "f32"),
        Blank(f"blk.{il}.attn_k_norm.weight", (of.key_dim, of.kv), "f32"),
        Blank(f"blk.{il}.attn_output.weight", (of.query * of.value_dim, width)),
    )


def _mixer(il: int, width: int, of: _ssm.Sizes) -> tuple[Blank, ...]:
    blk, step = f"blk.{il}", max(_LEAST_STEP, width // 16)
    return (
        Blank(f"{blk}.ssm_in.weight", (width, 2 * of.inner)),
        Blank(f"{blk}.ssm_conv1d.weight", (of.kernel, of.inner), "f32"),
        Blank(f"{blk}.ssm_x.weight", (of.inner, step + 2 * of.state)),
        Blank(f"{blk}.ssm_dt.weight", (step, of.rank)),
        *(Blank(f"{blk}.{name}", (of.rank,), "f32") for name in ("ssm_dt.bias", "ssm_a", "ssm_d")),
        Blank(f"{blk}.ssm_dt_norm", (step,), "f32"),
        *(Blank(f"{blk}.{name}", (of.state,), "f32") for name in ("ssm_b_norm", "ssm_c_norm")),
        Blank(f"{blk}.ssm_out.weight", (of.inner, width)),
    )
