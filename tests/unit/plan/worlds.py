"""A small model and machines for plans by hand; the engine here answers as the closed forms do, plus a bias."""

from collections.abc import Callable, Generator
from typing import TypeVar

from msgspec.structs import replace

from aidx.budget.allocate import allocate
from aidx.model.spec import Header, Layer, ModelSpec
from aidx.model.tensor import TYPES, Tensor
from aidx.plan.devices import Device, Machine
from aidx.plan.probe import Answer, Buffer, Probe, Probed, Unanswered

Found = TypeVar("Found")
MIB = 1 << 20
BLOCKS = 8


def model(blocks: int = BLOCKS, *, experts: bool = False, context: int = 32768, kind: str = "f16") -> ModelSpec:
    """A llama-like model of width 1,024 with 4 KV heads of 64."""
    wide = TYPES[kind]
    tensors = [Tensor("token_embd.weight", (1024, 4096), wide), Tensor("output.weight", (1024, 4096), wide)]
    tensors.append(Tensor("output_norm.weight", (1024,), TYPES["f32"]))
    for number in range(blocks):
        block = f"blk.{number}."
        tensors += [
            Tensor(block + "attn_norm.weight", (1024,), TYPES["f32"]),
            Tensor(block + "attn_q.weight", (1024, 1024), wide),
            Tensor(block + "attn_k.weight", (1024, 256), wide),
            Tensor(block + "attn_v.weight", (1024, 256), wide),
            Tensor(block + "attn_output.weight", (1024, 1024), wide),
        ]
        if experts:
            tensors += [Tensor(f"{block}ffn_{name}_exps.weight", (1024, 1024, 8), wide) for name in ("up", "down")]
        else:
            tensors += [Tensor(f"{block}ffn_{name}.weight", (1024, 4096), wide) for name in ("gate", "up")]
            tensors.append(Tensor(block + "ffn_down.weight", (4096, 1024), wide))
    metadata = {
        "general.architecture": "llama",
        "llama.block_count": blocks,
        "llama.attention.head_count": 16,
        "llama.attention.head_count_kv": 4,
        "llama.embedding_length": 1024,
        "llama.feed_forward_length": 4096,
        "llama.expert_used_count": 2 if experts else 0,
    }
    header = Header(metadata, tuple(tensors), 4096)
    return ModelSpec(
        name="hand-made",
        source="file",
        architecture="llama",
        quantization=kind.upper(),
        header=header,
        layers=tuple(Layer(4, 64, 64) for _ in range(blocks)),
        block_count=blocks,
        context_length=context,
        embedding_length=1024,
        vocab_size=4096,
        file_bytes=header.size + sum(tensor.bytes for tensor in tensors),
    )


def windowed(window: int) -> ModelSpec:
    """The same with a sliding window in every layer."""
    whole = model()
    return replace(whole, layers=tuple(replace(layer, window=window) for layer in whole.layers or ()))


def machine(gpu: int | None = None, ram: int = 64 << 30) -> Machine:
    """A GPU of *gpu* bytes (none: CPU only) and a host, nothing else on either."""
    gpus = () if gpu is None else (Device("gpu0", "gpu", gpu),)
    return Machine(Device("host", "host", ram), gpus)


def engine(bias: int = 0) -> Callable[[Probe], Answer]:
    """Answers with the closed forms' bytes, compute *bias* bytes lower, as a real engine is."""

    def answer(probe: Probe) -> Answer:
        entries = allocate(probe.model, probe.settings, gpus=len(probe.gpus))
        buffers = []
        for device, found in entries.items():
            sizes = {entry.what: entry.bytes for entry in found}
            context = sizes.get("kv_cache", 0) + sizes.get("recurrent_state", 0)
            compute = sizes.get("compute", 0) + sizes.get("scratch", 0)
            buffers.append(Buffer(device, device, sizes.get("weights", 0), context, max(compute - bias, 0)))
        return Probed(tuple(buffers), probe.settings.n_ctx, "hand-made engine")

    return answer


def silent(probe: Probe) -> Answer:
    """An engine that is not there."""
    del probe
    return Unanswered("no engine here")


def drive(steps: Generator[Probe, Answer, Found], answer: Callable[[Probe], Answer]) -> tuple[Found, int]:
    """Run *steps* to the end; what it returns, and how often the engine was asked."""
    asked = 0
    try:
        probe = next(steps)
        while True:
            asked += 1
            probe = steps.send(answer(probe))
    except StopIteration as stop:
        return stop.value, asked
