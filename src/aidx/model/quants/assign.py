"""From the tensors of an F16 file to those of any file type, placed as llama-quantize writes them."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from aidx.errors import InputError
from aidx.model.blank import Blank
from aidx.model.gguf.kinds import ALIGNMENT
from aidx.model.gguf.render import lay_out
from aidx.model.quants import filetypes, places, rules
from aidx.model.quants.filetypes import FileType
from aidx.model.quants.places import Spot
from aidx.model.spec import Metadata
from aidx.model.tensor import TYPES, Tensor

_PLAIN: Final = frozenset({"f32", "f16", "bf16"})
_FALLBACK: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq3_xxs", "iq3_s", "iq4_xs"), "iq4_nl"),
        **dict.fromkeys(("q2_0", "q2_K", "q3_K", "tq1_0", "tq2_0"), "q4_0"),
        "q4_K": "q5_0",
        "q5_K": "q5_1",
        "q6_K": "q8_0",
    }
)
_SOURCE: Final[Mapping[str, str]] = MappingProxyType({"weight": "f16", "f32": "f32", "mxfp4": "mxfp4"})


def assign(
    blanks: Sequence[Blank],
    file_type: str,
    metadata: Metadata,
    *,
    imatrix: bool = False,
    legacy: bool = False,
    alignment: int = ALIGNMENT,
) -> tuple[Tensor, ...]:
    """The tensors of a file of type *file_type* with their offsets, in llama-quantize's order.

    *imatrix*: made with an importance matrix, which changes a few types. *legacy*: by the rules before 2026
    for ``attn_qkv`` and ``attn_kv_b``. Raises ``InputError`` for an unknown file type and for a shape that
    llama-quantize refuses.
    """
    of = filetypes.find(file_type)
    traits = places.traits(blanks, metadata, imatrix=imatrix)
    typed = (
        Tensor(spot.blank.name, spot.blank.shape, TYPES[_type(spot, of, legacy=legacy)])
        for spot in places.spots(blanks, traits)
    )
    return lay_out(typed, alignment)


def wanted(spot: Spot, of: FileType, *, legacy: bool = False) -> str | None:
    """The type of the tensor at *spot* in a file of type *of*; ``None`` for one that stays as it is."""
    if not places.quantizable(spot.blank, spot.traits.architecture):
        return None
    if of.default in _PLAIN:
        return of.default
    return _fitting(spot.blank, rules.choose(spot, of, legacy=legacy))


def _type(spot: Spot, of: FileType, *, legacy: bool) -> str:
    return wanted(spot, of, legacy=legacy) or _SOURCE[spot.blank.kind]


def _fitting(blank: Blank, kind: str) -> str:
    """*kind*, or what llama-quantize takes where a row would cut a block (``tensor_type_fallback``)."""
    row = blank.shape[0]
    if row % TYPES[kind].block == 0:
        return kind
    if kind not in _FALLBACK:
        raise InputError(
            f"{blank.name} has rows of {row}, which {kind} cannot hold in blocks of {TYPES[kind].block}",
            hint="Choose F16, or a K type, which falls back by itself.",
        )
    smaller = _FALLBACK[kind]
    return "f16" if row % TYPES[smaller].block else smaller
