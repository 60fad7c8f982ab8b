"""Seconds and peak memory of quantizing, beside llama.cpp's own quantizer, and whether the files are the same bytes.

Usage: `python benchmarks/quantize.py [--peer FOLDER] [--threads N] [--blocks N] [TYPE …]`. FOLDER holds `libllama*.so`
and `libggml*.so` of a llama.cpp release, for instance `bins/linux-x64` of the npm package `@node-llama-cpp/linux-x64`
3.22.1; without it only ours is measured. The source is a synthetic F16 model of *N* wide blocks (76 MB each). Peak is
the largest resident memory of a process tree, sampled every 20 ms; what is mapped from the source counts, as it does
for the system.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from aidx.model.gguf.render import lay_out, render
from aidx.model.quants import find
from aidx.model.tensor import TYPES, Tensor

WIDTH, HIDDEN = 2048, 5632
PEER = """
import ctypes as c, sys
from pathlib import Path
sys.argv, (folder, source, target, number, threads) = sys.argv[:1], sys.argv[1:]
folder = Path(folder)
for name in ("libggml-base", "libggml."):
    base = c.CDLL(str(next(folder.glob(f"{name}*.so*"))), mode=c.RTLD_GLOBAL)
base.ggml_backend_load_all_from_path(str(folder).encode())
llama = c.CDLL(str(next(folder.glob("libllama.*so*"))))
class Params(c.Structure):
    _fields_ = (
        *((name, c.c_int32) for name in ("nthread", "ftype", "output", "embedding")),
        *((f"flag{number}", c.c_bool) for number in range(6)),
        *((f"pointer{number}", c.c_void_p) for number in range(4)),
        ("most", c.c_size_t),
    )
llama.llama_model_quantize_default_params.restype = Params
params = llama.llama_model_quantize_default_params()
params.nthread, params.ftype = int(threads), int(number)
sys.exit(llama.llama_model_quantize(source.encode(), target.encode(), c.byref(params)))
"""


def model(place: Path, blocks: int) -> Path:
    """A file of random weights with the tensors of a Llama."""
    shapes = {"attn_q": (WIDTH, WIDTH), "attn_k": (WIDTH, WIDTH // 4), "attn_v": (WIDTH, WIDTH // 4)}
    shapes |= {"attn_output": (WIDTH, WIDTH), "ffn_gate": (WIDTH, HIDDEN), "ffn_up": (WIDTH, HIDDEN)}
    shapes |= {"ffn_down": (HIDDEN, WIDTH)}
    names = [("token_embd.weight", (WIDTH, 8192)), ("output.weight", (WIDTH, 8192))]
    names += [(f"blk.{block}.{part}.weight", shape) for block in range(blocks) for part, shape in shapes.items()]
    tensors = lay_out(Tensor(name, shape, TYPES["f16"]) for name, shape in names)
    counts = {"block_count": blocks, "context_length": 2048, "embedding_length": WIDTH, "feed_forward_length": HIDDEN}
    counts |= {"attention.head_count": 32, "attention.head_count_kv": 8, "vocab_size": 8192}
    metadata = {"general.architecture": "llama", **{f"llama.{key}": value for key, value in counts.items()}}
    metadata["llama.attention.layer_norm_rms_epsilon"] = 1e-5
    target, dice = place / "source.gguf", np.random.default_rng(1)
    with target.open("wb") as file:
        file.write(render(metadata, tensors))
        for tensor in tensors:
            file.write((dice.standard_normal(tensor.elements, dtype=np.float32) * 0.02).astype(np.float16).tobytes())
    return target


def measured(argv: list[str]) -> tuple[float, float]:
    """Seconds, and MiB of the whole tree at its peak."""
    began, peak = time.monotonic(), 0
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            try:
                root = psutil.Process(process.pid)
                peak = max(peak, sum(each.memory_info().rss for each in (root, *root.children(recursive=True))))
            except psutil.Error:
                pass
            time.sleep(0.02)
        seconds = time.monotonic() - began
    if process.returncode:
        raise SystemExit(f"exit {process.returncode}: {' '.join(argv[-6:])}")
    return seconds, peak / (1 << 20)


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("types", nargs="*", default=["Q8_0", "Q4_0", "Q4_K_M"])
    parser.add_argument("--peer")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--blocks", type=int, default=4)
    wanted = parser.parse_args()
    print("| type | ours s | ours MiB | llama.cpp s | llama.cpp MiB | same bytes |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        source = model(Path(place), wanted.blocks)
        print(f"source: {source.stat().st_size:,} bytes, {wanted.threads} threads", file=sys.stderr)
        for kind in wanted.types:
            mine, theirs = Path(place) / "mine.gguf", Path(place) / "theirs.gguf"
            ours = [sys.executable, "-m", "aidx", "quantize", str(source), str(mine), "--to", kind, "--force"]
            seconds, mib = measured([*ours, "--threads", str(wanted.threads)])
            row = f"| {kind} | {seconds:.1f} | {mib:.0f} |"
            if wanted.peer:
                number, threads = str(find(kind).number), str(wanted.threads)
                argv = [sys.executable, "-c", PEER, wanted.peer, str(source), str(theirs), number, threads]
                seconds, mib = measured(argv)
                row += f" {seconds:.1f} | {mib:.0f} | {'yes' if digest(mine) == digest(theirs) else 'NO'} |"
            print(row, flush=True)


main()
