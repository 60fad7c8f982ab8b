"""The weights on each device.

Exact on a CUDA-like device, and on the host for types that the engine uses as they are (F32, F16, BF16).
Quantized weights on the host may be repacked for the CPU at hand: the plain bytes are counted here, and the
engine knows what it repacks.
"""

from dataclasses import dataclass

from aidx.budget.buffers import rules_for
from aidx.budget.placement import HOST, Placement
from aidx.model.spec import ModelSpec
from aidx.model.tensor import Tensor

PLAIN = frozenset({"f32", "f16", "bf16"})


@dataclass(frozen=True, slots=True)
class Held:
    """What one device holds: *bytes* allocated, of *tensors* tensors.

    *plain* is false where a quantized matrix lies on the host, which the engine may repack.
    """

    bytes: int
    tensors: int
    plain: bool


def held(model: ModelSpec, placement: Placement, device: str) -> Held:
    """The weights that *device* holds."""
    size = count = 0
    plain = device != HOST or placement.pinned
    unusual = False
    for tensor in model.tensors:
        copies = placement.holders(tensor).count(device)
        if copies:
            size += copies * allocated(tensor, device)
            count += copies
            unusual = unusual or tensor.type.name not in PLAIN
    return Held(bytes=size, tensors=count, plain=plain or not unusual)


def allocated(tensor: Tensor, device: str) -> int:
    """Bytes that *tensor* takes in a buffer of *device*."""
    row = max(tensor.shape[0], 1) if tensor.shape else 1
    return rules_for(device).allocated(tensor.type, row, tensor.elements // row)
