"""vLLM: weights at their own type, all on one GPU, and a cache of pages.

Read at vllm-project/vllm (2026): ``v1/kv_cache_interface.py`` (bytes of a page), ``v1/core/kv_cache_utils.py`` (pages
of a cache), ``v1/core/block_pool.py`` (one page is kept empty), ``v1/worker/gpu_worker.py`` (what the profile run
leaves for the cache). A running vLLM 0.32.0 made as many tokens of the cache's bytes as planned, on a CPU; the rest was
held against what others logged: every entry is ``modelled``.
"""

from msgspec.structs import replace

from aidx.budget.allocate import Entries
from aidx.budget.ledger import Entry, Ledger
from aidx.budget.settings import Settings
from aidx.budget.sizes import gib
from aidx.errors import InputError
from aidx.model.metadata import find_int
from aidx.model.spec import Layer, ModelSpec
from aidx.plan.devices import Machine
from aidx.plan.engines._rules import Arithmetic, Rules, Settled
from aidx.plan.need import Need

BLOCK = 16  # tokens of a page; left out, it is the backend's (128 on a CPU): --block-size says it
WIDE = frozenset({"F32", "F16", "BF16"})  # served in 16 bits, whatever the file has
UTILIZATION = 0.9  # --gpu-memory-utilization
ACTIVATIONS = (3, 8)  # rows as wide as the feed-forward, and as the embedding, that are alive at once
LOGITS = 10  # f32 rows of the vocabulary a sequence while sampling; 256 of 152,064 took 1.4 GiB (vllm issue 13882)
MODELLED = (
    "vLLM is modelled, not asked; not modelled are its CUDA graphs (0.5 to 2.5 GiB have been seen; --enforce-eager "
    "has none), its processes on the host, and sliding windows (counted in full)"
)


def settle(model: ModelSpec, need: Need, machine: Machine) -> Settled:
    """*need* for vLLM; raises ``InputError`` for what it does not have or what is not modelled of it."""
    wrong, hint = _objection(model, need, machine)
    if wrong:
        raise InputError(f"vLLM {wrong}", hint=hint)
    fixed = replace(need, n_gpu_layers="all", n_cpu_moe=0, fast=True, flash_attn=True, kv_unified=True)
    return Settled(fixed, machine, (MODELLED,))


def _objection(model: ModelSpec, need: Need, machine: Machine) -> tuple[str, str]:
    if len(machine.gpus) != 1:
        count = "none" if not machine.gpus else str(len(machine.gpus))
        return f"is planned for one GPU, and here {count} is given", "Give one --vram, or name another --engine."
    if need.n_gpu_layers not in {"auto", "all", model.block_count + 1} or need.n_cpu_moe not in {"auto", 0}:
        return "keeps all layers on the GPU", "Leave --n-gpu-layers and --n-cpu-moe out."
    if not {need.cache_type_k, need.cache_type_v} <= {"f16", "bf16"}:
        return (
            f"has no {need.cache_type_k}/{need.cache_type_v} cache",
            "Plan f16; its fp8 cache takes half of that and is not planned.",
        )
    if model.layers is None:
        return f"is not modelled for architecture '{model.architecture}'", "Plan it for --engine embedded."
    if any(layer.conv_state or layer.recurrent_state for layer in model.layers):
        return (
            "pads the pages of models with a recurrent state, which is not modelled",
            "Plan it for --engine embedded.",
        )
    return "", ""


def arithmetic(model: ModelSpec, gpus: int) -> Arithmetic:
    """The entries of *model* on one GPU."""
    del gpus  # one, as settle has seen to

    def allocate(settings: Settings) -> Entries:
        return {"gpu0": (_weights(model), _cache(model, settings), _activations(model, settings))}

    return allocate


def _weights(model: ModelSpec) -> Entry:
    """Tensors, and the table of rotary positions for the whole training length (14.9888 GiB in vllm issue 10517)."""
    wide = model.quantization in WIDE
    size = sum(tensor.elements * 2 if wide else tensor.bytes for tensor in model.tensors)
    rotary = model.context_length * max((layer.key_dim for layer in model.layers or ()), default=0) * 2
    each = "2 B an element" if wide else f"their {model.quantization} bytes"
    why = f"{len(model.tensors)} tensors at {each}, embeddings included, and {rotary:,} B of rotary positions"
    return Entry("weights", size + rotary, why, "modelled")


def _cache(model: ModelSpec, settings: Settings) -> Entry:
    pages = settings.n_ctx // BLOCK + 1  # one is never handed out (the null block)
    page = sum(_page(layer) for layer in model.layers or ())
    return Entry("kv_cache", pages * page, f"{pages:,} pages of {BLOCK} tokens x {page:,} B", "modelled")


def _page(layer: Layer) -> int:
    return BLOCK * layer.kv_heads * (layer.key_dim + layer.value_dim) * 2


def _activations(model: ModelSpec, settings: Settings) -> Entry:
    """The profile run: a full batch through the widest block, then the logits of every sequence."""
    tokens, wide = settings.n_batch, _feed_forward(model)
    forward = tokens * 2 * (ACTIVATIONS[0] * wide + ACTIVATIONS[1] * model.embedding_length)
    logits = settings.parallel * model.vocab_size * 4 * LOGITS
    why = f"activations of {tokens:,} tokens at once, and {settings.parallel} x {model.vocab_size:,} logits"
    return Entry("compute", forward + logits, why, "modelled")


def _feed_forward(model: ModelSpec) -> int:
    """Outputs of the widest feed-forward that one token passes, all of its experts together."""
    used = find_int(model.header.metadata, "expert_used_count") or 1
    return max(
        (
            tensor.shape[1] * (used if "_exps" in tensor.name else 1)
            for tensor in model.tensors
            if ".ffn_up" in tensor.name and len(tensor.shape) > 1
        ),
        default=model.embedding_length,
    )


def remarks(ledger: Ledger, settings: Settings) -> tuple[str, ...]:
    """The flags under which vLLM takes what is planned, and what it would take without them."""
    gpu = ledger.accounts[0]
    flags = (
        f"--max-model-len {settings.n_ctx_seq} --max-num-seqs {settings.parallel} "
        f"--max-num-batched-tokens {settings.n_batch} --block-size {BLOCK} "
        f"--kv-cache-memory-bytes {gpu.sum('kv_cache')}"
    )
    whole = int(gpu.total * UTILIZATION)
    return (f"run it as vllm serve … {flags}; by default it takes {UTILIZATION:.0%} of the GPU, {gib(whole)}",)


RULES = Rules("vllm", weights="BF16", settle=settle, arithmetic=arithmetic, remarks=remarks)
