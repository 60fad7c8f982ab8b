"""Kimi Delta Attention hybrids: recurrent blocks with three convolutions, and blocks of latent attention (MLA).

A block without KV heads is recurrent. Rules of llama.cpp's ``llama_hparams::n_embd_r`` and ``n_embd_s``.
"""

from msgspec import Struct

from aidx.model.arch import _attention, _blocks
from aidx.model.arch._attention import Heads
from aidx.model.blank import Blank
from aidx.model.metadata import find_int, read_int
from aidx.model.spec import Layer, Metadata

_TAPS = 3  # what the engine keeps where the file gives no kernel


class Sizes(Struct, frozen=True):
    """*head* elements in each of *heads* heads; the convolutions' *kernel*."""

    head: int
    heads: int
    kernel: int

    @property
    def inner(self) -> int:
        """Width of queries, keys and values each."""
        return self.head * self.heads

    @property
    def keeps(self) -> Layer:
        """The inputs of three convolutions and one square matrix a head, for each sequence."""
        taps = self.kernel - 1 if self.kernel else _TAPS
        return Layer(conv_state=3 * taps * self.inner, recurrent_state=self.head * self.inner)


def sizes(metadata: Metadata) -> Sizes:
    """The sizes in *metadata*; the engine takes the heads of the first block for all."""
    return Sizes(
        head=read_int(metadata, "kda.head_dim"),
        heads=_attention.heads(metadata)[0].query,
        kernel=read_int(metadata, "ssm.conv_kernel"),
    )


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """One K head without a V in each block of the file with KV heads, a state in the others.

    Converters give these files no length of V, so that the engine holds quantized cache types against the
    embedding divided by the heads, and refuses most.
    """
    keeps = sizes(metadata).keeps
    is_latent = all(find_int(metadata, f"attention.{name}_length_mla") for name in ("key", "value"))
    return tuple(
        (Layer(of.kv, of.key_dim, view_dim=of.value_dim) if is_latent else Layer(of.kv, of.key_dim, of.value_dim))
        if of.kv
        else keeps
        for of in _attention.heads(metadata)
    )


def mixer(il: int, width: int, of: Sizes) -> tuple[Blank, ...]:
    """What all families have in a recurrent block; their gates differ."""
    blk = f"blk.{il}"
    return (
        *(Blank(f"{blk}.ssm_conv1d_{letter}.weight", (of.kernel, 1, of.inner), "f32") for letter in "qkv"),
        *(Blank(f"{blk}.attn_{letter}.weight", (width, of.inner)) for letter in "qkv"),
        Blank(f"{blk}.ssm_beta.weight", (width, of.heads)),
        Blank(f"{blk}.ssm_dt.bias", (of.inner,), "f32"),
        Blank(f"{blk}.ssm_norm.weight", (of.head,), "f32"),
        Blank(f"{blk}.attn_output.weight", (of.inner, width)),
    )


def low_rank(il: int, width: int, letter: str, of: Sizes) -> tuple[Blank, ...]:
    """A gate through one head's width."""
    return (
        Blank(f"blk.{il}.ssm_{letter}_a.weight", (width, of.head)),
        Blank(f"blk.{il}.ssm_{letter}_b.weight", (of.head, of.inner)),
    )


def latent(il: int, metadata: Metadata, of: Heads) -> tuple[Blank, ...]:
    """Latent attention; the heads' own projections are split into those of K and of V."""
    width = read_int(metadata, "embedding_length")
    rank = read_int(metadata, "attention.kv_lora_rank")
    rotary = read_int(metadata, "rope.dimension_count")
    key, value = (read_int(metadata, f"attention.{name}_length_mla") for name in ("key", "value"))
    blk = f"blk.{il}"
    return (
        *queries(il, metadata, of.query * key),
        Blank(f"{blk}.attn_kv_a_mqa.weight", (width, rank + rotary)),
        Blank(f"{blk}.attn_kv_a_norm.weight", (rank,), "f32"),
        Blank(f"{blk}.attn_k_b.weight", (key - rotary, rank, of.query)),
        Blank(f"{blk}.attn_v_b.weight", (rank, value, of.query)),
        Blank(f"{blk}.attn_output.weight", (of.query * value, width)),
    )


def queries(il: int, metadata: Metadata, size: int) -> tuple[Blank, ...]:
    """Queries straight from the embedding, or through a low rank where the file has one."""
    width = read_int(metadata, "embedding_length")
    rank = find_int(metadata, "attention.q_lora_rank")
    if not rank:
        return (Blank(f"blk.{il}.attn_q.weight", (width, size)),)
    return (
        Blank(f"blk.{il}.attn_q_a.weight", (width, rank)),
        Blank(f"blk.{il}.attn_q_a_norm.weight", (rank,), "f32"),
        Blank(f"blk.{il}.attn_q_b.weight", (rank, size)),
    )


def experts(il: int, metadata: Metadata) -> tuple[Blank, ...]:
    """Routed experts with corrected scores, and those that see every token."""
    width = read_int(metadata, "embedding_length")
    return (
        *_blocks.experts(il, metadata),
        *_blocks.expert_bias(il, metadata),
        *_blocks.gated(il, width, _blocks.shared_inner(metadata), suffix="_shexp"),
    )
