"""What engines change about a plan; Ollama's rules are its source's at fb30760, vLLM's figures published logs."""

import pytest
from msgspec.structs import replace

from aidx.errors import InputError
from aidx.model.spec import Layer
from aidx.page.bar import legend
from aidx.plan.devices import Device, Machine
from aidx.plan.engines import find, names, settle
from aidx.plan.make import plan
from aidx.plan.need import Need
from tests.fakes.models import mamba
from tests.unit.plan.worlds import drive, engine, machine, model

GIB = 1 << 30
MIB = 1 << 20


def ollama(spec=None, gpus=(12 * GIB,), environment=(), **asked):
    devices = tuple(Device(f"gpu{number}", "gpu", size) for number, size in enumerate(gpus))
    need = Need(engine="ollama", environment=tuple(dict(environment).items()), **asked)
    return settle(spec or model(context=1 << 20), need, Machine(Device("host", "host", 64 * GIB), devices))


@pytest.mark.parametrize(
    ("gpus", "tokens"),
    [
        ((), 4096),
        ((12 * GIB,), 4096),
        ((23 * GIB - 1,), 4096),
        ((23 * GIB,), 32768),
        ((24 * GIB,), 32768),
        ((12 * GIB, 12 * GIB), 32768),
        ((47 * GIB - 1,), 32768),
        ((47 * GIB,), 262144),
    ],
)
def test_ollama_s_context_follows_the_vram_of_all_gpus(gpus, tokens) -> None:
    assert ollama(gpus=gpus).need.ctx_size == tokens


def test_ollama_s_context_never_exceeds_the_training_length_and_is_one_a_slot() -> None:
    assert ollama(model(context=2048)).need.ctx_size == 2048
    assert ollama(environment={"OLLAMA_NUM_PARALLEL": "3"}).need.ctx_size == 3 * 4096
    assert ollama(environment={"OLLAMA_CONTEXT_LENGTH": "8192", "OLLAMA_NUM_PARALLEL": "2"}).need.ctx_size == 16384


def test_ollama_s_settings_are_those_of_its_environment_and_its_llama_server() -> None:
    need = ollama(
        environment={
            "OLLAMA_KV_CACHE_TYPE": "Q8_0",
            "OLLAMA_FLASH_ATTENTION": '"1"',
            "OLLAMA_NUM_PARALLEL": " 2 ",
            "LLAMA_ARG_CACHE_RAM": "0",
            "LLAMA_ARG_CTX_CHECKPOINTS": "4",
        }
    ).need
    assert (need.cache_type_k, need.cache_type_v, need.flash_attn, need.parallel) == ("q8_0", "q8_0", True, 2)
    assert (need.cache_ram, need.ctx_checkpoints, need.kv_unified) == (0, 4, False)
    plain = ollama().need
    assert (plain.cache_ram, plain.ctx_checkpoints, plain.parallel) == (8192 * MIB, 32, 1)
    assert (plain.cache_type_k, plain.flash_attn) == ("f16", True)


@pytest.mark.parametrize(("tokens", "batch"), [(4096, 512), (4097, 1024), (32768, 1024), (32769, 2048)])
def test_ollama_s_batch_follows_the_context(tokens, batch) -> None:
    need = ollama(environment={"OLLAMA_CONTEXT_LENGTH": str(tokens)}).need
    assert (need.batch_size, need.ubatch_size) == (batch, batch)
    assert ollama(ctx_size=tokens).need.ubatch_size == batch
    without = ollama(environment={"OLLAMA_CONTEXT_LENGTH": str(tokens), "OLLAMA_FLASH_ATTENTION": "false"}).need
    assert without.ubatch_size == 512


def test_what_the_user_chose_stands_and_each_other_value_names_its_origin() -> None:
    found = ollama(
        environment={"OLLAMA_CONTEXT_LENGTH": "8192", "OLLAMA_KV_CACHE_TYPE": "q4_0"},
        ctx_size=1024,
        given=frozenset({"ctx_size", "cache_type_k"}),
    )
    assert (found.need.ctx_size, found.need.cache_type_k, found.need.cache_type_v) == (1024, "f16", "q4_0")
    assert "cache_type_v q4_0 (OLLAMA_KV_CACHE_TYPE)" in found.notes[0]
    assert "parallel 1" in found.notes[0]
    assert "ctx_size" not in found.notes[0]


def test_ollama_gives_some_families_one_slot() -> None:
    spec = replace(model(), architecture="qwen3next")
    assert ollama(spec, environment={"OLLAMA_NUM_PARALLEL": "4"}).need.parallel == 1


def test_what_ollama_keeps_free_is_a_reserve() -> None:
    found = ollama(environment={"OLLAMA_GPU_OVERHEAD": str(GIB)})
    assert [gpu.reserve for gpu in found.machine.gpus] == [GIB + 1024 * MIB]
    off = ollama(environment={"LLAMA_ARG_FIT": "off"})
    assert [gpu.reserve for gpu in off.machine.gpus] == [0]
    fixed = ollama(n_gpu_layers="all")  # llama-server's --fit leaves a fixed number of layers alone
    assert [gpu.reserve for gpu in fixed.machine.gpus] == [0]
    target = ollama(environment={"LLAMA_ARG_FIT_TARGET": "100"})
    assert [gpu.reserve for gpu in target.machine.gpus] == [100 * MIB]


def test_a_context_that_the_training_ends_is_said_to_be_that() -> None:
    found = ollama(environment={"OLLAMA_CONTEXT_LENGTH": str(1 << 30)})
    assert any("(OLLAMA_CONTEXT_LENGTH, no more than the model was trained for)" in note for note in found.notes)
    assert "trained" not in " ".join(ollama(environment={"OLLAMA_CONTEXT_LENGTH": "512"}).notes)


def test_ollama_ignores_what_is_no_number_and_so_do_we_aloud() -> None:
    found = ollama(environment={"OLLAMA_NUM_PARALLEL": "two", "OLLAMA_CONTEXT_LENGTH": "8k"})
    assert (found.need.parallel, found.need.ctx_size) == (1, 4096)
    assert sum("OLLAMA_CONTEXT_LENGTH is" in note and "Ollama takes its default" in note for note in found.notes) == 1


@pytest.mark.parametrize(("name", "value"), [("OLLAMA_KV_CACHE_TYPE", "q9_0"), ("LLAMA_ARG_CACHE_RAM", "-1")])
def test_what_cannot_be_planned_is_refused_by_its_name(name, value) -> None:
    with pytest.raises(InputError, match=name):
        ollama(environment={name: value})


def test_a_plan_for_ollama_shows_its_notes_and_its_reserve() -> None:
    need = Need(engine="ollama", environment=(("OLLAMA_CONTEXT_LENGTH", "2048"),))
    found, _ = drive(plan(model(), need, machine(8 * GIB)), engine())
    assert found.roles[0].engine == "ollama"
    assert found.roles[0].settings.ctx_size == 2048
    assert found.notes[0].startswith("Ollama's settings: ")
    assert found.ledger.accounts[0].sum("reserve") == 1024 * MIB
    (kept,) = [entry for entry in found.ledger.accounts[0].entries if entry.what == "reserve"]
    assert kept.why == "kept free by Ollama (OLLAMA_GPU_OVERHEAD and llama-server's --fit)"
    assert legend(found.ledger.accounts[0]).startswith("╱ kept back 1.00 GiB")
    assert found.ledger.accounts[1].sum("prompt_cache") == 8192 * MIB


def llama8b():
    """Llama-3.1-8B in what vLLM's arithmetic looks at: 8,030,261,248 elements, 32 layers of 8 KV heads of 128."""
    spec = model(blocks=32, context=131072)
    spare = 8_030_261_248 - sum(tensor.elements for tensor in spec.tensors)
    extra = replace(spec.tensors[0], name="rest.weight", shape=(spare,))
    header = replace(spec.header, tensors=(*spec.tensors, extra))
    layers = tuple(Layer(8, 128, 128) for _ in range(32))
    return replace(spec, header=header, layers=layers, quantization="BF16")


def vllm(spec, gpu=80 * GIB, **asked):
    return drive(plan(spec, Need(engine="vllm", **asked), machine(gpu)), engine())


def test_vllm_s_weights_are_what_its_log_says() -> None:
    # vllm-project/vllm issue 10517: "Loading model weights took 14.9888 GB" for Llama-3.1-8B-Instruct
    found, asked = vllm(llama8b(), ctx_size=4096)
    assert found.ledger.accounts[0].sum("weights") / GIB == pytest.approx(14.9888, abs=0.00005)
    assert asked == 0


@pytest.mark.parametrize(("blocks", "cache"), [(1952, 3.81), (1478, 2.89)])
def test_vllm_s_pages_are_what_its_log_says(blocks, cache) -> None:
    # the same issue: "kv_cache_size=3.81GiB", "GPU blocks: 1952"; two decimals are 2.6 blocks
    found, _ = vllm(llama8b(), ctx_size=16 * 16 * (blocks // 16))
    each = found.ledger.accounts[0].sum("kv_cache") / (16 * (blocks // 16) + 1)
    assert cache * GIB / each == pytest.approx(blocks, abs=2.6)


def test_vllm_s_activations_are_not_below_what_was_logged() -> None:
    # the same issue: peak of 17.98 GiB with 14.9888 GiB of weights, 29,000 tokens at once, 256 sequences
    spec = replace(llama8b(), vocab_size=128256, embedding_length=4096)
    wide = [replace(t, shape=(4096, 14336)) if t.name.endswith("ffn_up.weight") else t for t in spec.tensors]
    spec = replace(spec, header=replace(spec.header, tensors=tuple(wide)))
    found, _ = vllm(spec, ctx_size=29000, batch_size=29000, parallel=256)
    assert found.ledger.accounts[0].sum("compute") >= (17.98 - 14.9888) * GIB


def test_vllm_is_modelled_and_says_what_is_not() -> None:
    found, _ = vllm(model(), ctx_size=8192, parallel=4)
    grades = {entry.what: entry.grade for entry in found.ledger.accounts[0].entries}
    assert {grades[what] for what in ("weights", "kv_cache", "compute")} == {"modelled"}
    assert "CUDA graphs" in found.notes[0]
    size = found.ledger.accounts[0].sum("kv_cache")
    assert "--max-num-seqs 4 --max-num-batched-tokens 2048 --block-size 16 " in found.notes[1]
    assert f"--kv-cache-memory-bytes {size};" in found.notes[1]


def test_vllm_s_longest_context_holds_and_256_more_do_not() -> None:
    need = vllm(model(), ctx_size=8192)[0].ledger.accounts[0].planned
    found, _ = vllm(model(), gpu=need + MIB)
    reach = found.roles[0].max_ctx_size
    assert found.roles[0].settings.ctx_size == reach
    assert vllm(model(), gpu=need + MIB, ctx_size=reach)[0].verdict == "fits"
    over, _ = vllm(model(), gpu=need + MIB, ctx_size=reach + 256)
    assert over.verdict == "does_not_fit"
    assert [other.change for other in over.alternatives] == [f"--ctx-size {reach}"]


@pytest.mark.parametrize(
    ("asked", "gpu", "says"),
    [
        ({}, None, "here none is given"),
        ({"n_gpu_layers": 3}, GIB, "keeps all layers"),
        ({"n_cpu_moe": 1}, GIB, "keeps all layers"),
        ({"cache_type_k": "q8_0"}, GIB, "has no q8_0/f16 cache"),
    ],
)
def test_what_vllm_does_not_have_is_refused(asked, gpu, says) -> None:
    with pytest.raises(InputError, match=says):
        vllm(model(), gpu=gpu, **asked)


def test_a_recurrent_state_is_not_guessed_for_vllm() -> None:
    with pytest.raises(InputError, match="recurrent state"):
        vllm(mamba())
    with pytest.raises(InputError, match="not modelled for architecture 'mystery'"):
        vllm(replace(model(), architecture="mystery", layers=None))


def test_llama_server_is_planned_as_embedded_with_a_word_on_its_build() -> None:
    ours, _ = drive(plan(model(), Need(ctx_size=512), machine(8 * GIB)), engine())
    theirs, _ = drive(plan(model(), Need(ctx_size=512, engine="llama-server"), machine(8 * GIB)), engine())
    assert theirs.ledger == ours.ledger
    assert "another one" in theirs.notes[0]
    assert ours.notes == ()


def test_auto_is_planned_as_llama_cpp() -> None:
    assert find("auto").name == "embedded"
    assert {"auto", "embedded", "llama-server", "ollama", "vllm"} <= set(names())
    with pytest.raises(InputError, match="engine 'tgi' is not planned"):
        find("tgi")
