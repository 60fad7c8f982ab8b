"""Gated DeltaNet hybrids (Qwen 3 Next, Qwen 3.5): three recurrent blocks, then one of full attention."""

from collections.abc import Callable

from msgspec import Struct

from aidx.errors import InputError
from aidx.model.arch import _attention, _blocks
from aidx.model.arch._attention import Heads
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, find_int, find_ints, full_key, read_int, read_ints, trunk_count
from aidx.model.spec import Layer, Metadata

INTERVAL = 4  # llama.cpp's full_attention_interval where the file gives none


class Sizes(Struct, frozen=True):
    """Elements of the linear attention; *key* and *value* over all heads."""

    key: int
    value: int
    value_heads: int
    head: int
    kernel: int

    @property
    def mixed(self) -> int:
        """Width of the fused query, key and value that the convolution runs over."""
        return 2 * self.key + self.value


Gates = Callable[[int, int, Sizes], tuple[Blank, ...]]
"""The tensors that differ between the families: *il*, embedding width, sizes."""


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """K and V in the attention blocks; elsewhere a convolution's and a matrix's state a sequence."""
    of = _sizes(metadata)
    state = Layer(
        conv_state=max(of.kernel - 1, 0) * of.mixed,
        recurrent_state=read_int(metadata, "ssm.state_size") * of.value,
    )
    keeps_state = recurrent(metadata)
    return tuple(state if keeps_state(il) else layer for il, layer in enumerate(_attention.layers(metadata)))


def tensors(metadata: Metadata, gates: Gates) -> tuple[Blank, ...]:
    """All tensors; *gates* gives what each family calls its own in a recurrent block."""
    width = read_int(metadata, "embedding_length")
    trunk = trunk_count(metadata)
    keeps_state = recurrent(metadata)
    found = list(_blocks.ends(metadata))
    for il, of in enumerate(_attention.heads(metadata)):
        found += _blocks.norms(il, width, "attn_norm", "post_attention_norm")
        found += mixer(il, metadata, gates) if il < trunk and keeps_state(il) else full(il, width, of)
        found += feed_forward(il, metadata)
        if il >= trunk:
            found += _blocks.next_token(il, width)
    return tuple(found)


def mixer(il: int, metadata: Metadata, gates: Gates) -> tuple[Blank, ...]:
    """A recurrent block's gated delta net."""
    width, of = read_int(metadata, "embedding_length"), _sizes(metadata)
    return (*_linear(il, width, of), *gates(il, width, of))


def separate_gates(il: int, width: int, of: Sizes) -> tuple[Blank, ...]:
    """The update and the decay gate of Qwen 3.5, one tensor each."""
    return (
        Blank(f"blk.{il}.ssm_beta.weight", (width, of.value_heads)),
        Blank(f"blk.{il}.ssm_alpha.weight", (width, of.value_heads)),
    )


def recurrent(metadata: Metadata, interval: int = INTERVAL) -> Callable[[int], bool]:
    """Whether block *il* of the trunk keeps a state: as listed, or all but every *interval*-th."""
    listed = find_ints(metadata, "attention.recurrent_layers", block_count(metadata))
    if listed is not None:
        return lambda il: bool(listed[il])
    every = find_int(metadata, "full_attention_interval")
    every = interval if every is None else every
    if every == 0:
        raise InputError(
            f"{full_key(metadata, 'full_attention_interval')} is 0",
            hint="Convert the model again; the interval counts blocks.",
        )
    return lambda il: (il + 1) % every != 0


def _sizes(metadata: Metadata) -> Sizes:
    state = read_int(metadata, "ssm.state_size")
    value_heads = read_int(metadata, "ssm.time_step_rank")
    value = read_int(metadata, "ssm.inner_size")
    return Sizes(
        key=state * read_int(metadata, "ssm.group_count"),
        value=value,
        value_heads=value_heads,
        head=value // max(value_heads, 1),
        kernel=read_int(metadata, "ssm.conv_kernel"),
    )


def _linear(il: int, width: int, of: Sizes) -> tuple[Blank, ...]:
    blk = f"blk.{il}"
    return (
        Blank(f"{blk}.attn_qkv.weight", (width, of.mixed)),
        Blank(f"{blk}.attn_gate.weight", (width, of.value)),
        Blank(f"{blk}.ssm_conv1d.weight", (of.kernel, of.mixed), "f32"),
        Blank(f"{blk}.ssm_dt.bias", (of.value_heads,), "f32"),
        Blank(f"{blk}.ssm_a", (of.value_heads,), "f32"),
        Blank(f"{blk}.ssm_norm.weight", (of.head,), "f32"),
        Blank(f"{blk}.ssm_out.weight", (of.value, width)),
    )


def full(il: int, width: int, of: Heads) -> tuple[Blank, ...]:
    """Attention whose query projection carries an output gate as wide as the queries."""
    plain = _blocks.attention(il, width, of)
    doubled = Blank(f"blk.{il}.attn_q.weight", (width, 2 * of.query * of.key_dim))
    return (doubled, *plain[1:], *_blocks.head_norms(il, of))


def feed_forward(il: int, metadata: Metadata) -> tuple[Blank, ...]:
    """A dense part, or experts and one that sees every token through a gate."""
    width = read_int(metadata, "embedding_length")
    if not find_int(metadata, "expert_count"):
        return _blocks.gated(il, width, read_ints(metadata, "feed_forward_length", block_count(metadata))[il])
    return (
        *_blocks.experts(il, metadata),
        Blank(f"blk.{il}.ffn_gate_inp_shexp.weight", (width,), "f32"),
        *_blocks.gated(il, width, _blocks.shared_inner(metadata), suffix="_shexp"),
    )
