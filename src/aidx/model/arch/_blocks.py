"""Tensor lists that families share: names and shapes as llama.cpp's converters write them.

Shapes are in ggml's order. Each function returns the tensors of one part of one block.
"""

from typing import Literal

from aidx.model.arch._attention import Heads, heads
from aidx.model.blank import Blank, Kind
from aidx.model.metadata import find_int, read_int, vocab_size
from aidx.model.spec import Metadata

Over = Literal["head", "each", "all"]
"""What a norm of queries or keys runs over."""


def ends(metadata: Metadata, *, output: bool = True) -> tuple[Blank, ...]:
    """Token embedding, final norm and, unless it is the embedding itself, the output projection."""
    width = read_int(metadata, "embedding_length")
    tokens = vocab_size(metadata)
    found = (Blank("token_embd.weight", (width, tokens)), Blank("output_norm.weight", (width,), "f32"))
    return (*found, Blank("output.weight", (width, tokens))) if output else found


def positions(metadata: Metadata) -> Blank:
    """A learned embedding of each position."""
    shape = (read_int(metadata, "embedding_length"), read_int(metadata, "context_length"))
    return Blank("position_embd.weight", shape, "f32")


def rotary(metadata: Metadata) -> Blank:
    """One factor for each turned pair of a head's elements, the same in all blocks."""
    return Blank("rope_freqs.weight", (_pairs(metadata),), "f32")


def long_rotary(metadata: Metadata) -> tuple[Blank, ...]:
    """The factors of LongRoPE, for contexts longer than trained and for others."""
    shape = (_pairs(metadata),)
    return Blank("rope_factors_long.weight", shape, "f32"), Blank("rope_factors_short.weight", shape, "f32")


def _pairs(metadata: Metadata) -> int:
    return (find_int(metadata, "rope.dimension_count") or heads(metadata)[0].key_dim) // 2


def norms(il: int, width: int, *names: str, bias: bool = False) -> tuple[Blank, ...]:
    """Norm weights of block *il*, each *width* long; *bias* adds one to each."""
    parts = ("weight", "bias") if bias else ("weight",)
    return tuple(Blank(f"blk.{il}.{name}.{part}", (width,), "f32") for name in names for part in parts)


def attention(il: int, width: int, of: Heads, *, bias: bool = False, fused: bool = False) -> tuple[Blank, ...]:
    """Q, K and V projections, separate or *fused*, and the output's; *bias* adds one to Q, K and V."""
    outputs: tuple[tuple[str, int], ...] = (
        ("attn_q", of.query * of.key_dim),
        ("attn_k", of.kv * of.key_dim),
        ("attn_v", of.kv * of.value_dim),
    )
    if fused:
        outputs = (("attn_qkv", sum(size for _, size in outputs)),)
    weights = tuple(Blank(f"blk.{il}.{name}.weight", (width, size)) for name, size in outputs)
    biases = tuple(Blank(f"blk.{il}.{name}.bias", (size,), "f32") for name, size in outputs) if bias else ()
    return (*weights, *biases, Blank(f"blk.{il}.attn_output.weight", (of.query * of.value_dim, width)))


def head_norms(il: int, of: Heads, over: Over = "head") -> tuple[Blank, ...]:
    """Norms of queries and keys: one for any head, one for each head, or one over all heads together."""
    found = []
    for name, count in (("attn_q_norm", of.query), ("attn_k_norm", of.kv)):
        shapes = {"head": (of.key_dim,), "each": (of.key_dim, count), "all": (of.key_dim * count,)}
        found.append(Blank(f"blk.{il}.{name}.weight", shapes[over], "f32"))
    return tuple(found)


def gated(il: int, width: int, inner: int, *, suffix: str = "") -> tuple[Blank, ...]:
    """Gate, up and down projections of a dense feed-forward part; *suffix* ``_shexp`` for shared experts."""
    return (
        Blank(f"blk.{il}.ffn_gate{suffix}.weight", (width, inner)),
        Blank(f"blk.{il}.ffn_up{suffix}.weight", (width, inner)),
        Blank(f"blk.{il}.ffn_down{suffix}.weight", (inner, width)),
    )


def plain(il: int, width: int, inner: int, *, doubled: bool = False) -> tuple[Blank, ...]:
    """Up and down projections without a gate of its own; *doubled*: the up projection holds the gate too."""
    return (
        Blank(f"blk.{il}.ffn_up.weight", (width, 2 * inner if doubled else inner)),
        Blank(f"blk.{il}.ffn_down.weight", (inner, width)),
    )


def inner_biases(il: int, width: int, inner: int, *, gate: bool) -> tuple[Blank, ...]:
    """Biases of a dense feed-forward part."""
    names = {**({"ffn_gate": inner} if gate else {}), "ffn_up": inner, "ffn_down": width}
    return tuple(Blank(f"blk.{il}.{name}.bias", (size,), "f32") for name, size in names.items())


def experts(il: int, metadata: Metadata, *, kind: Kind = "weight", inner: int | None = None) -> tuple[Blank, ...]:
    """The router and the stacked gate, up and down projections (*kind*) of all experts of block *il*.

    *inner* is their inner width; else the metadata's, which in Mixtral-like files is the feed-forward length.
    """
    width = read_int(metadata, "embedding_length")
    count = read_int(metadata, "expert_count")
    if inner is None:
        inner = find_int(metadata, "expert_feed_forward_length") or read_int(metadata, "feed_forward_length")
    return (
        Blank(f"blk.{il}.ffn_gate_inp.weight", (width, count), "f32"),
        Blank(f"blk.{il}.ffn_gate_exps.weight", (width, inner, count), kind),
        Blank(f"blk.{il}.ffn_up_exps.weight", (width, inner, count), kind),
        Blank(f"blk.{il}.ffn_down_exps.weight", (inner, width, count), kind),
    )


def shared_expert(il: int, metadata: Metadata, inner: int | None = None) -> tuple[Blank, ...]:
    """The expert that sees every token, *inner* or ``shared_inner`` wide; nothing where that is 0."""
    inner = shared_inner(metadata) if inner is None else inner
    return gated(il, read_int(metadata, "embedding_length"), inner, suffix="_shexp") if inner else ()


def expert_bias(il: int, metadata: Metadata) -> tuple[Blank, ...]:
    """The correction added to the router's scores when it picks experts."""
    return (Blank(f"blk.{il}.exp_probs_b.bias", (read_int(metadata, "expert_count"),), "f32"),)


def shared_inner(metadata: Metadata) -> int:
    """Inner width of the experts that see every token, 0 without one."""
    given = find_int(metadata, "expert_shared_feed_forward_length")
    if given is not None:
        return given
    count = find_int(metadata, "expert_shared_count") or 0
    return count * read_int(metadata, "expert_feed_forward_length") if count else 0


def next_token(il: int, width: int) -> tuple[Blank, ...]:
    """What a multi-token-prediction block has beyond a block of the trunk."""
    return (
        Blank(f"blk.{il}.nextn.eh_proj.weight", (2 * width, width)),
        *norms(il, width, "nextn.enorm", "nextn.hnorm", "nextn.shared_head_norm"),
    )


def own_ends(il: int, metadata: Metadata) -> tuple[Blank, ...]:
    """The embedding and the output projection that some multi-token-prediction blocks have for themselves."""
    shape = (read_int(metadata, "embedding_length"), vocab_size(metadata))
    return Blank(f"blk.{il}.nextn.embed_tokens.weight", shape), Blank(f"blk.{il}.nextn.shared_head_head.weight", shape)
