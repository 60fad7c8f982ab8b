"""What LoRA adapters and projectors take, and where.

An adapter's halves lie in the buffer of the tensor that they change, as they stand in the file, on the host in plain
memory (``llama_adapter_lora_init_impl``). A projector lies on the first GPU, or on the host without one (``clip_ctx``),
and its compute buffer is reserved for one image of a size that the engine chooses for each kind.
"""

from collections.abc import Iterator, Sequence
from math import isqrt

from aidx.budget.ledger import Entry
from aidx.budget.placement import HOST, Placement
from aidx.budget.settings import Settings
from aidx.budget.weights import allocated
from aidx.model.companion import Lora, Projector
from aidx.model.spec import Metadata, ModelSpec

F32 = 4
_LIVE = 3  # outputs of a changed product that live beside it: of the second half, scaled, summed up
# Patches of the engine's image for kinds that take any size: 46 x 46 tokens of 2 x 2 patches each (clip.cpp).
_ANY_SIZE = 46 * 46 * 4
_SOUND = 3000  # frames of 30 s
_MIXED, _FED = 6, 2  # rows as wide as the encoder and as its feed-forward part that live at once
_MASK = 2  # bytes for each pair of patches where attention is masked
_NUMBERS = 32  # bytes of positions and places for each patch
_ONE_SIZE = frozenset({"mlp", "gemma3"})  # kinds whose images all have the size of the header; others are bounded


def lora_entries(adapter: Lora, model: ModelSpec, placement: Placement, device: str) -> Iterator[Entry]:
    """The halves of *adapter* on *device*."""
    where = {tensor.name: tensor for tensor in model.tensors}
    mine = [pair for pair in adapter.pairs if placement.holders(where[pair.target])[-1:] == (device,)]
    size = sum(allocated(half, device) for pair in mine for half in (pair.first, pair.second))
    if size:
        yield Entry("lora", size, f"{adapter.name}: {2 * len(mine)} tensors beside those they change", "exact")


def lora_compute(adapters: Sequence[Lora], settings: Settings) -> int:
    """What changed products add to a graph at most: one is worked on at a time."""
    tokens = min(settings.n_ctx, settings.n_ubatch)
    widths = (_LIVE * pair.second.shape[1] + pair.first.shape[1] for adapter in adapters for pair in adapter.pairs)
    return F32 * tokens * max(widths, default=0)


def with_lora_compute(entries: tuple[Entry, ...], adapters: Sequence[Lora], settings: Settings) -> tuple[Entry, ...]:
    """*entries* of a device with the graph of *adapters* in its compute buffer."""
    more = lora_compute(adapters, settings)
    return tuple(
        Entry("compute", entry.bytes + more, f"{entry.why}; {more:,} B more for LoRA adapters", "modelled", entry.role)
        if entry.what == "compute"
        else entry
        for entry in entries
    )


def projector_entries(found: Projector, device: str, total: int | None, build: str = "") -> Iterator[Entry]:
    """Weights and compute of *found* on *device*; *total* is what the engine of *build* says of both together."""
    plain = sum(tensor.bytes for tensor in found.header.tensors)
    size = sum(allocated(tensor, device) for tensor in found.header.tensors)
    yield Entry("projector", size, f"{found.name} ({found.kind}): {len(found.header.tensors)} tensors", "exact")
    if total is not None:
        why = f"{found.name}: compute for one image as the engine warms up; larger ones may take more, {build}"
        yield Entry("projector", max(0, total - plain), why, "engine")
    else:
        why = f"{found.name}: compute for one image, from the widths of its encoder (clip.cpp)"
        yield Entry("projector", _graph(found), why, "modelled")


def projector_inputs(found: Projector) -> Entry:
    """What the host keeps of an image when a GPU computes: its pixels, and which patches see each other."""
    return Entry("projector", _inputs(found), f"{found.name}: inputs of its graph (clip.cpp)", "modelled")


def _graph(found: Projector) -> int:
    metadata = found.header.metadata
    pictures, sound = _encoder(metadata, "vision", _patches(found)), _encoder(metadata, "audio", _SOUND)
    return max(pictures, sound) + 2 * _inputs(found)


def _encoder(metadata: Metadata, kind: str, patches: int) -> int:
    width = _number(metadata, f"clip.{kind}.embedding_length")
    fed = _number(metadata, f"clip.{kind}.feed_forward_length") or 4 * width
    return F32 * patches * (_MIXED * width + _FED * fed)


def _inputs(found: Projector) -> int:
    patches = _patches(found)
    side = isqrt(patches) * max(1, _number(found.header.metadata, "clip.vision.patch_size"))
    masks = 0 if found.kind in _ONE_SIZE else _MASK * patches**2
    return F32 * 3 * side * side + _NUMBERS * (patches + 1) + masks


def _patches(found: Projector) -> int:
    metadata = found.header.metadata
    side = _number(metadata, "clip.vision.image_size") // max(1, _number(metadata, "clip.vision.patch_size"))
    return side * side if found.kind in _ONE_SIZE else max(side * side, _ANY_SIZE)


def _number(metadata: Metadata, key: str) -> int:
    value = metadata.get(key)
    return value if isinstance(value, int) and 0 <= value < 1 << 20 else 0


def first_device(gpus: int) -> str:
    """Where a projector lies."""
    return "gpu0" if gpus else HOST
