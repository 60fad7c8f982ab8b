"""State-space blocks (Mamba, Mamba 2): what they keep, and their tensors.

Rules of llama.cpp's ``llama_hparams::n_embd_r`` and ``n_embd_s``, and of ``src/models`` for the tensors.
"""

from msgspec import Struct

from aidx.model.arch import _attention, _blocks
from aidx.model.blank import Blank
from aidx.model.metadata import block_count, read_int, trunk_count
from aidx.model.spec import Layer, Metadata


class Sizes(Struct, frozen=True):
    """Elements: *rank* is the width of the time step in Mamba and the number of heads in Mamba 2.

    *groups* is 0 in Mamba, whose convolution runs over the inner width alone.
    """

    kernel: int
    inner: int
    state: int
    rank: int
    groups: int = 0

    @property
    def mixed(self) -> int:
        """Width that the convolution runs over: the inner one, and B and C of each group."""
        return self.inner + 2 * self.groups * self.state

    @property
    def keeps(self) -> Layer:
        """The inputs that the convolution looks back on, and the state matrix; both a sequence."""
        return Layer(conv_state=max(self.kernel - 1, 0) * self.mixed, recurrent_state=self.state * self.inner)


def sizes(metadata: Metadata, *, grouped: bool) -> Sizes:
    """The sizes in *metadata*; *grouped* for Mamba 2. The engine ignores groups in a Mamba file."""
    return Sizes(
        kernel=read_int(metadata, "ssm.conv_kernel"),
        inner=read_int(metadata, "ssm.inner_size"),
        state=read_int(metadata, "ssm.state_size"),
        rank=read_int(metadata, "ssm.time_step_rank"),
        groups=read_int(metadata, "ssm.group_count") if grouped else 0,
    )


def alternating(metadata: Metadata, of: Sizes) -> tuple[Layer, ...]:
    """A K and a V where the block has KV heads, a state where it has none."""
    return tuple(layer if layer.kv_heads else of.keeps for layer in _attention.layers(metadata))


def mamba(il: int, width: int, of: Sizes) -> tuple[Blank, ...]:
    """A Mamba mixer: one decay for each element of the state."""
    blk = f"blk.{il}"
    return (
        Blank(f"{blk}.ssm_in.weight", (width, 2 * of.inner)),
        *_convolution(il, of),
        Blank(f"{blk}.ssm_x.weight", (of.inner, of.rank + 2 * of.state)),
        Blank(f"{blk}.ssm_dt.weight", (of.rank, of.inner)),
        Blank(f"{blk}.ssm_dt.bias", (of.inner,), "f32"),
        Blank(f"{blk}.ssm_a", (of.state, of.inner), "f32"),
        Blank(f"{blk}.ssm_d", (of.inner,), "f32"),
        Blank(f"{blk}.ssm_out.weight", (of.inner, width)),
    )


def mamba2(il: int, width: int, of: Sizes) -> tuple[Blank, ...]:
    """A Mamba 2 mixer: one decay a head, everything in one projection, a norm before the output."""
    blk, groups = f"blk.{il}", max(of.groups, 1)
    return (
        Blank(f"{blk}.ssm_in.weight", (width, of.inner + of.mixed + of.rank)),
        *_convolution(il, of),
        Blank(f"{blk}.ssm_dt.bias", (of.rank,), "f32"),
        Blank(f"{blk}.ssm_a", (1, of.rank), "f32"),
        Blank(f"{blk}.ssm_d", (1, of.rank), "f32"),
        Blank(f"{blk}.ssm_norm.weight", (of.inner // groups, groups), "f32"),
        Blank(f"{blk}.ssm_out.weight", (of.inner, width)),
    )


def only(metadata: Metadata, of: Sizes) -> tuple[Layer, ...]:
    """A state in every block: a model without attention."""
    return (of.keeps,) * trunk_count(metadata)


def only_tensors(metadata: Metadata, of: Sizes) -> tuple[Blank, ...]:
    """A model of nothing but a norm and a mixer a block."""
    width = read_int(metadata, "embedding_length")
    mixer = mamba2 if of.groups else mamba
    found = list(_blocks.ends(metadata))
    for il in range(block_count(metadata)):
        found += (*_blocks.norms(il, width, "attn_norm"), *mixer(il, width, of))
    return tuple(found)


def _convolution(il: int, of: Sizes) -> tuple[Blank, ...]:
    return (
        Blank(f"blk.{il}.ssm_conv1d.weight", (of.kernel, of.mixed), "f32"),
        Blank(f"blk.{il}.ssm_conv1d.bias", (of.mixed,), "f32"),
    )
