"""RWKV: no attention; a block keeps the last embeddings of a sequence and one matrix a head.

Rules of llama.cpp's ``llama_hparams::n_embd_r`` and ``n_embd_s``, and of ``src/models`` for the tensors.
"""

from aidx.errors import InputError
from aidx.model.arch import _blocks
from aidx.model.blank import Blank, Kind
from aidx.model.metadata import find_int, full_key, read_int, trunk_count
from aidx.model.spec import Layer, Metadata

_SHIFTS = 2  # token_shift_count where the file gives none: one for each half of a block


def layers(metadata: Metadata) -> tuple[Layer, ...]:
    """The same state in every block, whatever the context."""
    width = read_int(metadata, "embedding_length")
    shifts = find_int(metadata, "token_shift_count")
    keeps = Layer(
        conv_state=(_SHIFTS if shifts is None else shifts) * width,
        recurrent_state=width * head_size(metadata),
    )
    return (keeps,) * trunk_count(metadata)


def head_size(metadata: Metadata) -> int:
    """Elements of a head; raises ``InputError`` for 0, by which heads could not be counted."""
    size = read_int(metadata, "wkv.head_size")
    if not size:
        raise InputError(
            f"{full_key(metadata, 'wkv.head_size')} is 0",
            hint="Convert the model again or fetch the file again; its header is damaged.",
        )
    return size


def ends(metadata: Metadata) -> tuple[Blank, ...]:
    """Token embedding with a norm of its own, final norm and output projection; norms have biases."""
    width = read_int(metadata, "embedding_length")
    names = ("token_embd_norm.weight", "token_embd_norm.bias", "output_norm.bias")
    return (*_blocks.ends(metadata), *(Blank(name, (width,), "f32") for name in names))


def layer_norms(il: int, width: int, *names: str) -> tuple[Blank, ...]:
    """Norms with biases."""
    return tuple(Blank(f"blk.{il}.{name}.{kind}", (width,), "f32") for name in names for kind in ("weight", "bias"))


def squares(il: int, width: int, *names: str) -> tuple[Blank, ...]:
    """Projections from the embedding to itself."""
    return tuple(Blank(f"blk.{il}.{name}.weight", (width, width)) for name in names)


def low_rank(il: int, width: int, letter: str, rank: int) -> tuple[Blank, ...]:
    """A vector and the two halves of a low-rank projection, which no quantization touches.

    Converters write ``w``'s halves as F32 and the others as F16.
    """
    name = f"blk.{il}.time_mix_{letter}"
    kind: Kind = "f32" if letter == "w" else "weight"
    return (
        Blank(f"{name}0.weight", (width,), "f32"),
        Blank(f"{name}1.weight", (width, rank), kind),
        Blank(f"{name}2.weight", (rank, width), kind),
    )


def sixth_mix(il: int, metadata: Metadata, values: int) -> tuple[Blank, ...]:
    """RWKV 6's time mixing; keys and values are *values* wide."""
    width = read_int(metadata, "embedding_length")
    extra, decay = read_int(metadata, "time_mix_extra_dim"), read_int(metadata, "time_decay_extra_dim")
    mix = f"blk.{il}.time_mix"
    return (
        Blank(f"{mix}_w1.weight", (width, 5 * extra), "f32"),
        Blank(f"{mix}_w2.weight", (extra, width, 5), "f32"),
        Blank(f"{mix}_lerp_x.weight", (width,), "f32"),
        Blank(f"{mix}_lerp_fused.weight", (width, 1, 1, 5), "f32"),
        Blank(f"{mix}_decay.weight", (width,), "f32"),
        Blank(f"{mix}_decay_w1.weight", (width, decay), "f32"),
        Blank(f"{mix}_decay_w2.weight", (decay, width), "f32"),
        Blank(f"{mix}_key.weight", (width, values)),
        Blank(f"{mix}_value.weight", (width, values)),
        *squares(il, width, "time_mix_receptance", "time_mix_gate", "time_mix_output"),
    )


def seventh_mix(il: int, metadata: Metadata) -> tuple[Blank, ...]:
    """RWKV 7's time mixing; the first block has a value residual of the wrong rank, which is never used."""
    width = read_int(metadata, "embedding_length")
    learning = read_int(metadata, "attention.iclr_lora_rank")
    residual = read_int(metadata, "attention.value_residual_mix_lora_rank")
    gate = find_int(metadata, "attention.gate_lora_rank") or 0
    vectors = ("k_k", "k_a", "r_k")
    return (
        *low_rank(il, width, "w", read_int(metadata, "attention.decay_lora_rank")),
        *low_rank(il, width, "a", learning),
        *low_rank(il, width, "v", residual if il else learning),
        *(low_rank(il, width, "g", gate)[1:] if gate else ()),
        Blank(f"blk.{il}.time_mix_lerp_fused.weight", (width, 1, 1, 6 if gate else 5), "f32"),
        *(Blank(f"blk.{il}.time_mix_{name}.weight", (width,), "f32") for name in vectors),
        *squares(il, width, *(f"time_mix_{name}" for name in ("key", "value", "receptance", "output"))),
    )
