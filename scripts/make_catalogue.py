"""Make src/aidx/data/catalogue.json from a table of model facts.

    uv run python scripts/make_catalogue.py FACTS.json

FACTS.json is the reviewed collection of hyper-parameters with their sources; what stands here beside it is
how each family spells them in GGUF, what people call the models, and which published files are known to the
byte. Run it again after either changes; the tests compare the result with published sizes.
"""

import json
import re
import sys
from math import prod
from pathlib import Path

import standings

from aidx.model import arch
from aidx.model.blueprint import present
from aidx.model.gguf.arrays import encode
from aidx.model.gguf.kinds import I32
from aidx.model.gguf.render import data_size, render
from aidx.model.quants.assign import assign

TARGET = Path(__file__).parents[1] / "src" / "aidx" / "data" / "catalogue.json"

OLLAMA = {
    "qwen2.5-coder-0.5b": ["qwen2.5-coder:0.5b"],
    "qwen2.5-coder-1.5b": ["qwen2.5-coder:1.5b"],
    "qwen2.5-coder-3b": ["qwen2.5-coder:3b"],
    "qwen2.5-coder-7b": ["qwen2.5-coder:7b", "qwen2.5-coder"],
    "qwen2.5-coder-14b": ["qwen2.5-coder:14b"],
    "qwen2.5-coder-32b": ["qwen2.5-coder:32b"],
    "qwen2.5-72b": ["qwen2.5:72b"],
    "qwen3-0.6b": ["qwen3:0.6b"],
    "qwen3-1.7b": ["qwen3:1.7b"],
    "qwen3-4b": ["qwen3:4b"],
    "qwen3-4b-2507": ["qwen3:4b-instruct-2507", "qwen3-4b-instruct-2507"],
    "qwen3-8b": ["qwen3:8b", "qwen3"],
    "qwen3-14b": ["qwen3:14b"],
    "qwen3-32b": ["qwen3:32b"],
    "qwen3-30b-a3b": ["qwen3:30b", "qwen3:30b-a3b"],
    "qwen3-coder-30b-a3b": ["qwen3-coder:30b", "qwen3-coder:30b-a3b", "qwen3-coder"],
    "qwen3-coder-next": ["qwen3-coder-next:80b"],
    "qwen3.5-0.8b": ["qwen3.5:0.8b"],
    "qwen3.5-4b": ["qwen3.5:4b"],
    "qwen3.5-9b": ["qwen3.5:9b", "qwen3.5"],
    "qwen3.5-27b": ["qwen3.5:27b"],
    "qwen3.5-35b-a3b": ["qwen3.5:35b", "qwen3.5:35b-a3b"],
    "qwen3.5-397b-a17b": ["qwen3.5:397b", "qwen3.5:397b-a17b"],
    "qwen3.6-27b": ["qwen3.6:27b"],
    "llama-3.2-1b": ["llama3.2:1b"],
    "llama-3.2-3b": ["llama3.2:3b", "llama3.2"],
    "llama-3.1-8b": ["llama3.1:8b", "llama3.1"],
    "llama-3.3-70b": ["llama3.3:70b", "llama3.3"],
    "ministral-3-3b": ["ministral-3:3b", "ministral:3b", "ministral"],  # the article's Micro
    "ministral-3-8b": ["ministral-3:8b", "ministral-3", "ministral:8b"],
    "ministral-3-14b": ["ministral-3:14b"],
    "devstral-small-2-24b": ["devstral-small-2:24b", "devstral-small-2"],
    "mistral-nemo-12b": ["mistral-nemo:12b", "mistral-nemo"],
    "codestral-22b": ["codestral:22b", "codestral"],
    "falcon3-10b": ["falcon3:10b"],
    "smollm3-3b": ["smollm3:3b", "smollm3"],
    "phi-3-mini-4k": ["phi3:3.8b", "phi3:mini", "phi3", "phi-3-mini", "phi3:3.8b-mini-4k"],
    "phi-3.5-mini": ["phi3.5:3.8b", "phi3.5", "phi3.5:3.8b-mini"],
    "phi-4-14b": ["phi4:14b", "phi4", "phi-4"],
    "phi-4-mini": ["phi4-mini:3.8b", "phi4-mini"],
    "gemma-2-9b": ["gemma2:9b", "gemma2"],
    "gemma-3-1b": ["gemma3:1b"],
    "gemma-3-4b": ["gemma3:4b", "gemma3"],
    "gemma-3-12b": ["gemma3:12b"],
    "gemma-3-27b": ["gemma3:27b"],
    "gemma-4-e2b": ["gemma4:e2b"],
    "gemma-4-e4b": ["gemma4:e4b", "gemma4"],
    "gemma-4-12b": ["gemma4:12b"],
    "gemma-4-31b": ["gemma4:31b"],
    "gemma-4-26b-a4b": ["gemma4:26b", "gemma4:26b-a4b"],
    "gpt-oss-20b": ["gpt-oss:20b", "gpt-oss"],
    "gpt-oss-120b": ["gpt-oss:120b"],
    "deepseek-coder-v2-lite": [],
    "deepseek-coder-v2-lite-2024": ["deepseek-coder-v2:16b", "deepseek-coder-v2"],
    "deepseek-v3.1": ["deepseek-v3.1:671b"],
    "glm-4.7-flash": ["glm-4.7-flash:30b"],
    "glm-4.5-air": ["glm-4.5-air:106b"],
}

# Files known to the byte: (quant, bytes, publisher). Each stands in the facts' sources.
FILES = {
    "qwen2.5-coder-0.5b": ("Q4_K_M", 397807424, "planner-codey"),
    "qwen2.5-coder-1.5b": ("Q4_K_M", 1117320768, "Qwen"),
    "qwen2.5-coder-3b": ("Q4_K_M", 2104932800, "Qwen"),
    "qwen2.5-coder-7b": ("Q4_K_M", 4683073536, "Qwen"),
    "qwen2.5-coder-14b": ("Q4_K_M", 8988110272, "Qwen"),
    "qwen2.5-coder-32b": ("Q4_K_M", 19851335872, "Qwen"),
    "qwen2.5-72b": ("Q4_K_M", 47415715488, "bartowski"),
    "qwen3-coder-30b-a3b": ("Q4_K_M", 18556688704, "Qwen3-Coder-30B-A3B GGUF"),
    "llama-3.2-1b": ("Q4_K_M", 807694464, "bartowski"),
    "llama-3.2-3b": ("Q4_K_M", 2019377376, "Ollama"),
    "llama-3.1-8b": ("Q4_K_M", 4920738944, "Ollama"),
    "llama-3.3-70b": ("Q4_K_M", 42520398816, "bartowski"),
    "mistral-nemo-12b": ("Q4_K_M", 7477208192, "bartowski"),
    "codestral-22b": ("Q4_K_M", 13341237600, "bartowski"),
    "falcon3-10b": ("Q4_K_M", 6287521472, "bartowski"),
    "phi-3.5-mini": ("Q4_K_M", 2393232672, "bartowski"),
    "phi-3-mini-4k": ("Q4_0", 2176181568, "gpt4all"),
    "phi-4-14b": ("Q4_K_M", 9053114816, "bartowski"),
    "gemma-2-9b": ("Q4_K_M", 5761057728, "lmstudio"),
    "gemma-3-1b": ("Q4_K_M", 806058496, "bartowski"),
    "gemma-3-4b": ("Q4_K_M", 2489758112, "bartowski"),
    "gemma-3-12b": ("Q4_K_M", 7300575264, "bartowski"),
    "gemma-3-27b": ("Q4_K_M", 16546404992, "bartowski"),
    "gpt-oss-20b": ("MXFP4_MOE", 12109565632, "lmstudio"),
    "deepseek-coder-v2-lite-2024": ("Q4_K_M", 10364416768, "bartowski"),
}
# Published with the rules of 2024 for fused and latent attention (their sizes show it).
LEGACY = {"phi-3.5-mini", "phi-3-mini-4k", "phi-4-14b", "deepseek-coder-v2-lite-2024"}
# The maker's own files hold an output projection although the config says that it is tied.
UNTIED = {"qwen2.5-coder-1.5b", "qwen2.5-coder-3b"}
NATIVE = {"gpt-oss-20b": "MXFP4_MOE", "gpt-oss-120b": "MXFP4_MOE"}

TOKENIZERS = (
    ("qwen2.5-", "qwen2"),
    ("qwen3.5", "qwen35"),
    ("qwen3.6", "qwen35"),
    ("qwen3", "qwen2"),
    ("llama-3", "llama3"),
    ("smollm3", "llama3"),
    ("ministral", "tekken"),
    ("devstral", "tekken"),
    ("mistral-nemo", "tekken"),
    ("phi-3", "llama2"),
    ("phi-4-mini", "gpt-4o"),
    ("phi-4", "dbrx"),
    ("gemma-2", "gemma2"),
    ("gemma-3", "gemma3"),
    ("gemma-4", "gemma4"),
    ("gpt-oss", "gpt-4o"),
    ("deepseek-coder-v2", "deepseek-llm"),
    ("deepseek-v3", "deepseek-v3"),
)


def dense(m):
    return {"feed_forward_length": m["ff"]}


def attention(m, *, lengths=True):
    keys = {"attention.head_count": m["heads"], "attention.head_count_kv": m["kv"]}
    if lengths:
        keys |= {"attention.key_length": m["hd"], "attention.value_length": m["hd"]}
    return keys


def experts(m):
    return {
        "expert_count": m["experts"],
        "expert_used_count": m["experts_used"],
        "expert_feed_forward_length": m["moe_ff"],
    }


def llama(m):
    return attention(m) | dense(m) | {"rope.dimension_count": m["hd"]}


def qwen2(m):
    return attention(m, lengths=False) | dense(m)


def qwen3(m):
    return attention(m) | dense(m)


def qwen3moe(m):
    return attention(m) | dense(m) | experts(m)


def gemma(m):
    return attention(m) | dense(m) | {"attention.sliding_window": m["swa_window"]}


def phi3(m):
    keys = attention(m, lengths=False) | dense(m)
    keys["rope.dimension_count"] = 96 if m["id"] == "phi-4-mini" else m["hd"]
    if m.get("longrope"):
        keys |= {"rope.scaling.original_context_length": 4096, "rope.scaling.attn_factor": 1.19}
    return keys


def gpt_oss(m):
    return attention(m) | experts(m) | {"feed_forward_length": m["moe_ff"], "attention.sliding_window": m["swa_window"]}


def deepseek2(m):
    latent = m["id"] not in LEGACY
    keys = dense(m) | experts(m)
    keys |= {
        "attention.head_count": m["heads"],
        "attention.kv_lora_rank": m["kv_lora"],
        "rope.dimension_count": m["rope"],
        "leading_dense_block_count": m["dense"],
        "expert_shared_count": m["shared_ff"] // m["moe_ff"],
        "expert_weights_scale": 1.0,
    }
    if latent:
        keys |= {
            "attention.head_count_kv": 1,
            "attention.key_length": m["kv_lora"] + m["rope"],
            "attention.value_length": m["kv_lora"],
            "attention.key_length_mla": m["nope"] + m["rope"],
            "attention.value_length_mla": m["v"],
        }
    else:
        keys |= {
            "attention.head_count_kv": m["heads"],
            "attention.key_length": m["nope"] + m["rope"],
            "attention.value_length": m["v"],
        }
    sigmoid = not m["id"].startswith("deepseek-coder-v2")
    keys |= {"expert_gating_func": 2 if sigmoid else 1, "expert_weights_norm": sigmoid}
    if m["q_lora"]:
        keys["attention.q_lora_rank"] = m["q_lora"]
    return keys


def delta(m):
    keys = attention(m) | {
        "rope.dimension_count": m["hd"] // 4,
        "full_attention_interval": m["full_attn_every"],
        "ssm.conv_kernel": m["conv"],
        "ssm.state_size": m["lin_kdim"],
        "ssm.group_count": m["lin_k"],
        "ssm.time_step_rank": m["lin_v"],
        "ssm.inner_size": m["lin_vdim"] * m["lin_v"],
    }
    if m["gguf_arch"] != "qwen3next":
        keys["rope.dimension_sections"] = [11, 11, 10, 0]
    if "experts" in m:
        return keys | experts(m) | {"expert_shared_feed_forward_length": m["shared_ff"]}
    return keys | dense(m)


def gemma4(m):
    full = [(il + 1) % m["swa_period"] == 0 for il in range(m["layers"])]
    shared = m.get("kv_shared_layers", 0)
    wide = [2 if m.get("double_wide_mlp") and il >= m["layers"] - shared else 1 for il in range(m["layers"])]
    keys = {
        "attention.head_count": m["heads"],
        "attention.head_count_kv": [m.get("global_kv", m["kv"]) if is_full else m["kv"] for is_full in full],
        "attention.key_length": m["global_hd"],
        "attention.value_length": m["global_hd"],
        "attention.key_length_swa": m["hd"],
        "attention.value_length_swa": m["hd"],
        "attention.sliding_window": m["swa_window"],
        "attention.sliding_window_pattern": [int(not is_full) for is_full in full],
        "attention.shared_kv_layers": shared,
        "rope.dimension_count": m["global_hd"],
        "rope.dimension_count_swa": m["hd"],
        "feed_forward_length": [m["ff"] * factor for factor in wide],
        "embedding_length_per_layer_input": m.get("ple", 0),
    }
    return keys | experts(m) if "experts" in m else keys


def glm4moe(m):
    return (
        attention(m)
        | dense(m)
        | experts(m)
        | {
            "rope.dimension_count": m["hd"] // 2,
            "leading_dense_block_count": m["dense"],
            "expert_shared_count": m["shared_ff"] // m["moe_ff"],
            "expert_gating_func": 2,
            "expert_weights_norm": True,
            "expert_weights_scale": 1.0,
            "nextn_predict_layers": 1,
        }
    )


SPELLING = {
    "llama": llama,
    "qwen2": qwen2,
    "qwen3": qwen3,
    "qwen3moe": qwen3moe,
    "gemma2": gemma,
    "gemma3": gemma,
    "phi3": phi3,
    "gpt-oss": gpt_oss,
    "deepseek2": deepseek2,
    "qwen3next": delta,
    "qwen35": delta,
    "qwen35moe": delta,
    "mistral3": llama,
    "smollm3": llama,
    "glm4moe": glm4moe,
    "gemma4": gemma4,
}
# Families whose list of tensors has no output projection at all: nothing to leave out.
ALWAYS_TIED = {"gemma2", "gemma3", "gemma4"}


def metadata(m):
    arch = m["gguf_arch"]
    own = {
        "block_count": m["layers"] + (1 if arch == "glm4moe" else 0),
        "context_length": m["context"],
        "embedding_length": m["d"],
        "vocab_size": m["vocab"],
        # The engine asks for it; no byte depends on it, and the facts do not hold it.
        "attention.layer_norm_rms_epsilon": 1e-6,
    } | SPELLING[arch](m)
    return {"general.architecture": arch} | {f"{arch}.{key}": value for key, value in own.items()}


def absent(m):
    left_out = []
    if m["tied"] and m["gguf_arch"] not in ALWAYS_TIED and m["id"] not in UNTIED:
        left_out.append("output.weight")
    if m["gguf_arch"] == "llama" and not m.get("rope_freqs"):
        left_out.append("rope_freqs.weight")
    if m["id"] == "glm-4.5-air":  # only the larger ones norm their heads
        left_out += ["attn_q_norm.weight", "attn_k_norm.weight"]
    return left_out


def without_numbers(text):
    """Numbers of a search index mean nothing to a reader: what was found there stays."""
    text = re.sub(r"code corpus (file )?ids? [\d, ]+", "a copy in a public repository ", text)
    return re.sub(r" (seen )?in id \d+", " in a copy in a public repository", text)


def entry(m):
    known = FILES.get(m["id"])
    made = {
        "id": m["id"],
        "hf_id": m["hf_id"],
        "aliases": OLLAMA[m["id"]],
        "metadata": metadata(m),
        "absent": absent(m),
        "legacy": m["id"] in LEGACY,
        "native": NATIVE.get(m["id"], "Q4_K_M"),
        "tokenizer": next((name for prefix, name in TOKENIZERS if m["id"].startswith(prefix)), m["id"]),
        "files": [dict(zip(("quant", "bytes", "publisher"), known, strict=True))] if known else [],
        "seen": m["seen"],
        "sources": [without_numbers(source) for source in m["sources"]],
    }
    if "note" in m:
        made["note"] = without_numbers(m["note"])
    return made


def as_published(m):
    """The lite model's files of 2024, which most people have: another layout, full heads in the cache."""
    note = "files from before April 2025 hold attn_kv_b and cache full heads; converted again they need a ninth"
    return m | {"id": f"{m['id']}-2024", "hf_id": "bartowski/DeepSeek-Coder-V2-Lite-Instruct-GGUF", "note": note}


def likes(entries):
    """Models whose network is that of another entry, with other weights."""
    known = {made["id"]: made for made in entries}
    for name, like, repository, names, context in standings.LIKE:
        base = known[like]
        keys = dict(base["metadata"])
        if context is not None:
            keys[f"{keys['general.architecture']}.context_length"] = context
        note = next(text for prefix, text in standings.LIKE_NOTES.items() if name.startswith(prefix))
        yield base | {
            "id": name,
            "hf_id": repository,
            "aliases": names,
            "metadata": keys,
            "native": standings.TRAINED.get(name, base["native"]),
            "files": [],
            "note": note.format(like=like),
            "like": like,
        }


def add_standing(entries):
    """Parameters, and what they and the maker's card make of a model."""
    for made in entries:
        made["parameters"] = sum(prod(blank.shape) for blank in blanks_of(made)[1])
        made["trained_in"] = standings.TRAINED.get(made["id"])
        made["standing"] = standings.standing(made["id"], made["parameters"])


def blanks_of(made):
    """The metadata of an entry as a file has them, and its tensors."""
    keys = {key: encode(I32, value) if isinstance(value, list) else value for key, value in made["metadata"].items()}
    family = arch.find(keys["general.architecture"])
    return keys, present(family.tensors(keys), frozenset(made["absent"]))


def add_metadata_bytes(entries):
    """What a published file leaves when tensors and their infos are taken away: metadata and tokenizer."""
    known = {}
    for made in entries:
        keys, blanks = blanks_of(made)
        for file in made["files"]:
            tensors = assign(blanks, file["quant"], keys, legacy=made["legacy"])
            made["metadata_bytes"] = file["bytes"] - data_size(tensors) - len(render({}, tensors))
            known[made["tokenizer"]] = max(known.get(made["tokenizer"], 0), made["metadata_bytes"])
    for made in entries:
        made.setdefault("metadata_bytes", known.get(made["tokenizer"]))


def main(facts):
    models = [m for m in json.loads(Path(facts).read_text("utf-8"))["models"] if m["gguf_arch"] in SPELLING]
    models += [as_published(m) for m in models if m["id"] == "deepseek-coder-v2-lite"]
    entries = [entry(m) for m in models]
    entries += likes(entries)
    add_metadata_bytes(entries)
    add_standing(entries)
    made = {"entries": entries, "clouds": standings.clouds()}
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(f"{len(entries)} models, {len(made['clouds'])} in the cloud, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main(sys.argv[1])
