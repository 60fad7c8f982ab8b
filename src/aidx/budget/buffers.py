"""What a backend really allocates for a tensor, beyond the bytes of its data.

Sources: ``TENSOR_ALIGNMENT`` of ggml (CPU buffers) and ``ggml_backend_cuda_buffer_type_get_alloc_size`` with
its alignment of 128 and its ``MATRIX_ROW_PADDING`` of 512 (CUDA); both equal to the engine's own figures in
the sweep of ``tests/e2e/test_sweep.py``.
"""

from collections.abc import Iterable

from msgspec import Struct

from aidx.budget.settings import pad
from aidx.model.tensor import TensorType, row_bytes


class BufferRules(Struct, frozen=True):
    """Sizes start at multiples of *alignment*; quantized rows fill up to *row_padding* elements (0: not)."""

    alignment: int
    row_padding: int = 0

    def allocated(self, kind: TensorType, row: int, rows: int) -> int:
        """Bytes that *rows* rows of *row* elements take in a buffer.

        Only the last row of a quantized tensor is filled up: kernels read past it.
        """
        return pad(row_bytes(kind, row) * (rows - 1) + self.filled(kind, row), self.alignment)

    def filled(self, kind: TensorType, row: int) -> int:
        """Bytes of the last row of a tensor."""
        size = row_bytes(kind, row)
        if self.row_padding and kind.block > 1 and row % self.row_padding:
            size += row_bytes(kind, self.row_padding - row % self.row_padding)
        return size

    def sum(self, sizes: Iterable[int]) -> int:
        """Bytes that tensors of *sizes* bytes take, each one aligned."""
        return sum(pad(size, self.alignment) for size in sizes)


HOST = BufferRules(alignment=32)
CUDA = BufferRules(alignment=128, row_padding=512)


def rules_for(device: str) -> BufferRules:
    """The rules of *device*: ``host``, or ``gpu0`` and the like."""
    return HOST if device == "host" else CUDA
