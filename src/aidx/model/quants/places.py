"""Where a tensor sits in the model, as far as quantization cares."""

from collections.abc import Mapping, Sequence
from enum import Enum, auto
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from aidx.model import metadata as keys
from aidx.model.blank import Blank
from aidx.model.spec import Metadata


class Place(Enum):
    """``tensor_category`` in ``llama-quant.cpp``; ``VALUE`` covers what carries values among others."""

    OUTPUT = auto()
    EMBEDDING = auto()
    VALUE = auto()
    KEY = auto()
    QUERY = auto()
    ATTENTION_OUTPUT = auto()
    UP = auto()
    GATE = auto()
    DOWN = auto()
    OTHER = auto()


_PARTS: Final = (
    ("attn_qkv.weight", Place.VALUE),
    ("attn_kv_b.weight", Place.VALUE),
    ("attn_v.weight", Place.VALUE),
    ("attn_k.weight", Place.KEY),
    ("attn_q.weight", Place.QUERY),
    ("attn_output.weight", Place.ATTENTION_OUTPUT),
    ("ffn_up", Place.UP),
    ("ffn_gate", Place.GATE),
    ("ffn_down", Place.DOWN),
)
_NEVER: Final = (
    "_norm.weight",
    "ffn_gate_inp.weight",
    "ffn_gate_tid2eid.weight",
    "altup",
    "laurel",
    "per_layer_model_proj",
    "ssm_conv1d",
    "shortconv.conv.weight",
    "indexer.k_proj.weight",
    "indexer.q_proj.weight",
    *(f"time_mix_{part}.weight" for part in ("first", "decay_w1", "decay_w2", "lerp_fused")),
    *(f"time_mix_{letter}{number}.weight" for letter in "wva" for number in "012"),
    "time_mix_g1.weight",
    "time_mix_g2.weight",
    "attn_rel_b.weight",
    "position_embd.weight",
    "token_types.weight",
    ".position_embd",
    ".rel_pos",
    ".patch_embd",
    ".patch_merger",
)
_NEVER_OF: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "glm5-next": (
            "hc_",
            *(f"indexer.{part}" for part in ("attn_q_b", "attn_k", "proj")),
            *(f"indexer_compressor_{part}" for part in ("gate", "ape")),
            *(f"ssm_{part}.weight" for part in ("f_a", "f_b", "g_a", "g_b", "beta")),
            *(f"attn_{part}.weight" for part in ("kv_a_mqa", "k_b", "v_b")),
        )
    }
)
"""What llama-quantize spares in files of one architecture only."""

_SEVENTY: Final = frozenset({"llama", "qwen2", "deci", "olmo"})


class Traits(Struct, frozen=True):
    """What the rules ask of the model as a whole.

    *blocks* counts all of the file; *grouping* is query heads per KV head of the first block; *seventy* the
    engine's "70B" class (80 blocks, grouped heads); *values* counts the tensors in ``Place.VALUE``.
    """

    architecture: str
    blocks: int
    experts: int
    grouping: int
    seventy: bool
    tied: bool
    values: int
    imatrix: bool


class Spot(Struct, frozen=True):
    """One tensor, where it is, and the *turn*-th of its place in the order that llama-quantize takes.

    *level* is what the rules call its layer: the turn, or with experts the number in its name.
    """

    blank: Blank
    place: Place
    turn: int
    level: int
    traits: Traits


@lru_cache(maxsize=1 << 14)  # every quantization of a model asks for the same names
def place(name: str) -> Place:
    """The place of the tensor called *name*."""
    if name == "output.weight":
        return Place.OUTPUT
    if name in {"token_embd.weight", "per_layer_token_embd.weight"}:
        return Place.EMBEDDING
    return next((found for part, found in _PARTS if part in name), Place.OTHER)


@lru_cache(maxsize=1 << 14)
def _spared(name: str, architecture: str) -> bool:
    return any(part in name for part in (*_NEVER, *_NEVER_OF.get(architecture, ())))


def quantizable(blank: Blank, architecture: str) -> bool:
    """Whether llama-quantize converts it: a matrix or a stack of them with a name that it does not spare.

    Some names it spares in files of one *architecture* only. A tensor that is quantized already is copied:
    requantizing has to be asked for.
    """
    dimensions = max((axis for axis, size in enumerate(blank.shape, start=1) if size != 1), default=1)
    spared = _spared(blank.name, architecture)
    return blank.kind != "mxfp4" and dimensions > 1 and blank.name.endswith("weight") and not spared


def traits(blanks: Sequence[Blank], metadata: Metadata, *, imatrix: bool) -> Traits:
    """The model's traits; *blanks* are all of its tensors."""
    of = keys.architecture(metadata)
    blocks = keys.block_count(metadata)
    query = (keys.find_ints(metadata, "attention.head_count", blocks) or (0,))[0]
    kv = (keys.find_ints(metadata, "attention.head_count_kv", blocks) or (query,))[0]
    names = {blank.name for blank in blanks}
    return Traits(
        architecture=of,
        blocks=blocks,
        experts=keys.find_int(metadata, "expert_count") or 0,
        grouping=query // kv if kv else 0,
        seventy=of in _SEVENTY and keys.trunk_count(metadata) == 80 and (of != "llama" or query != kv),
        tied="output.weight" not in names,
        values=sum(place(name) is Place.VALUE for name in names),
        imatrix=imatrix,
    )


def spots(blanks: Sequence[Blank], of: Traits) -> tuple[Spot, ...]:
    """Every tensor in llama-quantize's order: by block, then by name."""
    turns: dict[Place, int] = {}
    found = []
    for blank in sorted(blanks, key=lambda blank: (_block(blank.name), blank.name)):
        where = place(blank.name)
        turn = turns.get(where, 0)
        if quantizable(blank, of.architecture):
            turns[where] = turn + 1
        found.append(Spot(blank, where, turn, _block(blank.name) if of.experts > 1 else turn, of))
    return tuple(found)


def _block(name: str) -> int:
    parts = name.split(".", 2)
    return int(parts[1]) if parts[0] == "blk" and len(parts) > 1 and parts[1].isdecimal() else -1
