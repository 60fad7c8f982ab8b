"""The decoder block that most families vary a little: norm, attention, norm, feed-forward part or experts."""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from aidx.model.arch import _blocks
from aidx.model.arch._attention import Heads, heads
from aidx.model.arch._blocks import Over
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, find_int, read_int, read_ints, trunk_count, vocab_size
from aidx.model.spec import Metadata

Part = Callable[[int, Metadata, Heads], tuple[Blank, ...]]
"""Tensors of one block: its number, the metadata, its heads."""

Gate = Literal["own", "doubled", "none"]
"""A gate projection of its own, one inside the up projection, or none at all."""


class Variant(Struct, frozen=True):
    """How a family's files differ from Llama's.

    Attention: *bias* on Q, K and V, *fused* into one tensor; *output_bias* on the output projection;
    *head_norm* on queries and keys, *over* what. Norms: *norms* before the parts, *norm_bias* on them and on
    the last one, *post_norms* after the parts too; *final_norm* is false where there is none at the end.
    Feed-forward: *gate*, *inner_bias*. Experts, in all blocks but the leading dense ones: *routed_inner* names
    the key of their width where the engine does not read the usual ones; *shared*: with one that sees every
    token; *corrected*: with a correction of the router's scores. *output*: whether a file can have an output
    projection of its own, *output_head_bias*: with a bias; *besides*: what else a block has.
    """

    bias: bool = False
    fused: bool = False
    output_bias: bool = False
    head_norm: bool = False
    over: Over = "head"
    norms: tuple[str, ...] = ("attn_norm", "ffn_norm")
    norm_bias: bool = False
    post_norms: bool = False
    final_norm: bool = True
    gate: Gate = "own"
    inner_bias: bool = False
    routed_inner: str | None = None
    shared: bool = False
    corrected: bool = False
    output: bool = True
    output_head_bias: bool = False
    besides: Part | None = None

    def tensors(self, metadata: Metadata) -> tuple[Blank, ...]:
        """All tensors of a model of such blocks."""
        width = read_int(metadata, "embedding_length")
        trunk = trunk_count(metadata)
        found = list(_ends(metadata, self))
        for il, of in enumerate(heads(metadata)):
            found += _attention_part(il, width, of, self)
            found += _routed(il, metadata, self) if routed(il, metadata) else _dense(il, metadata, self)
            found += self.besides(il, metadata, of) if self.besides is not None else ()
            found += _blocks.next_token(il, width) if il >= trunk else ()
        return tuple(found)


def tensors(metadata: Metadata, variant: Variant) -> tuple[Blank, ...]:
    """All tensors of a model of *variant*'s blocks."""
    return variant.tensors(metadata)


def routed(il: int, metadata: Metadata) -> bool:
    """Whether block *il* has experts: all but the leading dense ones, where the metadata count experts."""
    return bool(find_int(metadata, "expert_count")) and il >= (find_int(metadata, "leading_dense_block_count") or 0)


def _ends(metadata: Metadata, of: Variant) -> tuple[Blank, ...]:
    width = read_int(metadata, "embedding_length")
    found = _blocks.ends(metadata, output=of.output)
    if not of.final_norm:
        found = tuple(blank for blank in found if blank.name != "output_norm.weight")
    if of.norm_bias:
        found = (*found, Blank("output_norm.bias", (width,), "f32"))
    if of.output_head_bias:
        found = (*found, Blank("output.bias", (vocab_size(metadata),), "f32"))
    return found


def _attention_part(il: int, width: int, of: Heads, variant: Variant) -> tuple[Blank, ...]:
    after = ("post_attention_norm", "post_ffw_norm") if variant.post_norms else ()
    return (
        *_blocks.norms(il, width, *variant.norms, bias=variant.norm_bias),
        *_blocks.norms(il, width, *after),
        *_blocks.attention(il, width, of, bias=variant.bias, fused=variant.fused),
        *((Blank(f"blk.{il}.attn_output.bias", (width,), "f32"),) if variant.output_bias else ()),
        *(_blocks.head_norms(il, of, variant.over) if variant.head_norm else ()),
    )


def _dense(il: int, metadata: Metadata, variant: Variant) -> tuple[Blank, ...]:
    width = read_int(metadata, "embedding_length")
    inner = read_ints(metadata, "feed_forward_length", block_count(metadata))[il]
    return (
        *(
            _blocks.gated(il, width, inner)
            if variant.gate == "own"
            else _blocks.plain(il, width, inner, doubled=variant.gate == "doubled")
        ),
        *(_blocks.inner_biases(il, width, inner, gate=variant.gate == "own") if variant.inner_bias else ()),
    )


def _routed(il: int, metadata: Metadata, variant: Variant) -> tuple[Blank, ...]:
    inner = None if variant.routed_inner is None else read_int(metadata, variant.routed_inner)
    return (
        *_blocks.experts(il, metadata, inner=inner),
        *(_blocks.shared_expert(il, metadata) if variant.shared else ()),
        *(_blocks.expert_bias(il, metadata) if variant.corrected else ()),
    )
