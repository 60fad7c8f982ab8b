"""Write tests/golden/quantize.json: what llama.cpp's own quantizer makes of aidx-tiny, as SHA-256 of whole files.

Usage: `python scripts/make_golden_quantize.py FOLDER ORIGIN`, where FOLDER holds `libllama*.so` and `libggml*.so` of a
llama.cpp release and ORIGIN says which; the npm package `@node-llama-cpp/linux-x64` 3.22.1 has them in
`bins/linux-x64` (the pinned wheel leaves `llama_model_quantize` out). A type that llama.cpp refuses is null. The
importance matrix is that of tests/fakes/cut.py; what llama-quantize says of it in the header is not made by the
library, so that only the data behind the header are compared.
"""

import ctypes as c
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from aidx.adapters.stores import shipped
from aidx.adapters.stores.file import read_header
from aidx.model.quants import FILE_TYPES

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from tests.fakes.cut import cut_model, importances  # noqa: E402 - the tests are no package of ours

PAGE = ROOT / "tests" / "golden" / "quantize.json"


class Params(c.Structure):
    """``struct llama_model_quantize_params``."""

    _fields_ = (
        *((name, c.c_int32) for name in ("nthread", "ftype", "output_tensor_type", "token_embedding_type")),
        *((name, c.c_bool) for name in ("allow_requantize", "quantize_output_tensor", "only_copy", "pure")),
        *((name, c.c_bool) for name in ("keep_split", "dry_run")),
        *((name, c.c_void_p) for name in ("imatrix", "kv_overrides", "tt_overrides", "prune_layers")),
        ("max_buf_size", c.c_size_t),
    )


class Entry(c.Structure):
    """``struct llama_model_imatrix_data``; a list of them ends with a null name."""

    _fields_ = (("name", c.c_char_p), ("data", c.POINTER(c.c_float)), ("size", c.c_size_t))


def library(folder: Path) -> c.CDLL:
    for name in ("libggml-base", "libggml."):
        base = c.CDLL(str(next(folder.glob(f"{name}*.so*"))), mode=c.RTLD_GLOBAL)
    base.ggml_backend_load_all_from_path(str(folder).encode())
    found = c.CDLL(str(next(folder.glob("libllama.*so*"))))
    found.llama_model_quantize_default_params.restype = Params
    found.llama_model_quantize.argtypes = [c.c_char_p, c.c_char_p, c.POINTER(Params)]
    found.llama_model_quantize.restype = c.c_uint32
    return found


def entries(path: Path) -> Iterator[Entry]:
    for name, weights in importances(path).items():
        yield Entry(name.encode(), (c.c_float * len(weights))(*weights), len(weights))
    yield Entry()


def main(folder: str, origin: str) -> None:
    llama = library(Path(folder))

    def made(source: Path, number: int, matrix: int | None, *, whole: bool) -> str | None:
        params = llama.llama_model_quantize_default_params()
        params.ftype, params.nthread, params.imatrix = number, 2, matrix
        with tempfile.TemporaryDirectory() as place:
            target = Path(place) / "made.gguf"
            if llama.llama_model_quantize(str(source).encode(), str(target).encode(), c.byref(params)):
                return None
            skipped = 0 if whole else read_header(str(target)).header.size
            return hashlib.sha256(target.read_bytes()[skipped:]).hexdigest()

    with tempfile.TemporaryDirectory() as place:
        cut = cut_model(Path(place))
        rows = list(entries(cut))
        matrix = c.addressof(array := (Entry * len(rows))(*rows))
        types = FILE_TYPES.items()
        golden = {
            "origin": origin,
            "aidx-tiny": {name: made(Path(shipped.path()), of.number, None, whole=True) for name, of in types},
            "cut": {name: made(cut, of.number, None, whole=True) for name, of in types},
            "cut, data with an importance matrix": {
                name: made(cut, of.number, matrix, whole=False) for name, of in types
            },
        }
        del array
    PAGE.write_text(json.dumps(golden, indent=1) + "\n", "utf-8")


main(*sys.argv[1:])
