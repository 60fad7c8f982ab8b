"""MiniCPM 3: low ranks in the projections, but full heads in the cache; two sets of rotary factors."""

from aidx.model.arch import _attention, _blocks, _latent
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, read_int, read_ints
from aidx.model.spec import Metadata

NAMES = ("minicpm3",)
layers = _attention.layers


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """Queries through a low rank too."""
    width = read_int(metadata, "embedding_length")
    inner = read_ints(metadata, "feed_forward_length", block_count(metadata))
    found = [*_blocks.ends(metadata), *_blocks.long_rotary(metadata)]
    for il, of in enumerate(_attention.heads(metadata)):
        found += (
            *_blocks.norms(il, width, "attn_norm", "ffn_norm"),
            *_latent.queries(il, metadata, of.query * of.key_dim),
            *_latent.compressed(il, metadata, of),
            *_blocks.gated(il, width, inner[il]),
        )
    return tuple(found)
