"""What quantizing a file will write: its header, each tensor's type and place, and so every byte of its size."""

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from aidx.errors import InputError
from aidx.model.blank import Blank
from aidx.model.gguf.kinds import STRING, U32
from aidx.model.gguf.names import shown
from aidx.model.gguf.render import data_size, lay_out, render
from aidx.model.quants import filetypes, places
from aidx.model.quants.assign import wanted
from aidx.model.quants.filetypes import FileType
from aidx.model.quants.imatrix import Imatrix
from aidx.model.spec import Header, Value
from aidx.model.tensor import TYPES, Tensor

if TYPE_CHECKING:
    from array import array
    from collections.abc import Mapping

SOURCES: Final = frozenset({"f32", "f16", "bf16"})
"""What a tensor may be to be quantized: what was rounded once is not rounded again."""

_REFUSED: Final = frozenset({"NVFP4"})  # llama_model_quantize: "invalid output file type 39"
_HUNGRY: Final = frozenset({"iq3_xxs", "iq2_xxs", "iq2_xs", "iq2_s", "iq1_m", "iq1_s"})
_SPLIT: Final = "split."
_REPLACED: Final = ("general.quantization_version", "general.file_type")
_QUANTIZATION_VERSION: Final = 2  # GGML_QNT_VERSION


class Step(Struct, frozen=True):
    """*source*, as it stands in the file that is read, becomes *target*; with *importance* where there is some."""

    source: Tensor
    target: Tensor
    importance: "array[float] | None" = None


class Recipe(Struct, frozen=True):
    """The file to be written: its *header*, then *steps* in order; *size* bytes in all.

    *missing* names tensors for which the importance matrix has nothing, where it is not needed.
    """

    file_type: str
    header: bytes
    steps: tuple[Step, ...]
    size: int
    missing: tuple[str, ...] = ()


def recipe(header: Header, file_type: str, importance: Imatrix | None = None) -> Recipe:
    """How ``llama-quantize`` would write the model of *header* as *file_type*.

    Raises ``InputError`` for an unknown type, a model that is quantized already, a type that cannot do without an
    importance matrix, and a matrix of another model.
    """
    of = filetypes.find(file_type)
    if of.name in _REFUSED:
        raise InputError(f"llama.cpp makes no {of.name} files by quantizing", hint="Choose another type, say Q4_K_M.")
    targets = lay_out(_targets(header, of, imatrix=importance is not None), header.alignment)
    sources = {tensor.name: tensor for tensor in header.tensors}
    steps = tuple(_step(sources[target.name], target, of, importance) for target in targets)
    raw = _header(header, of, targets, importance)
    missing = tuple(
        step.target.name
        for step in steps
        if importance is not None and step.importance is None and step.source.type != step.target.type
    )
    return Recipe(of.name, raw, steps, len(raw) + data_size(targets, header.alignment), missing)


def _targets(header: Header, of: FileType, *, imatrix: bool) -> tuple[Tensor, ...]:
    kinds = {tensor.name: tensor.type for tensor in header.tensors}
    blanks = [
        Blank(tensor.name, tensor.shape, "mxfp4" if tensor.type.name == "mxfp4" else "weight")
        for tensor in header.tensors
    ]
    traits = places.traits(blanks, header.metadata, imatrix=imatrix)
    found = []
    for spot in places.spots(blanks, traits):
        kind, chosen = kinds[spot.blank.name], wanted(spot, of)
        target = kind if chosen is None else TYPES[chosen]
        if target != kind and kind.name not in SOURCES:
            raise InputError(
                f"the model is quantized already: {shown(spot.blank.name)} is {kind.name}",
                hint="Quantize from the F16, BF16 or F32 file: rounding twice loses more.",
            )
        found.append(Tensor(spot.blank.name, spot.blank.shape, target))
    return tuple(found)


def _step(source: Tensor, target: Tensor, of: FileType, importance: Imatrix | None) -> Step:
    if source.type == target.type:
        return Step(source, target)
    weights = None if importance is None else importance.of(target)
    if weights is None and _needs_importance(target, of):
        what = "an importance matrix" if importance is None else "more than this importance matrix holds"
        raise InputError(
            f"{of.name} needs {what}: {shown(target.name)} would be {target.type.name}",
            hint="Give one with --imatrix FILE (llama-imatrix makes it), or choose a larger type, say Q3_K_S.",
        )
    return Step(source, target, weights)


def _needs_importance(target: Tensor, of: FileType) -> bool:
    """``tensor_requires_imatrix`` in ``llama-quant.cpp``."""
    if places.place(target.name) in {places.Place.EMBEDDING, places.Place.OUTPUT}:
        return False
    return target.type.name in _HUNGRY or (target.type.name == "q2_K" and of.name == "Q2_K_S")


def _header(header: Header, of: FileType, targets: tuple[Tensor, ...], importance: Imatrix | None) -> bytes:
    """The source's metadata in its order, then what quantizing adds, as the engine writes them."""
    kept: dict[str, Value] = {
        key: value
        for key, value in header.metadata.items()
        if key not in _REPLACED and not key.startswith((_SPLIT, "quantize.imatrix."))
    }
    garbled = next((key for key, value in kept.items() if isinstance(value, str) and "\ufffd" in value), None)
    if garbled is not None:
        raise InputError(
            f"{shown(garbled)} is not UTF-8 in this file, so that it cannot be written again as it is",
            hint="Convert the model again with a current llama.cpp.",
        )
    kinds = dict(header.kinds)
    added: Mapping[str, Value] = {
        "general.quantization_version": _QUANTIZATION_VERSION,
        "general.file_type": of.number,
        **({} if importance is None else importance.metadata),
    }
    kinds.update({key: STRING if isinstance(value, str) else U32 for key, value in added.items()})
    return render({**kept, **added}, targets, header.alignment, kinds=kinds)
