"""Gemma 4: sliding blocks have other head sizes than global ones; the last blocks of small models share a cache.

E models add an embedding to every block; where global blocks have KV heads of their own, they take K for V.
"""

from aidx.errors import InputError
from aidx.model.arch import _attention, _blocks
from aidx.model.arch._attention import Heads
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, find_int, full_key, read_int, read_ints, vocab_size
from aidx.model.spec import Layer, Metadata

NAMES = ("gemma4",)


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """Own heads and window for each block; none for those that read an earlier block's cache."""
    slides = _sliding(metadata)
    window = read_int(metadata, "attention.sliding_window")
    own = _own(metadata)
    return tuple(
        Layer(of.kv, of.key_dim, of.value_dim, window if slides[il] else None)
        if il < own
        else Layer(window=window if slides[il] else None)
        for il, of in enumerate(_heads(metadata))
    )


def tensors(metadata: Metadata) -> tuple[Blank, ...]:
    """Norms around every part; small models give each block an embedding of its own."""
    width = read_int(metadata, "embedding_length")
    inner = read_ints(metadata, "feed_forward_length", block_count(metadata))
    extra = find_int(metadata, "embedding_length_per_layer_input") or 0
    found = [*_blocks.ends(metadata, output=False), *_per_layer(metadata, extra)]
    for il, of in enumerate(_heads(metadata)):
        found += (
            *_blocks.norms(il, width, "attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"),
            *_projections(il, metadata, of),
            Blank(f"blk.{il}.layer_output_scale.weight", (1,), "f32"),
            *_blocks.gated(il, width, inner[il]),
            *(_experts(il, metadata) if find_int(metadata, "expert_count") else ()),
            *(_inputs(il, width, extra) if extra else ()),
        )
    return tuple(found)


def _sliding(metadata: Metadata) -> tuple[int, ...]:
    return read_ints(metadata, "attention.sliding_window_pattern", block_count(metadata))


def _heads(metadata: Metadata) -> tuple[Heads, ...]:
    key = read_int(metadata, "attention.key_length_swa")
    value = read_int(metadata, "attention.value_length_swa")
    slides = _sliding(metadata)
    return tuple(
        Heads(of.query, of.kv, key, value) if slides[il] else of for il, of in enumerate(_attention.heads(metadata))
    )


def _own(metadata: Metadata) -> int:
    """The blocks with a cache of their own come first."""
    count = block_count(metadata)
    shared = find_int(metadata, "attention.shared_kv_layers") or 0
    if shared > count:
        raise InputError(
            f"{full_key(metadata, 'attention.shared_kv_layers')} is {shared} of {count} blocks",
            hint="Convert the model again; at most every block can share.",
        )
    return count - shared


def _per_layer(metadata: Metadata, extra: int) -> tuple[Blank, ...]:
    """Rotary factors of the global blocks, then the embedding of all blocks."""
    factors = Blank("rope_freqs.weight", (read_int(metadata, "attention.key_length") // 2,), "f32")
    if not extra:
        return (factors,)
    total = extra * block_count(metadata)
    return (
        factors,
        Blank("per_layer_token_embd.weight", (total, vocab_size(metadata))),
        Blank("per_layer_model_proj.weight", (read_int(metadata, "embedding_length"), total)),
        Blank("per_layer_proj_norm.weight", (extra,), "f32"),
    )


def _projections(il: int, metadata: Metadata, of: Heads) -> tuple[Blank, ...]:
    width = read_int(metadata, "embedding_length")
    query, key, value, output = _blocks.attention(il, width, of)
    query_norm, key_norm = _blocks.head_norms(il, of)
    if il >= _own(metadata):
        return query, query_norm, output
    shares_value = not _sliding(metadata)[il] and of.kv != _attention.heads(metadata)[0].kv
    return query, query_norm, key, key_norm, *(() if shares_value else (value,)), output


def _inputs(il: int, width: int, extra: int) -> tuple[Blank, ...]:
    return (
        Blank(f"blk.{il}.inp_gate.weight", (width, extra)),
        Blank(f"blk.{il}.proj.weight", (extra, width)),
        *_blocks.norms(il, width, "post_norm"),
    )


def _experts(il: int, metadata: Metadata) -> tuple[Blank, ...]:
    """Experts beside the dense part, gate and up fused; each side with norms of its own."""
    width = read_int(metadata, "embedding_length")
    count = read_int(metadata, "expert_count")
    inner = read_int(metadata, "expert_feed_forward_length")
    return (
        *_blocks.norms(il, width, "pre_ffw_norm_2", "post_ffw_norm_1", "post_ffw_norm_2"),
        Blank(f"blk.{il}.ffn_gate_inp.weight", (width, count), "f32"),
        Blank(f"blk.{il}.ffn_gate_inp.scale", (width,), "f32"),
        Blank(f"blk.{il}.ffn_gate_up_exps.weight", (width, 2 * inner, count)),
        Blank(f"blk.{il}.ffn_down_exps.weight", (inner, width, count)),
        Blank(f"blk.{il}.ffn_down_exps.scale", (count,), "f32"),
    )
