"""Ask the pinned engine what models of each family take, and keep the answers as golden files.

    uv run python scripts/make_golden_arch.py [FAMILY …]

One file a family under tests/golden/arch: metadata, and the bytes that llama.cpp reports for a ghost of the
model on the CPU (weights at three file types, KV cache and state at 4,096 tokens). Linux on x86-64 only.
Models are the catalogue's, and those of scripts/arch_models, whose hyper-parameters are from the makers'
config.json: ``source`` names the repository on Hugging Face, ``billions`` the parameters published for it, and
keys under ``bare`` do not begin with the architecture's name.
Nothing of ours is written down as expected: a model that the engine refuses stops the script.
"""

import json
import sys
import tomllib
from pathlib import Path

from published_state import PUBLISHED

from aidx.adapters.catalogue import read_catalogue
from aidx.adapters.llama.prober import EngineProber
from aidx.budget.settings import Settings
from aidx.model import arch
from aidx.model.blueprint import present
from aidx.model.build import from_header
from aidx.model.gguf.arrays import encode, integers
from aidx.model.gguf.kinds import F32, I32, U64
from aidx.model.quants.assign import assign
from aidx.model.spec import Array, Header
from aidx.plan.probe import Probe, Probed

TARGET = Path(__file__).parents[1] / "tests" / "golden" / "arch"
MODELS = Path(__file__).parent / "arch_models"
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
# Tied models whose embedding this build counts once more as the output projection, on the CPU too.
REPEATED = {"gemma3n": ["token_embd.weight"], "gemma4": ["token_embd.weight"]}
# What this build loads of blocks that predict ahead, though it does not use it.
AHEAD = {
    "deepseek32": ["exp_probs_b.bias"],
    "glm_dsa": ["exp_probs_b.bias"],
    "step35": [
        *("attn_q_norm.weight", "attn_k_norm.weight", "attn_gate.weight"),
        *("ffn_gate.weight", "ffn_up.weight", "ffn_down.weight"),
        *("nextn.shared_head_norm.weight", "nextn.shared_head_head.weight"),
    ],
}
HASHED = ("ple.layer_multipliers", "ple.head_offsets", "ple.head_vocab_sizes")
SETTINGS = Settings(ctx_size=4096)


def samples(wanted):
    """Family and description of each model; only of *wanted* families, where some are given."""
    for architecture, model in (*catalogued(), *published(), *described()):
        if not wanted or file_of(architecture) in wanted:
            metadata = {key: typed(key, value) for key, value in model["metadata"].items()}
            yield file_of(architecture), {**model, "metadata": metadata}


def catalogued():
    """The chosen entries of the catalogue."""
    entries = {entry.id: entry for entry in read_catalogue()}
    for name in CHOSEN:
        entry = entries[name]
        about = {"name": name, "source": entry.hf_id, "absent": sorted(entry.absent)}
        yield entry.metadata["general.architecture"], {**about, "metadata": entry.metadata}


def published():
    """Models that keep a state."""
    for model in PUBLISHED:
        about = {"name": model.name, "source": model.source, "absent": sorted(model.absent)}
        yield model.architecture, {**about, "metadata": model.metadata}


def described():
    """Models that keep an attention cache."""
    for path in sorted(MODELS.glob("*.toml")):
        family = tomllib.loads(path.read_text("utf-8"))
        of = family["architecture"]
        for model in family["model"]:
            metadata = {"general.architecture": of, **dict(flat(model.pop("bare", {})))}
            metadata |= {f"{of}.{key}": value for key, value in flat(model["metadata"])}
            yield of, {"absent": [], **model, "metadata": metadata}


def file_of(architecture):
    """The name of a family's file."""
    return architecture.replace("-", "_")


def flat(table, prefix=""):
    """Keys with dots and values of nested tables."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def typed(key, value):
    """Lists as arrays of numbers; the engine insists on the width of what PLE hashes with."""
    if not isinstance(value, list):
        return value
    if key.endswith(HASHED):
        return encode(U64, value)
    return encode(F32 if any(isinstance(item, float) for item in value) else I32, value)


def ask(prober, model, quant):
    """Bytes of weights and of context, as the engine counts them."""
    metadata = model["metadata"]
    family = arch.find(metadata["general.architecture"])
    tensors = assign(present(family.tensors(metadata), frozenset(model["absent"])), quant, metadata)
    spec = from_header(Header(metadata, tensors, 0), name=model["name"], source="catalogue", file_bytes=0)
    answer = prober.ask(Probe(spec, SETTINGS))
    if not isinstance(answer, Probed):
        raise SystemExit(f"{model['name']} at {quant}: {answer.reason}")
    weights = sum(buffer.model for buffer in answer.buffers)
    return weights, sum(buffer.context for buffer in answer.buffers), answer.build


def measure(prober, model):
    """One model of a golden file."""
    answers = {quant: ask(prober, model, quant) for quant in ("F16", "Q4_K_M", "Q2_K")}
    plain = {key: list(integers(v)) if isinstance(v, Array) else v for key, v in model["metadata"].items()}
    return answers["F16"][2], {
        **{key: value for key, value in model.items() if key != "metadata"},
        "weights": {quant: weights for quant, (weights, _, _) in answers.items()},
        "context": answers["F16"][1],
        "metadata": plain,
    }


def main():
    """Write the files anew."""
    prober = EngineProber()
    found = {}
    for file, sample in samples(set(sys.argv[1:])):
        build, model = measure(prober, sample)
        origin = {"origin": f"{build}, asked with no_alloc on a CPU", "ctx_size": SETTINGS.ctx_size}
        counted = {"repeated": REPEATED.get(file, []), "ahead": AHEAD.get(file, [])}
        golden = found.setdefault(file, {**origin, **counted, "models": []})
        golden["models"].append(model)
    prober.close()
    TARGET.mkdir(parents=True, exist_ok=True)
    for file, golden in found.items():
        TARGET.joinpath(f"{file}.json").write_text(json.dumps(golden, indent=1) + "\n", "utf-8")
    print(f"{len(found)} families, {sum(len(golden['models']) for golden in found.values())} models")


if __name__ == "__main__":
    main()
