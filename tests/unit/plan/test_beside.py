"""LoRA, projector and draft model in a plan, by hand."""

import pytest
from msgspec.structs import replace

from aidx.errors import InputError
from aidx.model.companion import Lora, Pair
from aidx.model.tensor import TYPES, Tensor
from aidx.plan.beside import DRAFTED, Beside
from aidx.plan.checklist import components
from aidx.plan.devices import Device, Machine
from aidx.plan.explain import explain
from aidx.plan.make import plan
from aidx.plan.need import Need
from aidx.plan.probe import Buffer, Probed
from tests.fakes.projectors import gemma3
from tests.unit.plan.worlds import drive, engine, model, silent

GIB = 1 << 30
SPEC = model()
AT_4K = Need(ctx_size=4096)
HOST = Device("host", "host", 64 * GIB)
F16 = TYPES["f16"]


def lora(*blocks, rank=8):
    def pair(number):
        name = f"blk.{number}.attn_q.weight"
        return Pair(name, Tensor(f"{name}.lora_a", (1024, rank), F16), Tensor(f"{name}.lora_b", (rank, 1024), F16))

    return Lora("style.gguf", "style.gguf", "llama", tuple(pair(number) for number in blocks))


def made(beside, need=AT_4K, gpus=(8 * GIB,), answer=None, spec=SPEC):
    devices = tuple(Device(f"gpu{number}", "gpu", size) for number, size in enumerate(gpus))
    return drive(plan(spec, need, Machine(HOST, devices), beside=beside), answer or engine())[0]


def of(found, what, device="gpu0"):
    return [entry for entry in found.ledger.account(device).entries if entry.what == what]


def test_an_adapter_lies_beside_what_it_changes():
    found = made(Beside(loras=(lora(0, 7),)), replace(AT_4K, n_gpu_layers=4))
    each = 2 * 1024 * 8 * 2
    assert [entry.bytes for entry in of(found, "lora")] == [each]
    assert [entry.bytes for entry in of(found, "lora", "host")] == [each]
    assert of(found, "lora")[0].grade == "exact"


def test_an_adapter_s_products_are_in_the_compute_buffer():
    plain, found = made(Beside()), made(Beside(loras=(lora(0),)))
    more = of(found, "compute")[0].bytes - of(plain, "compute")[0].bytes
    assert more == 4 * 512 * (3 * 1024 + 8)
    assert of(found, "compute")[0].grade == "modelled"


def test_several_adapters_are_entries_of_their_own():
    assert len(of(made(Beside(loras=(lora(0), lora(1)))), "lora")) == 2


def test_an_adapter_for_an_architecture_of_the_engine_alone_is_refused():
    unknown = replace(SPEC, architecture="mystery", layers=None)
    with pytest.raises(InputError, match="--lora needs a known architecture"):
        made(Beside(loras=(lora(0),)), spec=unknown, answer=lambda p: engine()(replace(p, model=SPEC)))


def test_a_projector_is_exact_weights_and_compute_that_the_engine_was_asked_for():
    projector = gemma3(1024)
    plain = sum(tensor.bytes for tensor in projector.header.tensors)

    def answer(probe):
        if probe.projector is None:
            return engine()(probe)
        return Probed((Buffer("gpu0", "projector", 0, 0, plain + 1000), Buffer("host", "p", 0, 0, 7)), 0, "an engine")

    found = made(Beside(projector=projector), answer=answer)
    weights, compute = of(found, "projector")
    assert plain <= weights.bytes <= plain + 128 * len(projector.header.tensors)
    assert (weights.grade, compute.grade, compute.bytes) == ("exact", "engine", 1000)
    assert [entry.bytes for entry in of(found, "projector", "host")] == [7]


def test_without_the_engine_a_projector_s_compute_is_modelled():
    found = made(Beside(projector=gemma3(1024)), answer=silent)
    assert [entry.grade for entry in of(found, "projector")] == ["exact", "modelled"]
    assert of(made(Beside(projector=gemma3(1024)), gpus=()), "projector", "host")


def test_a_draft_model_has_its_own_weights_cache_and_compute():
    draft = replace(model(blocks=2), name="small")
    found = made(Beside(draft=draft), replace(AT_4K, cache_type_k="q8_0", cache_type_v="q8_0"))
    its = {entry.why.split(": ")[0].removeprefix("small, "): entry for entry in of(found, "draft")}
    assert {"weights", "kv_cache", "compute"} <= set(its)
    assert its["kv_cache"].bytes == 2 * 4096 * 2 * 4 * 64 * 2  # f16, whatever the model's cache is
    assert found.roles[0].settings.n_draft == DRAFTED
    assert of(found, "output", "host")[0].bytes == 4096 * 4 * (1 + DRAFTED)


def test_a_draft_model_shortens_the_longest_context():
    alone = made(Beside(), Need(), gpus=(500 << 20,)).roles[0].max_ctx_size
    both = made(Beside(draft=model(blocks=2)), Need(), gpus=(500 << 20,)).roles[0].max_ctx_size
    assert 0 < both < alone


def test_a_draft_model_on_several_gpus_is_split_as_the_model_is():
    found = made(Beside(draft=model(blocks=4)), gpus=(6 * GIB, 2 * GIB))
    sizes = [sum(entry.bytes for entry in of(found, "draft", name)) for name in ("gpu0", "gpu1")]
    assert sizes[0] > sizes[1] > 0


def test_companions_belong_to_the_table_of_components_and_to_the_equations():
    found = made(Beside(loras=(lora(0),), draft=model(blocks=2), projector=gemma3(1024)), answer=silent)
    rows = {row.component: row.bytes for row in components(found.ledger)}
    assert min(rows["LoRA adapters"], rows["Projector"], rows["Draft model"]) > 0
    gpu = found.ledger.account("gpu0")
    assert sum(rows.values()) == gpu.total
    text = "\n".join(explain(found))
    assert all(f"  {what} = " in text for what in ("lora", "draft", "projector"))


def test_the_hash_names_companions():
    assert made(Beside()).plan_hash != made(Beside(loras=(lora(0),))).plan_hash
