"""What the pinned engine answers: figures, placement, limits."""

import sys
from collections.abc import Iterator

import pytest
from msgspec.structs import replace
from tests.fakes.models import mamba, qwen2, qwen3moe

from aidx.adapters.llama.prober import EngineProber
from aidx.budget.settings import Settings
from aidx.model.spec import ModelSpec
from aidx.plan.probe import Buffer, Probe, Probed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the engine is asked on Linux x86-64 only")
GPU = (12 << 30,)
CODER = qwen2()
ALL = Settings(ctx_size=8192, n_gpu_layers=49)


@pytest.fixture(scope="module")
def prober() -> Iterator[EngineProber]:
    one = EngineProber()
    yield one
    one.close()


def ask(prober: EngineProber, model: ModelSpec, settings: Settings, gpus: tuple[int, ...] = GPU) -> Probed:
    answer = prober.ask(Probe(model, settings, gpus))
    assert isinstance(answer, Probed), answer
    return answer


def named(answer: Probed) -> dict[str, Buffer]:
    return {buffer.name: buffer for buffer in answer.buffers}


def test_qwen_coder_14b_at_8192_tokens_is_what_the_engine_allocates(prober):
    """xllamacpp 2026.10.11549 loaded the F16 file's ghost through separate code: 129.01 MiB of compute."""
    answer = ask(prober, CODER, ALL)
    gpu, host = named(answer)["CUDA0"], named(answer)["CUDA_Host"]

    assert gpu.device == "gpu0"
    assert gpu.compute == 135_280_768
    assert gpu.context == 1_610_612_736
    assert host.device == "host"
    assert host.compute == 50_350_112
    assert host.model == 152_064 * 5120 // 256 * 210
    assert answer.n_ctx == 8192
    assert answer.build.startswith("xllamacpp 2026.10.11549")


def test_every_weight_is_on_one_side(prober):
    answer = ask(prober, CODER, ALL)

    assert sum(buffer.model for buffer in answer.buffers) == sum(tensor.bytes for tensor in CODER.tensors)


def test_settings_of_the_context_do_not_load_the_model_again(prober):
    ask(prober, CODER, ALL)
    loaded = prober._loaded
    ask(prober, CODER, replace(ALL, ctx_size=16384))

    assert prober._loaded is loaded


def test_a_quantized_cache_needs_f16_copies_of_one_layer_on_cuda(prober):
    """K and V of one layer at 32,768 tokens, 2 x 1024 x 2 bytes each, lie in the compute buffer."""
    settings = replace(ALL, ctx_size=32768)
    plain = named(ask(prober, CODER, settings))["CUDA0"]
    quantized = named(ask(prober, CODER, replace(settings, cache_type_k="q8_0", cache_type_v="q8_0")))["CUDA0"]

    copies = 32768 * 1024 * 2 * 2
    assert plain.compute < quantized.compute <= plain.compute + copies + (1 << 20)
    assert quantized.context == plain.context * 34 // 64


def test_weights_are_repacked_only_where_there_is_no_gpu(prober):
    repacked = named(ask(prober, CODER, replace(ALL, n_gpu_layers=0), gpus=()))
    partly = named(ask(prober, CODER, replace(ALL, n_gpu_layers=20)))

    # Whether a CPU repacks depends on its instructions; what stands beside a GPU is never repacked.
    assert set(repacked) <= {"CPU", "CPU_REPACK"}
    assert set(partly) == {"CUDA0", "CUDA_Host", "CPU"}
    assert partly["CPU"].context > 0


def test_experts_stay_on_the_cpu_block_by_block(prober):
    model = qwen3moe(blocks=4)
    settings = Settings(ctx_size=4096, n_gpu_layers=5)
    experts = sum(t.bytes for t in model.tensors if t.layer == 0 and "_exps" in t.name)
    before = named(ask(prober, model, settings))
    after = named(ask(prober, model, replace(settings, n_cpu_moe=2)))

    assert after["CUDA_Host"].model - before["CUDA_Host"].model == 2 * experts
    assert before["CUDA0"].model - after["CUDA0"].model >= 2 * experts
    assert after["CUDA0"].context == before["CUDA0"].context


def test_layers_are_split_over_two_gpus(prober):
    answer = ask(prober, CODER, ALL, gpus=(12 << 30, 24 << 30))
    first, second = named(answer)["CUDA0"], named(answer)["CUDA1"]

    assert (first.device, second.device) == ("gpu0", "gpu1")
    assert first.model < second.model
    assert first.context + second.context == 1_610_612_736


def test_recurrent_state_is_counted_and_not_allocated(prober):
    """256 sequences x 64 layers x 19 x 5120 x 4 bytes are 6 GiB; the child may take 4."""
    settings = Settings(ctx_size=65536, parallel=256)
    host = ask(prober, mamba(), settings, gpus=()).buffers
    gpu = ask(prober, mamba(), replace(settings, n_gpu_layers=65)).buffers

    state = 256 * 64 * 19 * 5120 * 4
    assert sum(buffer.context for buffer in host) == state
    assert sum(buffer.context for buffer in gpu if buffer.device == "gpu0") == state


def test_settings_meant_for_a_running_engine_change_no_plan(prober, monkeypatch):
    settings = replace(ALL, n_gpu_layers=20)
    expected = ask(prober, CODER, settings)
    prober.close()
    monkeypatch.setenv("GGML_OP_OFFLOAD_MIN_BATCH", "100000")
    monkeypatch.setenv("LLAMA_ARG_CTX_SIZE", "512")

    assert ask(prober, CODER, settings) == expected
