"""Tensor lists that families share: names and shapes as llama.cpp's converters write them.

Shapes are in ggml's order. Each function returns the tensors of one part of one block.
"""

from aidx.model.arch._attention import Heads
from aidx.model.blank import Blank, Kind
from aidx.model.metadata import find_int, read_int, vocab_size
from aidx.model.spec import Metadata


def ends(metadata: Metadata, *, output: bool = True) -> tuple[Blank, ...]:
    """Token embedding, final norm and, unless it is the embedding itself, the output projection."""
    width = read_int(metadata, "embedding_length")
    tokens = vocab_size(metadata)
    found = (Blank("token_embd.weight", (width, tokens)), Blank("output_norm.weight", (width,), "f32"))
    return (*found, Blank("output.weight", (width, tokens))) if output else found


def norms(il: int, width: int, *names: str) -> tuple[Blank, ...]:
    """Norm weights of block *il*, each *width* long."""
    return tuple(Blank(f"blk.{il}.{name}.weight", (width,), "f32") for name in names)


def attention(il: int, width: int, of: Heads, *, bias: bool = False) -> tuple[Blank, ...]:
    """Separate Q, K, V and output projections; *bias* adds one to each of Q, K and V."""
    outputs = (
        ("attn_q", of.query * of.key_dim),
        ("attn_k", of.kv * of.key_dim),
        ("attn_v", of.kv * of.value_dim),
    )
    weights = tuple(Blank(f"blk.{il}.{name}.weight", (width, size)) for name, size in outputs)
    biases = tuple(Blank(f"blk.{il}.{name}.bias", (size,), "f32") for name, size in outputs) if bias else ()
    return (*weights, *biases, Blank(f"blk.{il}.attn_output.weight", (of.query * of.value_dim, width)))


def head_norms(il: int, of: Heads) -> tuple[Blank, ...]:
    """A norm over each query and each key head."""
    return norms(il, of.key_dim, "attn_q_norm", "attn_k_norm")


def gated(il: int, width: int, inner: int, *, suffix: str = "") -> tuple[Blank, ...]:
    """Gate, up and down projections of a dense feed-forward part; *suffix* ``_shexp`` for shared experts."""
    return (
        Blank(f"blk.{il}.ffn_gate{suffix}.weight", (width, inner)),
        Blank(f"blk.{il}.ffn_up{suffix}.weight", (width, inner)),
        Blank(f"blk.{il}.ffn_down{suffix}.weight", (inner, width)),
    )


def experts(il: int, metadata: Metadata, *, kind: Kind = "weight") -> tuple[Blank, ...]:
    """The router and the stacked gate, up and down projections (*kind*) of all experts of block *il*.

    Mixtral-like files give the experts' inner width as the feed-forward length.
    """
    width = read_int(metadata, "embedding_length")
    count = read_int(metadata, "expert_count")
    inner = find_int(metadata, "expert_feed_forward_length") or read_int(metadata, "feed_forward_length")
    return (
        Blank(f"blk.{il}.ffn_gate_inp.weight", (width, count), "f32"),
        Blank(f"blk.{il}.ffn_gate_exps.weight", (width, inner, count), kind),
        Blank(f"blk.{il}.ffn_up_exps.weight", (width, inner, count), kind),
        Blank(f"blk.{il}.ffn_down_exps.weight", (inner, width, count), kind),
    )


def expert_bias(il: int, metadata: Metadata) -> tuple[Blank, ...]:
    """The correction added to the router's scores when it picks experts."""
    return (Blank(f"blk.{il}.exp_probs_b.bias", (read_int(metadata, "expert_count"),), "f32"),)


def shared_inner(metadata: Metadata) -> int:
    """Inner width of the experts that see every token, 0 without one."""
    given = find_int(metadata, "expert_shared_feed_forward_length")
    if given is not None:
        return given
    return read_int(metadata, "expert_feed_forward_length") * (find_int(metadata, "expert_shared_count") or 0)


def next_token(il: int, width: int) -> tuple[Blank, ...]:
    """What a multi-token-prediction block has beyond a block of the trunk."""
    return (
        Blank(f"blk.{il}.nextn.eh_proj.weight", (2 * width, width)),
        *norms(il, width, "nextn.enorm", "nextn.hnorm", "nextn.shared_head_norm"),
    )
