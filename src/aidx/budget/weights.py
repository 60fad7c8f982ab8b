"""The weights on each device.

Exact on a CUDA-like device, and on the host for types that the engine uses as they are (F32, F16, BF16).
Quantized weights on the host may be repacked for the CPU at hand: the plain bytes are counted here, and the
engine knows what it repacks.
"""

from collections.abc import Iterable
from fractions import Fraction

from msgspec import Struct

from aidx.budget.buffers import rules_for
from aidx.budget.placement import HOST, Placement, is_expert, loaded_ahead
from aidx.model.metadata import find_int
from aidx.model.spec import ModelSpec
from aidx.model.tensor import Tensor

PLAIN = frozenset({"f32", "f16", "bf16"})


class Held(Struct, frozen=True):
    """What one device holds: *bytes* allocated, of *tensors* tensors.

    *plain* is false where a quantized matrix lies on the host, which the engine may repack.
    """

    bytes: int
    tensors: int
    plain: bool


class Group(Struct, frozen=True):
    """Tensors that no placement can part: *first* stands for all of them.

    Their bytes on a GPU and on the host; *unusual*: some of them are quantized.
    """

    first: Tensor
    on_gpu: int
    on_host: int
    tensors: int
    unusual: bool


def groups(model: ModelSpec) -> tuple[Group, ...]:
    """The tensors of *model* by block, its experts apart; those outside the blocks one by one."""
    found: dict[object, list[Tensor]] = {}
    ahead = loaded_ahead(model.architecture)
    for tensor in model.tensors:
        key: object = tensor.name
        if tensor.layer is not None:
            key = tensor.layer, is_expert(tensor.name), bool(ahead) and tensor.name.split(".", 2)[2] in ahead
        found.setdefault(key, []).append(tensor)
    return tuple(
        Group(
            first=together[0],
            on_gpu=sum(allocated(tensor, "gpu0") for tensor in together),
            on_host=sum(allocated(tensor, HOST) for tensor in together),
            tensors=len(together),
            unusual=any(tensor.type.name not in PLAIN for tensor in together),
        )
        for together in found.values()
    )


def held(model: ModelSpec, placement: Placement, device: str) -> Held:
    """The weights that *device* holds."""
    return held_of(groups(model), placement, device)


def held_of(grouped: Iterable[Group], placement: Placement, device: str) -> Held:
    """The same for many placements: *grouped* is what ``groups`` says of the model."""
    size = count = 0
    plain = device != HOST or placement.pinned
    unusual = False
    for group in grouped:
        copies = placement.holders(group.first).count(device)
        size += copies * (group.on_host if device == HOST else group.on_gpu)
        count += copies * group.tensors
        unusual = unusual or (copies > 0 and group.unusual)
    return Held(bytes=size, tensors=count, plain=plain or not unusual)


def active_share(model: ModelSpec) -> Fraction:
    """The share of a mixture's experts that a token uses; 1 where there are none."""
    experts = find_int(model.header.metadata, "expert_count") or 0
    used = find_int(model.header.metadata, "expert_used_count") or 0
    return Fraction(used, experts) if 0 < used < experts else Fraction(1)


def read(grouped: Iterable[Group], placement: Placement, device: str, share: Fraction) -> int:
    """Bytes of weights that making one token reads on *device*; *share* of the experts are used.

    Embeddings are looked up, one row a token, unless they are the output too.
    """
    size = Fraction(0)
    for group in grouped:
        name = group.first.name
        if name.endswith("_embd.weight") and not (placement.tied and name == "token_embd.weight"):
            continue
        devices = (placement.output,) if name == "token_embd.weight" else placement.holders(group.first)
        each = group.on_host if device == HOST else group.on_gpu
        size += devices.count(device) * each * (share if is_expert(name) else 1)
    return int(size)


def allocated(tensor: Tensor, device: str) -> int:
    """Bytes that *tensor* takes in a buffer of *device*."""
    row = max(tensor.shape[0], 1) if tensor.shape else 1
    return rules_for(device).allocated(tensor.type, row, tensor.elements // row)
