"""Ask the pinned engine what models of each family take, and keep the answers as golden files.

    uv run python scripts/make_golden_arch.py

One file a family under tests/golden/arch: metadata, and the bytes that llama.cpp reports for a ghost of the
model on the CPU (weights at two quantizations, KV cache and state at 4,096 tokens). Linux on x86-64 only.
Nothing of ours is written down as expected: a model that the engine refuses stops the script.
"""

import json
from pathlib import Path

from published_state import PUBLISHED

from aidx.adapters.catalogue import read_catalogue
from aidx.adapters.llama.prober import EngineProber
from aidx.budget.settings import Settings
from aidx.model import arch
from aidx.model.build import from_header, present
from aidx.model.gguf.arrays import encode, integers
from aidx.model.gguf.kinds import I32, U64
from aidx.model.quants import assign
from aidx.model.spec import Array, Header
from aidx.plan.probe import Probe, Probed

TARGET = Path(__file__).parents[1] / "tests" / "golden" / "arch"
CHOSEN = (
    "llama-3.2-1b",
    "codestral-22b",
    "qwen2.5-coder-0.5b",
    "qwen2.5-coder-14b",
    "qwen3-0.6b",
    "qwen3-30b-a3b",
    "qwen3-coder-next",
    "qwen3.5-0.8b",
    "qwen3.5-35b-a3b",
    "ministral-3-8b",
    "smollm3-3b",
    "phi-3.5-mini",
    "phi-4-14b",
    "gemma-2-9b",
    "gemma-3-12b",
    "gemma-4-e2b",
    "gemma-4-26b-a4b",
    "gpt-oss-20b",
    "deepseek-coder-v2-lite",
    "deepseek-coder-v2-lite-2024",
    "glm-4.7-flash",
    "glm-4.5-air",
)
# Not in the catalogue; hyper-parameters from the makers' config.json.
MIXTRAL = {
    "general.architecture": "llama",
    "llama.block_count": 32,
    "llama.context_length": 32768,
    "llama.embedding_length": 4096,
    "llama.feed_forward_length": 14336,
    "llama.vocab_size": 32000,
    "llama.attention.head_count": 32,
    "llama.attention.head_count_kv": 8,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
    "llama.rope.dimension_count": 128,
    "llama.expert_count": 8,
    "llama.expert_used_count": 2,
}
LFM2 = {
    "general.architecture": "lfm2",
    "lfm2.block_count": 16,
    "lfm2.context_length": 128000,
    "lfm2.embedding_length": 2048,
    "lfm2.feed_forward_length": 8192,
    "lfm2.vocab_size": 65536,
    "lfm2.attention.head_count": 32,
    "lfm2.attention.head_count_kv": [8 if il in (2, 5, 8, 10, 12, 14) else 0 for il in range(16)],
    "lfm2.attention.layer_norm_rms_epsilon": 1e-5,
    "lfm2.shortconv.l_cache": 3,
}
# Tied models whose embedding this build counts once more as the output projection, on the CPU too.
REPEATED = {"gemma4": ["token_embd.weight"]}
HASHED = ("ple.layer_multipliers", "ple.head_offsets", "ple.head_vocab_sizes")
SETTINGS = Settings(ctx_size=4096)


def samples():
    """Name, metadata, absent tensors and source of each model (a catalogue entry names its own)."""
    entries = {entry.id: entry for entry in read_catalogue()}
    yield from ((name, entries[name].metadata, sorted(entries[name].absent), "") for name in CHOSEN)
    yield "mixtral-8x7b", MIXTRAL, ["rope_freqs.weight"], ""
    yield "lfm2-1.2b", typed(LFM2), [], ""
    for model in PUBLISHED:
        yield model.name, typed(model.metadata), sorted(model.absent), model.source


def typed(metadata):
    """Lists as the arrays of a file; the engine insists on the width of what PLE hashes with."""
    return {
        key: encode(U64 if key.endswith(HASHED) else I32, value) if isinstance(value, list) else value
        for key, value in metadata.items()
    }


def ask(prober, name, metadata, absent, quant):
    """Bytes of weights and of context, as the engine counts them."""
    family = arch.find(metadata["general.architecture"])
    tensors = assign(present(family.tensors(metadata), frozenset(absent)), quant, metadata)
    model = from_header(Header(metadata, tensors, 0), name=name, source="catalogue", file_bytes=0)
    answer = prober.ask(Probe(model, SETTINGS))
    if not isinstance(answer, Probed):
        raise SystemExit(f"{name} at {quant}: {answer.reason}")
    weights = sum(buffer.model for buffer in answer.buffers)
    return weights, sum(buffer.context for buffer in answer.buffers), answer.build


def measure(prober, name, metadata, absent, source):
    """One model of a golden file."""
    answers = {quant: ask(prober, name, metadata, absent, quant) for quant in ("F16", "Q4_K_M", "Q2_K")}
    plain = {key: list(integers(v)) if isinstance(v, Array) else v for key, v in metadata.items()}
    return answers["F16"][2], {
        "name": name,
        **({"source": f"hyper-parameters of https://huggingface.co/{source}"} if source else {}),
        "absent": absent,
        "weights": {quant: weights for quant, (weights, _, _) in answers.items()},
        "context": answers["F16"][1],
        "metadata": plain,
    }


def main():
    """Write every file anew."""
    prober = EngineProber()
    found = {}
    for name, metadata, absent, source in samples():
        build, model = measure(prober, name, metadata, absent, source)
        file = metadata["general.architecture"].replace("-", "_")
        origin = {"origin": f"{build}, asked with no_alloc on a CPU", "ctx_size": SETTINGS.ctx_size}
        golden = found.setdefault(file, {**origin, "repeated": REPEATED.get(file, []), "models": []})
        golden["models"].append(model)
    prober.close()
    TARGET.mkdir(parents=True, exist_ok=True)
    for file, golden in found.items():
        TARGET.joinpath(f"{file}.json").write_text(json.dumps(golden, indent=1) + "\n", "utf-8")
    print(f"{len(found)} families, {sum(len(golden['models']) for golden in found.values())} models")


if __name__ == "__main__":
    main()
