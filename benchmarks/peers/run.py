"""KV cache, weights and totals of well-known models: aidx and its peers against the engine's own allocation.

    python benchmarks/peers/run.py                    13 models x 3 contexts, each peer that installs
    python benchmarks/peers/run.py --models qwen3-8b gemma-3-12b --contexts 8192
    python benchmarks/peers/run.py --no-install       peers on PATH and in this environment only

Every model is a file: the real header of a Q4_K_M conversion, and a hole instead of weights. The truth is what the
pinned engine allocates on one CUDA-like device for it (f16 cache, one slot, batches of 512, flash attention, all layers
on the GPU), asked through ``no_alloc``; the driver's context, which no program can know, is in nobody's figure. Peers:

* aidx, closed forms alone (``--fast``): KV and state, and the total on the GPU
* hf-mem: weights and KV, its own parser on the same header (it reads the Hub only otherwise)
* xllamacpp's estimator (Ollama's arithmetic): the total on the GPU, from the same file
* llmfit: KV and total from its own catalogue, by the model's name; GB there are 2^30

A peer that refuses or fails has ``-``. The last table holds sizes of whole files, as aidx predicts them, against those
that publishers state. Seconds are medians of one run on this machine.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from aidx.adapters.catalogue import read_catalogue
from aidx.adapters.llama.prober import EngineProber
from aidx.budget.allocate import allocate
from aidx.budget.settings import Settings
from aidx.model.blueprint import from_catalogue
from aidx.model.catalogue import Entry
from aidx.model.gguf.kinds import STRING
from aidx.model.gguf.render import data_size, lay_out, render
from aidx.model.spec import Array, ModelSpec
from aidx.plan.probe import Probe, Probed

HERE = Path(__file__).parent
MODELS = (
    "qwen2.5-coder-14b qwen3-0.6b qwen3-8b qwen3-30b-a3b qwen3.5-9b llama-3.1-8b mistral-nemo-12b phi-4-14b "
    "gemma-2-9b gemma-3-12b gemma-4-e4b gpt-oss-20b deepseek-coder-v2-lite"
)
CONTEXTS = (4096, 8192, 32768)
GPU = (1 << 50,)
OUTSIDE = frozenset({"output", "prompt_cache", "checkpoints"})
PINS = {"hf-mem": "0.5.6", "llmfit": "1.1.17"}
PUBLISHED = HERE.parents[1] / "tests" / "golden" / "published.json"


@dataclass(frozen=True)
class Case:
    """One model at one context: a file, and what the engine allocates for it on the GPU."""

    entry: Entry
    model: ModelSpec
    ctx_size: int
    file: Path
    header: int
    kept: int
    total: int


@dataclass
class Said:
    """What one program says of one case, in bytes, and how long it took."""

    kv: int | None = None
    total: int | None = None
    seconds: float = 0.0
    error: str = ""


@dataclass
class Peer:
    """A program, by the name of its column."""

    name: str
    said: list[Said] = field(default_factory=list)


def cases(names: list[str], contexts: list[int], folder: Path) -> Iterator[Case]:
    """Files in *folder*, and the truth about each."""
    entries = {entry.id: entry for entry in read_catalogue()}
    prober = EngineProber(deadline_s=60)
    for name in names:
        model = from_catalogue(entries[name], "Q4_K_M")
        file = folder / f"{name}.gguf"
        header = _write(file, model)
        for ctx_size in contexts:
            settings = Settings(ctx_size=ctx_size, n_gpu_layers=model.block_count + 1)
            answer = prober.ask(Probe(model, settings, GPU))
            if not isinstance(answer, Probed):
                print(f"{name} at {ctx_size}: the engine says nothing: {answer.reason}", file=sys.stderr)
                continue
            gpu = [buffer for buffer in answer.buffers if buffer.device == "gpu0"]
            kept = sum(buffer.context for buffer in answer.buffers)
            total = sum(buffer.model + buffer.context + buffer.compute for buffer in gpu)
            yield Case(entries[name], model, ctx_size, file, header, kept, total)
    prober.close()


def _write(file: Path, model: ModelSpec) -> int:
    """The header of *model* with a vocabulary of empty tokens, and a hole; the header's size."""
    tokens = Array(STRING, model.vocab_size, bytes(8) * model.vocab_size)
    tensors = lay_out(model.tensors)
    header = render({**model.header.metadata, "tokenizer.ggml.tokens": tokens}, tensors, kinds=model.header.kinds)
    with file.open("wb") as out:
        out.write(header)
        out.truncate(len(header) + data_size(tensors))
    return len(header)


def ours(case: Case) -> Said:
    """The closed forms alone."""
    begun = time.perf_counter()
    settings = Settings(ctx_size=case.ctx_size, n_gpu_layers=case.model.block_count + 1)
    devices = allocate(case.model, settings, gpus=1)
    seconds = time.perf_counter() - begun
    every = [entry for entries in devices.values() for entry in entries]
    kv = sum(entry.bytes for entry in every if entry.what in {"kv_cache", "recurrent_state"})
    total = sum(entry.bytes for entry in devices["gpu0"] if entry.what not in OUTSIDE)
    return Said(kv, total, seconds)


def asked(python: str, script: str, found: list[Case]) -> list[Said]:
    """The answers of a peer's *script*, which runs in the environment of *python*."""
    questions = "".join(
        json.dumps({"file": str(case.file), "ctx_size": case.ctx_size, "header": case.header}) + "\n" for case in found
    )
    ran = subprocess.run(
        [python, str(HERE / script)], input=questions, capture_output=True, text=True, check=False, timeout=1800
    )
    lines = ran.stdout.splitlines()
    if len(lines) != len(found):
        return [Said(error=ran.stderr.strip().splitlines()[-1][:200] if ran.stderr.strip() else "no answer")] * len(
            found
        )
    return [_said(json.loads(line)) for line in lines]


def _said(answer: dict[str, int | float | str | None]) -> Said:
    if "error" in answer:
        return Said(error=str(answer["error"]))
    kv, weights, total = answer.get("kv"), answer.get("weights"), answer.get("total")
    if total is None and kv is not None and weights is not None:
        total = int(weights) + int(kv)
    return Said(None if kv is None else int(kv), None if total is None else int(total), float(answer["seconds"] or 0))


def llmfit(program: str, case: Case) -> Said:
    """What llmfit's catalogue says of the model."""
    command = [program, "--json", "--memory", "80G", "plan", case.entry.hf_id, "--context", str(case.ctx_size)]
    begun = time.perf_counter()
    ran = subprocess.run([*command, "--quant", "Q4_K_M"], capture_output=True, text=True, check=False, timeout=60)
    seconds = time.perf_counter() - begun
    try:
        found = json.loads(ran.stdout)
    except ValueError:
        return Said(error=(ran.stderr.strip().splitlines() or ["no answer"])[-1][:200])
    kv = next(each["kv_cache_gb"] for each in found["kv_alternatives"] if each["kv_quant"] == "fp16")
    return Said(round(kv * 2**30), round(found["minimum"]["vram_gb"] * 2**30), seconds)


def installed(name: str, folder: Path, *, install: bool) -> Path | None:
    """The folder of programs in which peer *name* is; one of its own is made where that is wished for."""
    found = shutil.which(name)
    if found is not None:
        return Path(found).resolve().parent
    uv = shutil.which("uv")
    if not install or uv is None:
        return None
    home = folder / name
    for command in (
        [uv, "venv", "--quiet", str(home)],
        [uv, "pip", "install", "--quiet", "--python", str(home / "bin" / "python"), f"{name}=={PINS[name]}"],
    ):
        if subprocess.run(command, check=False).returncode:
            return None
    return home / "bin"


def error(said: int | None, truth: int) -> str:
    """How far *said* lies from *truth*."""
    if said is None:
        return "-"
    return "0" if said == truth else f"{(said - truth) / truth:+.1%}"


def table(found: list[Case], peers: list[Peer]) -> None:
    """Print both halves, one line a case."""
    with_kv = [peer for peer in peers if any(said.kv is not None for said in peer.said)]
    head = " ".join(f"{peer.name:>9}" for peer in with_kv), " ".join(f"{peer.name:>9}" for peer in peers)
    print(f"{'':31} {'KV + state against the engine':<{11 + len(head[0])}}   total on the GPU against the engine")
    print(f"{'model':24} {'n_ctx':>6} {'MiB':>10} {head[0]}   {'MiB':>10} {head[1]}")
    for number, case in enumerate(found):
        kv = " ".join(f"{error(peer.said[number].kv, case.kept):>9}" for peer in with_kv)
        total = " ".join(f"{error(peer.said[number].total, case.total):>9}" for peer in peers)
        sizes = f"{case.kept / 2**20:10.1f}", f"{case.total / 2**20:10.1f}"
        print(f"{case.entry.id:24} {case.ctx_size:6} {sizes[0]} {kv}   {sizes[1]} {total}")
    for peer in peers:
        wrong = [
            abs(said.total - case.total) / case.total
            for case, said in zip(found, peer.said, strict=True)
            if said.total is not None
        ]
        under = sum(
            said.total < case.total for case, said in zip(found, peer.said, strict=True) if said.total is not None
        )
        took = [said.seconds for said in peer.said if not said.error]
        if wrong:
            print(
                f"{peer.name}: {len(wrong)} of {len(found)} answered; total off by {statistics.median(wrong):.2%} "
                f"(median), {max(wrong):.2%} at worst, under in {under}; {1000 * statistics.median(took):.1f} ms each"
            )
        for reason in sorted({said.error for said in peer.said if said.error}):
            print(f"{peer.name}: no answer to {sum(said.error == reason for said in peer.said)}: {reason}")


def published() -> None:
    """Whole files beside what their publishers state.

    What a file has beside tensors and their table depends on its tokenizer alone, but for names and templates of some
    hundred bytes. It is taken from another file with the same tokenizer, never from the file itself; a tokenizer that
    one file alone has proves nothing and is left out.
    """
    entries = {entry.id: entry for entry in read_catalogue()}
    files = json.loads(PUBLISHED.read_text("utf-8"))["files"]
    tensors = {}
    for file in files:
        model = from_catalogue(entries[file["model"]], file["quant"])
        tensors[file["model"]] = data_size(model.tensors) + len(render({}, lay_out(model.tensors)))
    print(f"\n{'file':27} {'type':9} {'published':>15} {'predicted':>15} difference, and whose tokenizer")
    for number, file in enumerate(files):
        others = [other for other in (*files[number + 1 :], *files[:number]) if other["tokenizer"] == file["tokenizer"]]
        if not others:
            continue
        predicted = tensors[file["model"]] + others[0]["bytes"] - tensors[others[0]["model"]]
        apart = predicted - file["bytes"]
        print(
            f"{file['model']:27} {file['quant']:9} {file['bytes']:15,} {predicted:15,} {apart:+7,} B "
            f"({apart / file['bytes']:+.4%}), {others[0]['model']}"
        )


def main() -> None:
    """Ask everybody and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS.split())
    parser.add_argument("--contexts", nargs="+", type=int, default=list(CONTEXTS))
    parser.add_argument("--no-install", action="store_true")
    wish = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = list(cases(wish.models, wish.contexts, folder))
        peers = [Peer("aidx", [ours(case) for case in found])]
        if (home := installed("hf-mem", folder, install=not wish.no_install)) is not None:
            peers.append(Peer("hf-mem", asked(str(home / "python"), "hf_mem_file.py", found)))
        if (home := installed("llmfit", folder, install=not wish.no_install)) is not None:
            peers.append(Peer("llmfit", [llmfit(str(home / "llmfit"), case) for case in found]))
        peers.append(Peer("xllamacpp", asked(sys.executable, "estimator_file.py", found)))
        table(found, peers)
    published()


if __name__ == "__main__":
    main()
