"""Which GPU takes which layer when there are several.

Rules of ``llama_model::load_tensors`` (llama.cpp): the parts of ``--tensor-split``, or else the free memory of
each device, are summed up in order and scaled to 1; a layer goes to the first device whose sum lies above the
layer's place among those on GPUs. All of it in single precision, which decides where a layer sits on an edge.
"""

import struct
from bisect import bisect_right
from collections.abc import Sequence

from aidx.errors import InputError

MIB = 1 << 20
_MOST = 1e30  # of a part: the sum of some must be a number in single precision, too


def parts_by_size(sizes: Sequence[int]) -> tuple[float, ...]:
    """The split that the engine makes on devices with so many free bytes, in whole MiB."""
    return tuple(float(max(size, 0) // MIB) for size in sizes)


def check_parts(parts: Sequence[float], gpus: int) -> None:
    """Refuse parts that divide nothing.

    Raises:
        InputError: For another number of parts than there are GPUs, parts that are no amounts, or nothing but 0.
    """
    shown = parts_text(parts)
    example = ",".join(["1"] * gpus)
    if len(parts) != gpus:
        raise InputError(
            f"--tensor-split {shown} has {_count(len(parts), 'part')}, and {_count(gpus, 'GPU')} "
            f"{'is' if gpus == 1 else 'are'} planned",
            hint=f"Give one part for each GPU, for example --tensor-split {example}."
            if gpus > 1
            else "Leave --tensor-split out, or give --vram once for each GPU.",
        )
    if not all(0 <= part <= _MOST for part in parts):
        raise InputError(f"--tensor-split {shown} has a part that is no amount", hint="Give numbers of at least 0.")
    if not any(parts):
        raise InputError(
            f"--tensor-split {shown} gives no GPU a layer", hint=f"Give parts, for example --tensor-split {example}."
        )


def parts_text(parts: Sequence[float]) -> str:
    """*parts* as they are typed."""
    return ",".join(f"{part:.0f}" if 1e6 <= part < 1e15 else f"{part:g}" for part in parts)


def owners(parts: Sequence[float], layers: int) -> tuple[int, ...]:
    """The number of the device of each of *layers* layers that lie on GPUs, the output last."""
    points, total = [], 0.0
    for part in parts:
        total = _single(total + _single(part))
        points.append(total)
    points = [_single(point / total) for point in points]
    return tuple(bisect_right(points, _single(number / layers)) for number in range(layers))


def _single(value: float) -> float:
    """*value* rounded to single precision."""
    rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return rounded


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
