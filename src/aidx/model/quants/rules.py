"""The exceptions to a file type's default, one table a place; the rows are file types."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from aidx.model.quants.filetypes import FileType
from aidx.model.quants.places import Place, Spot
from aidx.model.tensor import TYPES

Rule = Callable[[Spot], str | None]
"""A tensor type for this spot, or ``None`` for the default."""

Table = Mapping[str, Rule]
_GROUPED = 4  # query heads per KV head from which a finer V costs little


def _always(kind: str) -> Rule:
    return lambda _: kind


def _first(count: int, kind: str, then: str | None = None) -> Rule:
    return lambda spot: kind if spot.turn < count else then


def _share(part: int, kind: str, then: str | None = None) -> Rule:
    """*kind* in the first 1/*part* of the layers."""
    return lambda spot: kind if spot.level < spot.traits.blocks // part else then


def _grouped(kind: str, otherwise: str | None = None) -> Rule:
    return lambda spot: kind if spot.traits.grouping >= _GROUPED else otherwise


def _unless_imatrix(rule: Rule) -> Rule:
    return lambda spot: None if spot.traits.imatrix else rule(spot)


def _with_imatrix(rule: Rule) -> Rule:
    return lambda spot: rule(spot) if spot.traits.imatrix else None


def more_bits(layer: int, count: int) -> bool:
    """``use_more_bits``: the first and last eighth and every third layer between."""
    eighth = count // 8
    return layer < eighth or layer >= 7 * count // 8 or (layer - eighth) % 3 == 2


def _half_values(spot: Spot) -> str | None:
    return "q6_K" if more_bits(spot.turn, spot.traits.values) else None


def _half_downs(spot: Spot) -> str | None:
    return "q6_K" if more_bits(spot.level, spot.traits.blocks) else None


def _iq3_m_down(spot: Spot) -> str | None:
    early = spot.level < spot.traits.blocks // 8
    mixtral = spot.traits.experts == 8 and more_bits(spot.level, spot.traits.blocks)
    return "q4_K" if early or mixtral else None


def _iq3_xxs_value(spot: Spot) -> str | None:
    if spot.traits.grouping >= _GROUPED:
        return "q4_K"
    return None if spot.traits.imatrix else "iq3_s"


def _middle(spot: Spot) -> str | None:
    blocks = spot.traits.blocks
    return "iq3_xxs" if blocks // 8 <= spot.level < 7 * blocks // 8 else None


_QUERY_KEY: Final[Table] = MappingProxyType({"IQ3_XS": _always("iq3_xxs"), "IQ3_XXS": _always("iq2_s")})
_GATE_UP: Final[Table] = MappingProxyType({"IQ3_XS": _middle})
_TABLES: Final[Mapping[Place, Table]] = MappingProxyType(
    {
        Place.VALUE: MappingProxyType(
            {
                "Q2_K": _grouped("q4_K", "q3_K"),
                "Q2_K_S": _grouped("q4_K"),
                "IQ3_XXS": _iq3_xxs_value,
                "IQ3_XS": _grouped("q4_K"),
                "IQ3_S": _grouped("q4_K"),
                "IQ3_M": _always("q4_K"),
                "Q3_K_M": _first(2, "q5_K", "q4_K"),
                "Q3_K_L": _always("q5_K"),
                "IQ4_NL": _grouped("q5_K"),
                "IQ4_XS": _grouped("q5_K"),
                "Q4_K_M": _half_values,
                "Q5_K_M": _half_values,
                "Q4_K_S": _first(4, "q5_K"),
            }
        ),
        Place.DOWN: MappingProxyType(
            {
                "Q2_K": _always("q3_K"),
                "Q2_K_S": _share(8, "q4_K"),
                "IQ3_XXS": _unless_imatrix(_share(8, "q4_K", "q3_K")),
                "IQ3_M": _iq3_m_down,
                "Q3_K_M": _share(16, "q5_K", "q4_K"),
                "Q3_K_L": _always("q5_K"),
                "IQ4_NL": _unless_imatrix(_share(8, "q5_K")),
                "IQ4_XS": _unless_imatrix(_share(8, "q5_K")),
                "Q4_K_M": _half_downs,
                "Q5_K_M": _half_downs,
                "Q4_K_S": _share(8, "q5_K"),
                "Q4_0": _with_imatrix(_share(8, "q4_1")),
                "Q5_0": _with_imatrix(_share(8, "q5_1")),
            }
        ),
        Place.ATTENTION_OUTPUT: MappingProxyType(
            {
                "Q2_K": _always("q3_K"),
                "IQ3_XXS": _always("iq3_s"),
                "Q3_K_M": _always("q4_K"),
                "Q3_K_L": _always("q5_K"),
                "IQ3_M": _always("q4_K"),
            }
        ),
        Place.KEY: _QUERY_KEY,
        Place.QUERY: _QUERY_KEY,
        Place.GATE: _GATE_UP,
        Place.UP: _GATE_UP,
    }
)
_LEGACY: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "attn_qkv.weight": MappingProxyType(
            {"Q3_K_M": "q4_K", "Q3_K_L": "q4_K", "IQ3_M": "q4_K", "Q4_K_M": "q5_K", "Q5_K_M": "q6_K"}
        ),
        "attn_kv_b.weight": MappingProxyType({}),
    }
)
"""Until 2026 these two did not count as values; published Phi and DeepSeek files follow that."""

_EMBEDDING: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("IQ2_XXS", "IQ2_XS", "IQ1_S", "IQ1_M"), "q2_K"),
        **dict.fromkeys(("IQ2_S", "IQ2_M", "IQ3_XXS"), "iq3_s"),
        **dict.fromkeys(("TQ1_0", "TQ2_0", "Q2_0"), "q4_K"),
    }
)
_LOW: Final = frozenset({"IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ1_S", "IQ1_M"})
_MIXTRAL_OUTPUT: Final = frozenset(
    {"Q2_K", "IQ3_XS", "IQ3_XXS", "Q3_K_S", "Q3_K_M", "IQ4_NL", "Q4_K_S", "Q4_K_M", "IQ3_S", "IQ3_M", "IQ4_XS"}
)


def choose(spot: Spot, of: FileType, *, legacy: bool) -> str:
    """The type of a quantizable tensor before shapes are looked at (``llama_tensor_get_type_impl``)."""
    where = spot.place
    if where is Place.OUTPUT or (where is Place.EMBEDDING and spot.traits.tied):
        return _output(spot, of)
    if of.name == "MXFP4_MOE":
        stacked = len(spot.blank.shape) > 2 and spot.blank.shape[2] > 1
        return "mxfp4" if stacked else "q8_0"
    if where is Place.EMBEDDING:
        return _EMBEDDING.get(of.name, of.default)
    if of.name in _LOW:
        return _low(spot, of)
    if legacy and (row := _legacy(spot)) is not None:
        return row.get(of.name, of.default)
    rule = _TABLES.get(where, {}).get(of.name)
    return _adjust(spot, of, (rule(spot) if rule else None) or of.default)


def _output(spot: Spot, of: FileType) -> str:
    if of.name == "MXFP4_MOE" or spot.blank.shape[0] % TYPES[of.default].block:
        return "q8_0"
    if of.name in _LOW or of.name == "IQ3_XXS":
        return "q5_K"
    return "q8_0" if of.default == "q8_0" else "q6_K"


def _low(spot: Spot, of: FileType) -> str:
    """The one- and two-bit types have rules of their own; here layers are always counted."""
    finer = "iq3_s" if of.name in {"IQ2_S", "IQ2_M"} else "q2_K"
    rules: dict[Place, str | None] = {
        Place.VALUE: "q4_K" if max(spot.traits.grouping, spot.traits.experts) >= _GROUPED else finer,
        Place.KEY: "q4_K" if spot.traits.experts == 8 else None,
        Place.DOWN: finer if spot.turn < spot.traits.blocks // 8 else None,
        Place.ATTENTION_OUTPUT: _low_output(spot, of),
    }
    return rules.get(spot.place) or of.default


def _low_output(spot: Spot, of: FileType) -> str | None:
    if spot.traits.experts == 8:
        return "q5_K"
    if of.name in {"IQ1_S", "IQ1_M"}:
        return "iq2_xxs"
    return "iq3_s" if of.name in {"IQ2_S", "IQ2_M"} else None


def _legacy(spot: Spot) -> Mapping[str, str] | None:
    return next((row for part, row in _LEGACY.items() if part in spot.blank.name), None)


def _adjust(spot: Spot, of: FileType, kind: str) -> str:
    """Models with small V tensors (the 70B class) and with eight experts get finer attention."""
    eight = spot.traits.experts == 8
    if spot.place is Place.VALUE:
        if eight:
            return "q8_0"
        return "q5_K" if spot.traits.seventy and kind in {"q3_K", "q4_K"} else kind
    if spot.place is Place.KEY and eight:
        return "q8_0"
    if spot.place is Place.ATTENTION_OUTPUT and eight:
        return "q5_K" if of.name in _MIXTRAL_OUTPUT else of.default
    return kind
