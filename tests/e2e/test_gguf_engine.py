"""The engine itself says what its tensor types are and reads the headers that we write."""

import ctypes
import importlib.util
import re
from pathlib import Path

import pytest
from tests.gguf_files import SEEDS, Craft

from aidx.model.gguf.reader import NEED_DATA, Reader, keeps_every_array
from aidx.model.gguf.render import data_size, lay_out, render, render_header
from aidx.model.spec import Header
from aidx.model.tensor import BY_NUMBER, TYPES, Tensor

LOG = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


class InitParams(ctypes.Structure):
    """``struct gguf_init_params`` of ``gguf.h``."""

    _fields_ = (("no_alloc", ctypes.c_bool), ("ctx", ctypes.c_void_p))


class Engine:
    """The part of the engine's C interface that reads headers; *said* is what it logged."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.said: list[str] = []
        self._log = LOG(lambda _level, text, _data: self.said.append((text or b"").decode(errors="replace")))
        self._library = library
        for name, result, arguments in (
            ("gguf_init_from_file", ctypes.c_void_p, [ctypes.c_char_p, InitParams]),
            ("gguf_free", None, [ctypes.c_void_p]),
            ("gguf_get_n_kv", ctypes.c_int64, [ctypes.c_void_p]),
            ("gguf_get_key", ctypes.c_char_p, [ctypes.c_void_p, ctypes.c_int64]),
            ("gguf_get_kv_type", ctypes.c_int, [ctypes.c_void_p, ctypes.c_int64]),
            ("gguf_get_n_tensors", ctypes.c_int64, [ctypes.c_void_p]),
            ("gguf_get_tensor_name", ctypes.c_char_p, [ctypes.c_void_p, ctypes.c_int64]),
            ("gguf_get_tensor_offset", ctypes.c_size_t, [ctypes.c_void_p, ctypes.c_int64]),
            ("gguf_get_tensor_size", ctypes.c_size_t, [ctypes.c_void_p, ctypes.c_int64]),
            ("gguf_get_data_offset", ctypes.c_size_t, [ctypes.c_void_p]),
            ("ggml_blck_size", ctypes.c_int64, [ctypes.c_int]),
            ("ggml_type_size", ctypes.c_size_t, [ctypes.c_int]),
            ("ggml_type_name", ctypes.c_char_p, [ctypes.c_int]),
            ("ggml_log_set", None, [LOG, ctypes.c_void_p]),
        ):
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
        library.ggml_log_set(self._log, None)

    def __getattr__(self, name: str):
        return getattr(self._library, name)

    def close(self) -> None:
        self._library.ggml_log_set(ctypes.cast(None, LOG), None)

    def read(self, path: Path) -> dict | None:
        """What the engine sees in *path*; ``None`` when it refuses the file."""
        context = self.gguf_init_from_file(str(path).encode(), InitParams(no_alloc=True, ctx=None))
        if not context:
            return None
        try:
            pairs = range(self.gguf_get_n_kv(context))
            tensors = range(self.gguf_get_n_tensors(context))
            return {
                "kinds": {
                    self.gguf_get_key(context, index).decode(): self.gguf_get_kv_type(context, index) for index in pairs
                },
                "tensors": [
                    (
                        self.gguf_get_tensor_name(context, index).decode(),
                        self.gguf_get_tensor_offset(context, index),
                        self.gguf_get_tensor_size(context, index),
                    )
                    for index in tensors
                ],
                "data": self.gguf_get_data_offset(context),
            }
        finally:
            self.gguf_free(context)


@pytest.fixture
def engine():
    spec = importlib.util.find_spec("xllamacpp.xllamacpp")
    assert spec is not None
    assert spec.origin is not None
    one = Engine(ctypes.CDLL(spec.origin))
    yield one
    one.close()


def ours(raw: bytes) -> Header:
    reader = Reader(None, keep=keeps_every_array)
    reader.feed(raw)
    header = reader.next()
    assert header is not NEED_DATA
    return header


def seen(header: Header) -> dict:
    """*header* in the words of ``Engine.read``."""
    return {
        "kinds": {key: header.kinds.get(key, 9) for key in header.metadata},
        "tensors": [(tensor.name, tensor.offset, tensor.bytes) for tensor in header.tensors],
        "data": header.size,
    }


@pytest.mark.parametrize("kind", TYPES.values(), ids=list(TYPES))
def test_block_sizes_are_the_engines(engine, kind):
    assert engine.ggml_blck_size(kind.number) == kind.block
    assert engine.ggml_type_size(kind.number) == kind.size
    assert engine.ggml_type_name(kind.number).decode() == kind.name


def test_the_engine_has_no_other_types(engine, tmp_path):
    path = tmp_path / "type.gguf"
    path.write_bytes(Craft().tensor("t", (32,), 9999).file(128))
    assert engine.read(path) is None
    bounds = re.search(r"invalid ggml type 9999\. should be in \[0, (\d+)\)", "".join(engine.said))
    assert bounds is not None

    known = {number for number in range(int(bounds[1])) if engine.ggml_blck_size(number)}

    assert known == set(BY_NUMBER)


def test_block_sizes_are_those_of_the_gguf_package():
    from gguf.constants import GGML_QUANT_SIZES

    theirs = {int(number): sizes for number, sizes in GGML_QUANT_SIZES.items()}
    different = {
        BY_NUMBER[number].name: sizes
        for number, sizes in theirs.items()
        if sizes != (BY_NUMBER[number].block, BY_NUMBER[number].size)
    }

    assert len(theirs) >= 33
    # Its q8_1 still has the scale and sum in f32; the engine's (36 bytes, above) has them in f16.
    assert different == {"q8_1": (32, 40)}


@pytest.mark.parametrize("make", SEEDS)
def test_the_engine_reads_what_we_write(engine, tmp_path, make):
    header = ours(make())
    path = tmp_path / "written.gguf"
    path.write_bytes(render_header(header))

    assert engine.read(path) == seen(header)


def test_a_ghost_of_every_type(engine, tmp_path):
    """A complete header and a hole: the engine sees every tensor, the disk holds some kilobytes."""
    tensors = lay_out(Tensor(f"t.{name}", (kind.block * 5120, 4096), kind) for name, kind in TYPES.items())
    metadata = {"general.architecture": "llama", "llama.block_count": 48, "llama.rope.freq_base": 1e6}
    raw = render(metadata, tensors)
    path = tmp_path / "ghost.gguf"
    with path.open("wb") as file:
        file.write(raw)
        file.truncate(len(raw) + data_size(tensors))

    assert engine.read(path) == {
        "kinds": {"general.architecture": 8, "llama.block_count": 4, "llama.rope.freq_base": 6},
        "tensors": [(tensor.name, tensor.offset, tensor.bytes) for tensor in tensors],
        "data": len(raw),
    }
    assert path.stat().st_blocks * 512 < 1 << 20
