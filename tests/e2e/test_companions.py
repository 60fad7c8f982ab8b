"""LoRA, projector and draft model against the engine itself."""

import asyncio
import json
import sys

import gguf
import numpy as np
import pytest
from benchmarks.sweep import GPU, compare, models
from msgspec.structs import replace
from tests.fakes.hosts.llama_server import running
from tests.fakes.models import qwen2
from tests.fakes.program import on_path
from tests.fakes.projectors import gemma3, llava, qwen25vl, small
from tests.running import aidx

from aidx import wiring
from aidx.adapters.engines import llama_server
from aidx.adapters.llama.prober import EngineProber
from aidx.adapters.stores import shipped
from aidx.advise import plan as make
from aidx.budget.companions import projector_entries, projector_inputs
from aidx.budget.compare import compare as compared
from aidx.budget.settings import Settings
from aidx.errors import EngineError
from aidx.model.gguf.render import data_size, lay_out, render
from aidx.plan.beside import Files
from aidx.plan.need import Need
from aidx.plan.probe import Probe, Probed, Unanswered
from aidx.plan.wish import Wish
from aidx.ports.engine import Launch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the engine is asked on Linux x86-64 only")
MIB = 1 << 20


@pytest.fixture(scope="module")
def prober():
    one = EngineProber()
    yield one
    one.close()


def adapter(path, *, rank=8, architecture="llama"):
    """An adapter for every matrix of aidx-tiny's blocks, written by the gguf library."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 16.0)
    for tensor in wiring.resolve(shipped.NAME).model.tensors:
        if tensor.layer is not None and len(tensor.shape) == 2:
            inputs, outputs = tensor.shape
            writer.add_tensor(f"{tensor.name}.lora_a", np.zeros((rank, inputs), np.float16))
            writer.add_tensor(f"{tensor.name}.lora_b", np.zeros((outputs, rank), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return str(path)


@pytest.mark.parametrize(("rank", "ubatch"), [(8, 512), (64, 512), (8, 64), (256, 1024)])
def test_the_engine_takes_for_adapters_what_was_planned(tmp_path, prober, rank, ubatch):
    """Two adapters are really loaded on aidx-tiny; the engine logs LoRA buffers and reserves its graph again."""
    files = Files(lora=(adapter(tmp_path / "a.gguf", rank=rank), adapter(tmp_path / "b.gguf")))
    found = wiring.resolve(shipped.NAME)
    need = Need(ctx_size=1024, ubatch_size=ubatch)
    beside = wiring.beside(files, found.model)
    plan = make(found.model, need, wiring.machine(Wish(vram=(0,))), prober, beside=beside)
    deployment = wiring.start(plan)
    try:
        allocated = deployment.allocated()
    finally:
        deployment.stop()
    rows = {row.what: row for row in compared(plan.ledger, allocated.devices, resolution=allocated.resolution)}

    assert rows["lora"].equal
    assert rows["lora"].allocated > 0
    assert all(row.holds for row in rows.values()), rows
    assert rows["compute"].allocated > 0


@pytest.mark.parametrize("made", [gemma3, llava, qwen25vl])
@pytest.mark.parametrize("gpus", [GPU, ()], ids=["gpu", "cpu"])
def test_the_engine_says_what_a_projector_takes_and_the_model_of_it_is_never_under(prober, made, gpus):
    projector = made()
    answer = prober.ask(Probe(qwen2(blocks=2), Settings(ctx_size=512), gpus, projector))
    assert isinstance(answer, Probed), answer
    plain = sum(tensor.bytes for tensor in projector.header.tensors)
    first = "gpu0" if gpus else "host"
    total = sum(buffer.compute for buffer in answer.buffers if buffer.device == first)
    weights, compute = projector_entries(projector, first, None)

    assert plain < total
    assert plain <= weights.bytes <= plain * 1.0001
    assert total - plain <= compute.bytes <= 2.5 * (total - plain)
    if gpus:
        host = sum(buffer.compute for buffer in answer.buffers if buffer.device == "host")
        assert host <= projector_inputs(projector).bytes <= 1.2 * host


def test_a_damaged_projector_is_refused_and_the_next_question_is_answered(prober):
    whole = gemma3()
    tensors = tuple(tensor for tensor in whole.header.tensors if "ffn_down" not in tensor.name)
    damaged = replace(whole, header=replace(whole.header, tensors=tensors))
    settings = Settings(ctx_size=512)
    assert isinstance(prober.ask(Probe(qwen2(blocks=2), settings, GPU, damaged)), Unanswered)
    assert isinstance(prober.ask(Probe(qwen2(blocks=2), settings, GPU)), Probed)


@pytest.mark.parametrize("name", ["qwen3-0.6b", "gemma-3-4b", "gpt-oss-20b", "qwen3.5-4b", "deepseek-coder-v2-lite"])
@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("gpus", [GPU, ()], ids=["gpu", "cpu"])
def test_a_model_with_a_draft_model_asks_for_more_rows_and_stays_equal(prober, name, slots, gpus):
    model = next(iter(models((name,), "F16")))
    settings = Settings(ctx_size=4096, parallel=slots, n_draft=3, n_gpu_layers=99 if gpus else 0)
    for row in compare(prober, model, settings, gpus):
        assert row.weights[0] == row.weights[1]
        assert row.kept[0] == row.kept[1]
        assert 0 <= row.compute[0] - row.compute[1] <= 0.01 * row.total[1]


def test_a_draft_model_s_bytes_are_the_engine_s_for_a_second_model(prober):
    draft = wiring.resolve("qwen3-0.6b")
    found = wiring.resolve("qwen3-14b")
    beside = wiring.beside(Files(model_draft="qwen3-0.6b"), found.model)
    machine = wiring.machine(Wish(vram=(24 << 30,), host_ram=32 << 30))
    plan = make(found.model, Need(ctx_size=8192), machine, prober, beside=beside)
    settings = replace(plan.roles[0].settings, n_gpu_layers=draft.model.block_count + 1, n_draft=0)
    answer = prober.ask(Probe(draft.model, settings, (24 << 30,)))
    assert isinstance(answer, Probed)
    for device in ("gpu0", "host"):
        theirs = sum(b.model + b.context + b.compute for b in answer.buffers if b.device == device)
        entries = [entry for entry in plan.ledger.account(device).entries if entry.what == "draft"]
        assert sum(entry.bytes for entry in entries if ", output:" not in entry.why) == theirs


def written(path, projector):
    tensors = lay_out(projector.header.tensors)
    header = render(projector.header.metadata, tensors)
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + data_size(tensors))
    return str(path)


def test_companions_are_entries_of_a_plan(tmp_path):
    file = written(tmp_path / "mmproj.gguf", gemma3())
    asked = ("plan", "gemma-3-4b", "--vram", "12GiB", "--host-ram", "16GiB", "-c", "8192", "--mmproj", file)
    found = json.loads(aidx(*asked, "--model-draft", "gemma-3-1b", "--json").stdout)
    entries = found["devices"][0]["entries"]
    projector = [entry for entry in entries if entry["what"] == "projector"]
    assert [entry["grade"] for entry in projector] == ["exact", "engine"]
    assert sum(entry["what"] == "draft" for entry in entries) == 3


def test_wrong_kinds_of_file_are_one_line_and_a_hint(tmp_path):
    other = written(tmp_path / "other.gguf", gemma3(3840))
    lora = adapter(tmp_path / "lora.gguf")
    foreign = adapter(tmp_path / "foreign.gguf", architecture="qwen2")
    tiny = str(shipped.path())
    refused = {
        ("plan", lora): "is a LoRA adapter, not a model",
        ("plan", other): "is a projector, not a model",
        ("plan", "gemma-3-4b", "--mmproj", other): "leads to embeddings of 1152, 3840, and gemma-3-4b has 2560",
        ("plan", "gemma-3-4b", "--mmproj", lora): "is a lora, not a projector",
        ("plan", "aidx-tiny", "--lora", tiny): "is a model, not an adapter",
        ("plan", "aidx-tiny", "--lora", foreign): "is for architecture qwen2",
        ("plan", "aidx-tiny", "--lora", str(tmp_path / "gone.gguf")): "no such file",
        ("plan", "qwen3-14b", "--model-draft", "gemma-3-1b"): "has 262,144 tokens",
        ("plan", "qwen3-14b", "--model-draft", lora): "is a LoRA adapter, not a model",
    }
    for arguments, says in refused.items():
        done = aidx(*arguments, "--vram", "12GiB", "--host-ram", "16GiB", code=2)
        first, second = done.stderr.splitlines()
        assert says in first
        assert second.startswith("hint: ")


@pytest.mark.parametrize("engine", ["embedded", "llama-server"])
def test_the_engine_is_started_with_the_planned_projector_and_draft_model(tmp_path, prober, engine):
    """Its log agrees with the plan for both, it says that it sees, and the draft model is asked and not only loaded."""
    found = wiring.resolve(shipped.NAME)
    files = Files(
        mmproj=written(tmp_path / "mmproj.gguf", small(found.model.embedding_length)), model_draft=shipped.NAME
    )
    need = Need(ctx_size=512, parallel=2, engine=engine)
    plan = make(found.model, need, wiring.machine(Wish(vram=(0,))), prober, beside=wiring.beside(files, found.model))
    with on_path("llama-server", "llama_server_program.py"):
        deployment = wiring.start(plan)
    try:
        allocated = deployment.allocated()
        answer = asyncio.run(asked(deployment))
    finally:
        deployment.stop()
    rows = {row.what: row for row in compared(plan.ledger, allocated.devices, resolution=allocated.resolution)}

    assert all(row.holds for row in rows.values()), rows
    assert min(rows["projector"].allocated, rows["draft"].allocated) > 0
    assert answer["timings"]["draft_n"] > 0


async def asked(deployment):
    chat = deployment.chat()
    body = json.dumps({"messages": [{"role": "user", "content": "def area("}], "max_tokens": 12, "ignore_eos": True})
    try:
        return json.loads(b"".join([chunk async for chunk in chat.answer(body.encode(), slot=0)]))
    finally:
        chat.close()


def test_a_server_without_the_planned_projector_is_not_attached_to(tmp_path):
    launch = Launch(shipped.path(), "tiny", Settings(ctx_size=512), threads=1)
    with running(launch) as ready, pytest.raises(EngineError, match="has no projector, and one is planned"):
        llama_server.ENGINE.start(replace(ready, beside=Files(mmproj="mmproj.gguf")))


def test_what_cannot_be_told_to_load_them_is_not_attached_to():
    found = wiring.resolve(shipped.NAME)
    beside = wiring.beside(Files(model_draft=shipped.NAME), found.model)
    plan = make(found.model, Need(ctx_size=512, engine="ollama"), wiring.machine(Wish(vram=(0,))), beside=beside)
    with pytest.raises(EngineError, match="ollama cannot be told to load"):
        wiring.start(plan)


def test_files_need_a_model_to_stand_beside(tmp_path):
    done = aidx("plan", "--lora", adapter(tmp_path / "a.gguf"), code=2)
    assert "no MODEL is given" in done.stderr.splitlines()[0]
