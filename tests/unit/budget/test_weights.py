"""Weights on each device; sums are the engine's (tests/golden/compute.json holds many more)."""

from msgspec.structs import replace

from aidx.budget.placement import place
from aidx.budget.settings import Settings
from aidx.budget.weights import allocated, held
from aidx.model.tensor import TYPES, Tensor
from tests.fakes.models import qwen2

MODEL = qwen2(blocks=4)


def test_a_gpu_pads_quantized_rows_and_aligns_to_128():
    """ggml-cuda.cu: one partial row for rows that are no multiple of 512 elements, 32 elements of q8_0 in 34 B."""
    odd = Tensor("t.weight", (96, 3), TYPES["q8_0"])

    assert allocated(odd, "host") == 320  # 3 rows of 102 bytes, to 32
    assert allocated(odd, "gpu0") == 768  # and a row of 416 elements, 442 bytes, to 128
    assert allocated(Tensor("t.weight", (512, 2), TYPES["q8_0"]), "gpu0") == 1152  # 1,088 bytes, no row more
    assert allocated(Tensor("t", (), TYPES["f32"]), "host") == 32
    assert allocated(Tensor("t", (0, 4), TYPES["f32"]), "host") == 0


def test_everything_lies_somewhere_once():
    settings = Settings(ctx_size=256, n_gpu_layers=3)
    placement = place(MODEL, settings, gpus=1)
    gpu, host = (held(MODEL, placement, device) for device in ("gpu0", "host"))

    assert gpu.tensors + host.tensors == len(MODEL.tensors)
    assert gpu.bytes + host.bytes == sum(tensor.bytes for tensor in MODEL.tensors)
    assert gpu.plain


def test_only_quantized_weights_on_a_cpu_alone_may_be_repacked():
    settings = Settings(ctx_size=256)
    half = replace(
        MODEL,
        header=replace(MODEL.header, tensors=tuple(replace(tensor, type=TYPES["f16"]) for tensor in MODEL.tensors)),
    )

    assert not held(MODEL, place(MODEL, settings, gpus=0), "host").plain
    assert held(MODEL, place(MODEL, settings, gpus=1), "host").plain
    assert held(half, place(half, settings, gpus=0), "host").plain
