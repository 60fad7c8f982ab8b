"""How long and how much memory a large header takes, beside ``gguf.GGUFReader``; mutated headers.

    python benchmarks/header.py                        a header of Qwen2.5-Coder-14B's shape, both readers
    python benchmarks/header.py --mutations 3000000    escapes of our reader among mutated headers

Each reader runs in a process of its own: milliseconds are those of one read (best and median of several,
and the first one, imports not counted), RSS is the peak of the whole process.
"""

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests import gguf_files

TOKENS, MERGES, LAYERS = 152_064, 151_387, 48
EMBEDDING, FEED_FORWARD, KV_DIMENSION = 5_120, 13_824, 1_024
LARGEST_MS, LARGEST_MIB = 60, 32


def peak_mib() -> float:
    """Peak RSS of this process. Not ``ru_maxrss`` where it can be helped: that begins with the parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def large_header() -> tuple[bytes, int]:
    """Return a header like that of Qwen2.5-Coder-14B at Q4_K_M, and how many bytes of data follow."""
    dice = random.Random(14)
    letters = "abcdefghijklmnopqrstuvwxyzĠĠĠĠ_.()"
    words = ["".join(dice.choices(letters, k=max(1, round(dice.gauss(6, 2.4))))) for _ in range(TOKENS)]
    pairs = [f"{dice.choice(words)[:4]} {dice.choice(words)[:4]}" for _ in range(MERGES)]
    craft = gguf_files.Craft().pair("general.architecture", gguf_files.STRING, "qwen2")
    craft.pair("general.name", gguf_files.STRING, "Qwen2.5 Coder 14B Instruct")
    numbers = {"block_count": LAYERS, "context_length": 32_768, "embedding_length": EMBEDDING}
    numbers |= {"feed_forward_length": FEED_FORWARD, "attention.head_count": 40, "attention.head_count_kv": 8}
    for key, value in numbers.items():
        craft.pair(f"qwen2.{key}", gguf_files.U32, value)
    craft.pair("qwen2.rope.freq_base", gguf_files.F32, 1e6)
    craft.pair("tokenizer.ggml.model", gguf_files.STRING, "gpt2")
    craft.array("tokenizer.ggml.tokens", gguf_files.STRING, words)
    craft.array("tokenizer.ggml.scores", gguf_files.F32, [0.0] * TOKENS)
    craft.array("tokenizer.ggml.token_type", gguf_files.I32, [1] * TOKENS)
    craft.array("tokenizer.ggml.merges", gguf_files.STRING, pairs)
    craft.pair("tokenizer.chat_template", gguf_files.STRING, "{% for message in messages %}" * 90)
    offset = 0
    for name, shape, kind in _tensors():
        craft.tensor(name, shape, kind, offset)
        elements = shape[0] * (shape[1] if len(shape) > 1 else 1)
        size = {gguf_files.F32_TYPE: elements * 4, gguf_files.Q4_K_TYPE: elements // 256 * 144}[kind]
        offset += -(-size // 32) * 32
    return craft.file(), offset


def _tensors() -> list[tuple[str, tuple[int, ...], int]]:
    wide, small = gguf_files.Q4_K_TYPE, gguf_files.F32_TYPE
    rows: list[tuple[str, tuple[int, ...], int]] = [
        ("token_embd.weight", (EMBEDDING, TOKENS), wide),
        ("output_norm.weight", (EMBEDDING,), small),
        ("output.weight", (EMBEDDING, TOKENS), wide),
    ]
    block: dict[str, tuple[tuple[int, ...], int]] = {
        "attn_norm.weight": ((EMBEDDING,), small),
        "attn_q.weight": ((EMBEDDING, EMBEDDING), wide),
        "attn_q.bias": ((EMBEDDING,), small),
        "attn_k.weight": ((EMBEDDING, KV_DIMENSION), wide),
        "attn_k.bias": ((KV_DIMENSION,), small),
        "attn_v.weight": ((EMBEDDING, KV_DIMENSION), wide),
        "attn_v.bias": ((KV_DIMENSION,), small),
        "attn_output.weight": ((EMBEDDING, EMBEDDING), wide),
        "ffn_norm.weight": ((EMBEDDING,), small),
        "ffn_gate.weight": ((EMBEDDING, FEED_FORWARD), wide),
        "ffn_up.weight": ((EMBEDDING, FEED_FORWARD), wide),
        "ffn_down.weight": ((FEED_FORWARD, EMBEDDING), wide),
    }
    for layer in range(LAYERS):
        rows += [(f"blk.{layer}.{name}", shape, kind) for name, (shape, kind) in block.items()]
    return rows


def read_with_aidx(path: str) -> Callable[[], int]:
    """Return a function that reads *path* once and says how many tensors it saw."""
    from aidx.adapters.stores.file import read_header  # noqa: PLC0415 - a child imports one of the two only

    return lambda: len(read_header(path).header.tensors)


def read_with_gguf(path: str) -> Callable[[], int]:
    """Return a function that reads *path* once and says how many tensors it saw."""
    from gguf import GGUFReader  # noqa: PLC0415 - a child imports one of the two only

    return lambda: len(GGUFReader(path).tensors)


READERS = {"aidx": (read_with_aidx, 15), "gguf.GGUFReader": (read_with_gguf, 1)}


def child(name: str, path: str) -> None:
    """Time one reader; prints a line of JSON."""
    make, runs = READERS[name]
    read = make(path)
    times = []
    tensors = 0
    for _ in range(runs):
        start = time.perf_counter()
        tensors = read()
        times.append((time.perf_counter() - start) * 1e3)
    peak = peak_mib()
    middle = statistics.median(times)
    print(json.dumps({"first": times[0], "best": min(times), "median": middle, "rss": peak, "tensors": tensors}))


def compare() -> bool:
    """Print both readers on the same file; says whether ours keeps its limits."""
    raw, data = large_header()
    kept = True
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.gguf"
        with path.open("wb") as file:
            file.write(raw)
            file.truncate(len(raw) + data)
        print(f"header {len(raw):,} bytes: {TOKENS:,} tokens, {MERGES:,} merges, {len(_tensors())} tensors")
        print(f"{'reader':<16} {'first ms':>9} {'best ms':>9} {'median ms':>10} {'peak RSS MiB':>13}")
        for name in READERS:
            argv = [sys.executable, __file__, "--child", name, "--path", str(path)]
            seen = json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
            assert seen["tensors"] == len(_tensors()), f"{name} saw {seen['tensors']} tensors"
            print(f"{name:<16} {seen['first']:9.1f} {seen['best']:9.1f} {seen['median']:10.1f} {seen['rss']:13.1f}")
            if name == "aidx":
                kept = seen["median"] <= LARGEST_MS and seen["rss"] <= LARGEST_MIB
    print(f"limits: median {LARGEST_MS} ms, {LARGEST_MIB} MiB: {'kept' if kept else 'BROKEN'}")
    return kept


def mutate(count: int, seed: int) -> bool:
    """Feed *count* mutated headers to our reader; says whether nothing but its own answers came out."""
    from aidx.errors import HeaderError  # noqa: PLC0415 - not where gguf is measured
    from aidx.model.gguf.reader import NEED_DATA, Reader  # noqa: PLC0415

    dice = random.Random(seed)
    seeds = [(raw, _header_bytes(raw)) for raw in (make() for make in gguf_files.SEEDS)]
    answers: Counter[str] = Counter()
    slowest = 0.0
    start = time.process_time()
    for number in range(count):
        raw = gguf_files.mutated(*seeds[number % len(seeds)], dice)
        began = time.process_time()
        reader = Reader(len(raw) if number % 3 else None)
        reader.feed(raw)
        try:
            answers["need data" if reader.next() is NEED_DATA else "header"] += 1
        except HeaderError:
            answers["refused"] += 1
        except Exception as error:  # noqa: BLE001 - an escape is what is looked for
            answers["ESCAPES"] += 1
            print(f"escape {type(error).__name__}: {error}: {raw.hex()}")
        slowest = max(slowest, time.process_time() - began)
    seconds = time.process_time() - start
    peak = peak_mib()
    rest = ", ".join(f"{name} {answers[name]:,}" for name in ("header", "need data", "refused", "ESCAPES"))
    print(f"{count:,} mutated headers (seed {seed}): {rest}")
    print(f"{seconds:.0f} CPU s, {count / seconds:,.0f}/s, slowest {slowest * 1e3:.1f} ms, RSS {peak:.1f} MiB")
    return not answers["ESCAPES"]


def _header_bytes(raw: bytes) -> int:
    from aidx.model.gguf.reader import NEED_DATA, Reader  # noqa: PLC0415 - not where gguf is measured

    reader = Reader(len(raw))
    reader.feed(raw)
    header = reader.next()
    assert header is not NEED_DATA
    return header.size


def main() -> int:
    """Parse the command line and run what it asks for."""
    parser = argparse.ArgumentParser(description="Time the GGUF header reader, or feed it mutated headers.")
    parser.add_argument("--mutations", type=int, metavar="N", help="run N mutated headers instead")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--child", choices=READERS, help=argparse.SUPPRESS)
    parser.add_argument("--path", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.path)
        return 0
    kept = mutate(options.mutations, options.seed) if options.mutations else compare()
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
