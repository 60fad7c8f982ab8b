"""Plans written by hand: the figures are the article's 12 GB card with Qwen2.5-Coder-14B Q4_K_M."""

from msgspec.structs import replace

from aidx.budget.growth import Growth
from aidx.budget.ledger import Account, Entry, Ledger
from aidx.budget.loss import Loss
from aidx.budget.settings import Settings
from aidx.model.spec import Header, ModelSpec
from aidx.model.tensor import TYPES, Tensor
from aidx.plan.result import Alternative, Plan, RolePlan

MIB = 1 << 20
GIB = 1 << 30


def gpu() -> Account:
    """The card, with the weights that go there."""
    return Account(
        "gpu0",
        "gpu",
        12 * GIB,
        (
            Entry("weights", 8_544_198_656, "48 layers and the output layer", "exact"),
            Entry("kv_cache", 1536 * MIB, "48 layers x 8,192 cells x 8 heads x (128 + 128) x 2 bytes", "exact"),
            Entry("compute", 135_280_768, "asked of llama.cpp b11549", "engine"),
            Entry("driver", 512 * MIB, "CUDA context, aidx's default", "assumed"),
        ),
    )


def host() -> Account:
    """The host beside it, in use by others too."""
    return Account(
        "host",
        "host",
        16 * GIB,
        (
            Entry("weights", 437_944_320, "token embeddings", "exact"),
            Entry("engine_process", 160 * MIB, "an idle engine process", "assumed"),
            Entry("desktop", 3 * GIB, "in use by other processes", "measured"),
        ),
    )


def role() -> RolePlan:
    """The model in no role in particular."""
    return RolePlan(
        role=None,
        model=ModelSpec(
            name="qwen2.5-coder-14b",
            source="catalogue",
            architecture="qwen2",
            quantization="Q4_K_M",
            header=Header({}, (Tensor("token_embd.weight", (5120, 152064), TYPES["q4_K"]),), 0),
            layers=(),
            block_count=48,
            context_length=32768,
            embedding_length=5120,
            vocab_size=152064,
            file_bytes=8_988_110_272,
        ),
        engine="embedded",
        settings=Settings(ctx_size=8192, n_gpu_layers=49),
        max_ctx_size=17664,
        growth=Growth(196_608, 0, 600, 14, 30),
        loss=Loss(0.002, 0.03, "good", "published"),
    )


def fitting() -> Plan:
    """A plan that fits."""
    return Plan(
        roles=(role(),),
        ledger=Ledger((gpu(), host())),
        verdict="fits",
        binding="gpu0: 1.92 GiB left; weights takes 7.96 GiB of 12.00 GiB usable",
        alternatives=(
            Alternative("--cache-type-k q8_0 --cache-type-v q8_0", 754_974_720, 32768, "KLD about 0.00003 more"),
        ),
        plan_hash="0123456789abcdef",
    )


def too_big() -> Plan:
    """The same with 6 GiB of cache: 2.58 GiB over, and something to read first."""
    card = gpu()
    entries = tuple(replace(entry, bytes=6 * GIB) if entry.what == "kv_cache" else entry for entry in card.entries)
    ledger = Ledger((replace(card, entries=entries), host()))
    return replace(fitting(), ledger=ledger, verdict="does_not_fit", notes=("Read me.",))


def small(cells: int = 1024) -> Plan:
    """A little model on the host alone."""
    entries = (
        Entry("weights", 12 * MIB, "all tensors", "exact"),
        Entry("kv_cache", 6 * MIB, "6 layers x 1,024 tokens", "exact"),
        Entry("compute", 9 * MIB + 5_000, "asked of llama.cpp b11549", "engine"),
        Entry("output", 8192, "2,048 logits", "exact"),
        Entry("engine_process", 128 * MIB, "an idle engine process", "assumed"),
    )
    whole = role()
    model = replace(whole.model, name="little", quantization="F16", path="little.gguf", block_count=6)
    planned = replace(whole, model=model, settings=Settings(ctx_size=cells), max_ctx_size=cells)
    return Plan(
        roles=(planned,),
        ledger=Ledger((Account("host", "host", 4 * GIB, entries),)),
        verdict="fits",
        binding="host: 3.85 GiB left",
        alternatives=(),
        plan_hash="fedcba9876543210",
    )
