"""Which files of a folder are the checkpoint, and whether they are all of it."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Final

import msgspec

from aidx.errors import InputError
from aidx.model.pick import is_inside
from aidx.model.safetensors.header import BITS, Weight

CONFIG: Final = "config.json"
INDEX: Final = "model.safetensors.index.json"
WHOLE: Final = "model.safetensors"
INDEX_BYTES: Final = 32 << 20
SHARDS: Final = 512
_HINT: Final = "Download the checkpoint again, or plan a GGUF file of the model."


class _About(msgspec.Struct):
    total_size: Annotated[int, msgspec.Meta(ge=0, lt=1 << 60)] | float | None = None


class _Index(msgspec.Struct):
    weight_map: dict[str, str]
    metadata: _About | None = None


class Index:
    """The table of a checkpoint in several files: which file holds which tensor."""

    def __init__(self, data: bytes) -> None:
        try:
            self._found = msgspec.json.decode(data, type=_Index)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InputError(f"{INDEX} is damaged: {error}", hint=_HINT) from None
        self.files = tuple(sorted(set(self._found.weight_map.values())))
        if not self.files or len(self.files) > SHARDS or not all(is_inside([name]) for name in self.files):
            raise InputError(f"{INDEX} names {len(self.files)} files, 1 to {SHARDS} beside it are read", hint=_HINT)

    def check(self, weights: Mapping[str, Weight]) -> None:
        """Raise ``InputError`` unless *weights*, those of all files, are what the index says."""
        if set(weights) != set(self._found.weight_map):
            odd = sorted(set(weights) ^ set(self._found.weight_map))
            raise InputError(f"{INDEX} and the files disagree about {odd[0][:80]!r}", hint=_HINT)
        said = None if self._found.metadata is None else self._found.metadata.total_size
        real = total_bytes(weights.values())
        if said is not None and said != real:
            raise InputError(
                f"{INDEX} says {int(said):,} bytes of weights, the files hold {real:,}",
                hint=_HINT,
                code="weights_disagree",
            )


def total_bytes(weights: Iterable[Weight]) -> int:
    """Bytes of data of *weights*."""
    return sum(-(-weight.elements * BITS[weight.dtype] // 8) for weight in weights)
