"""The child that quantizes with the engine's own ``ggml_quantize_chunk``; an assert of it ends this process alone.

One order on the first line of standard input: ``{"sources": [path], "output": descriptor, "importance": descriptor,
"threads", "steps": [[source, offset, type, target offset, target type, row, rows, slices, importance offset]]}``.
Answers are JSON lines: ``{"done": bytes of sources}`` as it goes, at last ``{"finished": true}``, or ``{"failed": why,
"place": tensor}``. Rows are independent of each other in every type, so that a thread takes some rows, reads, converts,
quantizes, checks and writes them where they belong: memory is a few MiB a thread, however large a tensor is.
"""

import ctypes as c
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple

from aidx.adapters.tether import die_with_parent

BLOCK = 1 << 20  # elements that a thread holds at a time: 4 MiB of f32
COPY = 4 << 20  # bytes of a tensor that is copied as it is
F32, F16, BF16 = 0, 1, 30
WIDTH = {F32: 4, F16: 2, BF16: 2}
NO_SPACE, READ_FAULT = "no space", "read"

_FUNCTIONS = {
    "ggml_quantize_init": (None, c.c_int),
    "ggml_quantize_chunk": (
        *(c.c_size_t, c.c_int, c.c_void_p, c.c_void_p),
        *(c.c_int64, c.c_int64, c.c_int64, c.c_void_p),
    ),
    "ggml_validate_row_data": (c.c_bool, c.c_int, c.c_void_p, c.c_size_t),
    "ggml_row_size": (c.c_size_t, c.c_int, c.c_int64),
    "ggml_fp16_to_fp32_row": (None, c.c_void_p, c.c_void_p, c.c_int64),
    "ggml_bf16_to_fp32_row": (None, c.c_void_p, c.c_void_p, c.c_int64),
}


class Chunk(NamedTuple):
    """*rows* rows of *row* elements to convert; without rows, *size* bytes to copy."""

    source: int
    offset: int
    kind: int
    to_offset: int
    to_kind: int
    row: int
    rows: int
    importance: int | None
    size: int


class BrokenError(Exception):
    """A source that ended early, or values that cannot be quantized."""


def open_library(path: str) -> c.CDLL:
    """The wheel's library with the functions that are used here typed."""
    library = c.CDLL(path)
    for name, (result, *arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class Quantizer:
    """Turns chunks into bytes of the output."""

    def __init__(self, library: c.CDLL, order: dict[str, Any]) -> None:
        self.library = library
        self.sources = [os.open(path, os.O_RDONLY | os.O_CLOEXEC) for path in order["sources"]]
        self.output: int = order["output"]
        self.importance: int = order["importance"]

    def run(self, chunk: Chunk) -> int:
        """Do *chunk*; how many bytes of the source it was."""
        if not chunk.rows:
            self._write(self._read(chunk.source, chunk.offset, chunk.size), chunk.to_offset)
            return chunk.size
        elements = chunk.row * chunk.rows
        raw = self._read(chunk.source, chunk.offset, elements * WIDTH[chunk.kind])
        if not self.library.ggml_validate_row_data(chunk.kind, raw, len(raw)):
            raise BrokenError("it holds values that are no numbers")
        floats = self._floats(raw, chunk.kind, elements)
        weights = self._weights(chunk)
        size = self.library.ggml_row_size(chunk.to_kind, chunk.row) * chunk.rows
        room = c.create_string_buffer(size)
        written = self.library.ggml_quantize_chunk(chunk.to_kind, floats, room, 0, chunk.rows, chunk.row, weights)
        if written != size or not self.library.ggml_validate_row_data(chunk.to_kind, room, size):
            raise BrokenError("it holds values that are too large for the type")
        self._write(memoryview(room), chunk.to_offset)
        return len(raw)

    def _floats(self, raw: bytes, kind: int, elements: int) -> Any:  # noqa: ANN401 - a pointer to what lives on
        if kind == F32:
            return c.create_string_buffer(raw, len(raw))
        room = c.create_string_buffer(elements * 4)
        convert = self.library.ggml_fp16_to_fp32_row if kind == F16 else self.library.ggml_bf16_to_fp32_row
        convert(raw, room, elements)
        return room

    def _weights(self, chunk: Chunk) -> Any:  # noqa: ANN401 - as above
        if chunk.importance is None:
            return None
        return c.create_string_buffer(os.pread(self.importance, chunk.row * 4, chunk.importance), chunk.row * 4)

    def _read(self, source: int, offset: int, size: int) -> bytes:
        parts = []
        while size:
            part = os.pread(self.sources[source], size, offset)
            if not part:
                raise BrokenError("the file became shorter while it was read")
            parts.append(part)
            offset += len(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _write(self, data: bytes | memoryview, offset: int) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self.output, view, offset)
            view, offset = view[written:], offset + written


def chunks(library: c.CDLL, step: list[Any]) -> Iterator[Chunk]:
    """The pieces of one tensor; none goes over the border between the matrices of a stack."""
    source, offset, kind, to_offset, to_kind, row, rows, slices, importance = step
    if kind == to_kind:
        size = library.ggml_row_size(kind, row) * rows * slices
        for start in range(0, size, COPY):
            yield Chunk(source, offset + start, kind, to_offset + start, kind, row, 0, None, min(COPY, size - start))
        return
    library.ggml_quantize_init(to_kind)  # builds tables once; not while threads use them
    width, to_width = row * WIDTH[kind], library.ggml_row_size(to_kind, row)
    most = max(BLOCK // row, 1)
    for number in range(slices):
        weights = None if importance is None else importance + number * row * 4
        for first in range(0, rows, most):
            here = number * rows + first
            count = min(most, rows - first)
            yield Chunk(
                *(source, offset + here * width, kind, to_offset + here * to_width, to_kind),
                *(row, count, weights, 0),
            )


def serve(quantizer: Quantizer, order: dict[str, Any]) -> None:
    """Do all steps, with twice as many chunks in flight as there are threads."""
    threads = order["threads"]
    done = 0
    with ThreadPoolExecutor(threads) as pool:
        flying: set[Future[int]] = set()
        for step in order["steps"]:
            for chunk in chunks(quantizer.library, step):
                if len(flying) >= 2 * threads:
                    landed, flying = wait(flying, return_when=FIRST_COMPLETED)
                    done += sum(each.result() for each in landed)
                    say({"done": done})
                flying.add(pool.submit(quantizer.run, chunk))
        done += sum(each.result() for each in flying)
    say({"done": done})
    say({"finished": True})


def say(reply: dict[str, object]) -> None:
    """Write one line."""
    sys.stdout.buffer.write(json.dumps(reply).encode() + b"\n")
    sys.stdout.buffer.flush()


def main(path: str) -> None:
    """Do the one order; *path* is the wheel's library."""
    die_with_parent()
    order = json.loads(sys.stdin.buffer.readline() or b"null")
    if order is None:
        return
    try:
        serve(Quantizer(open_library(path), order), order)
    except (BrokenError, AttributeError) as error:
        say({"failed": str(error)})
    except OSError as error:
        say({"failed": error.strerror or str(error)})
