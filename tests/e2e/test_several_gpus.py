"""Two and three GPUs of different sizes: the closed forms against the engine, device by device."""

import json
import sys
from itertools import product

import pytest
from benchmarks.sweep import Compared, _device, compare, models
from msgspec.structs import replace
from tests.fakes.published import GOLDEN, published
from tests.running import aidx, ended

from aidx.adapters.llama.prober import EngineProber
from aidx.budget import kv, state
from aidx.budget.allocate import allocate
from aidx.budget.placement import place
from aidx.budget.settings import Settings
from aidx.budget.split import owners, parts_by_size
from aidx.budget.weights import held
from aidx.plan.probe import Probe, Probed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the engine is asked on Linux x86-64 only")
GIB = 1 << 30
MACHINES = ((12 * GIB, 8 * GIB), (12 * GIB, 8 * GIB, 6 * GIB), (8 * GIB, 24 * GIB, 11 * GIB))
# One of each architecture of the catalogue, and both kinds of Gemma 4.
MODELS = (
    "qwen3-0.6b",
    "qwen2.5-coder-14b",
    "qwen3-30b-a3b",
    "qwen3-coder-next",
    "qwen3.5-4b",
    "llama-3.2-3b",
    "ministral-3-8b",
    "phi-4-mini",
    "gemma-2-9b",
    "gemma-3-4b",
    "gemma-4-e2b",
    "gemma-4-26b-a4b",
    "gpt-oss-20b",
    "deepseek-coder-v2-lite",
    "glm-4.5-air",
    "smollm3-3b",
)
KINDS = (("f16", True), ("q8_0", True), ("f16", False))
PLACED = ("all", "one less", "half", "experts")


@pytest.fixture(scope="module")
def prober():
    one = EngineProber()
    yield one
    one.close()


def configurations(model, number):
    """Every seventh of all combinations, each model from another one on."""
    every = list(product(MACHINES, PLACED, KINDS, (4096, 32768), ((1, True), (4, False)), (128, 512)))
    for gpus, placed, (kind, flash), context, (slots, unified), ubatch in every[number % 41 :: 41]:
        layers = model.block_count + 1
        yield (
            gpus,
            Settings(
                ctx_size=context,
                parallel=slots,
                kv_unified=unified,
                cache_type_k=kind,
                cache_type_v=kind,
                flash_attn=flash,
                ubatch_size=ubatch,
                n_gpu_layers={"one less": layers - 1, "half": layers // 2}.get(placed, layers),
                n_cpu_moe=model.block_count // 2 if placed == "experts" else 0,
            ),
        )


@pytest.fixture(scope="module")
def rows(prober) -> list[Compared]:
    """The engine splits by itself, by the sizes of its devices; we write its parts down."""
    found = []
    for number, name in enumerate(MODELS):
        model = next(iter(models((name,), ("F16", "Q4_K_M", "Q8_0")[number % 3])))
        for gpus, settings in configurations(model, 7 * number):
            answer = prober.ask(Probe(model, settings, gpus))
            assert isinstance(answer, Probed), (name, settings, answer)
            ours = allocate(model, replace(settings, tensor_split=parts_by_size(gpus)), gpus=len(gpus))
            found += [_device(model, settings, device, entries, answer) for device, entries in ours.items()]
    return found


def test_weights_cache_and_state_are_the_engine_s_on_every_device(rows):
    asked = {(row.model, row.settings) for row in rows}
    print(f"{len(asked)} configurations, {len(rows)} accounts of devices")

    assert len(asked) >= 100
    assert {row.device for row in rows} == {"gpu0", "gpu1", "gpu2", "host"}
    assert [row for row in rows if row.weights[0] != row.weights[1]] == []
    assert [row for row in rows if row.kept[0] != row.kept[1]] == []


def test_compute_is_the_engine_s_on_every_device(rows):
    assert [row for row in rows if row.compute[0] != row.compute[1]] == []


@pytest.mark.parametrize("parts", [(3, 1), (1, 3), (0, 1), (1, 0), (0.1, 0.6), (0.2, 0.5), (7, 42)])
@pytest.mark.parametrize("less", [0, 1, 20])
def test_parts_that_are_given_split_as_the_engine_splits(prober, parts, less):
    """(0.1, 0.6) and (0.2, 0.5) of 49 layers fall otherwise in double precision than in single."""
    model = next(iter(models(("qwen2.5-coder-14b",), "Q4_K_M")))
    settings = Settings(ctx_size=1024, n_gpu_layers=model.block_count + 1 - less, tensor_split=parts)
    for row in compare(prober, model, settings, MACHINES[0]):
        assert row.weights[0] == row.weights[1]
        assert row.kept[0] == row.kept[1]


@pytest.mark.parametrize("main", [0, 1, 2])
def test_one_of_several_is_to_the_byte_what_one_alone_is(prober, main):
    model = next(iter(models(("qwen3-0.6b",), "Q4_K_M")))
    settings = Settings(ctx_size=8192, n_gpu_layers=99, split_mode="none", main_gpu=main)
    found = compare(prober, model, settings, MACHINES[1])

    assert [row.device for row in found] == [f"gpu{main}", "host"]
    assert all(row.total[0] == row.total[1] for row in found)


def plan(*arguments, code=0):
    return json.loads(aidx("plan", *arguments, "--json", code=code).stdout)


def test_a_plan_for_two_cards_holds_what_neither_does():
    two = ("--vram", "12GiB", "--vram", "8GiB", "--host-ram", "32GiB", "-c", "8192")
    found = plan("qwen3-30b-a3b", *two)
    gpus = found["devices"][:2]

    assert found["verdict"] == "fits"
    assert [device["name"] for device in found["devices"]] == ["gpu0", "gpu1", "host"]
    settings = found["roles"][0]["settings"]
    where = owners(settings["tensor_split"], settings["n_gpu_layers"])
    for number, device in enumerate(gpus):
        sizes = {entry["what"]: entry for entry in device["entries"]}
        assert sizes["kv_cache"]["grade"] == sizes["weights"]["grade"] == "exact"
        assert sizes["compute"]["grade"] == "engine"
        layers = where.count(number) - (number == 1)  # the output keeps nothing
        assert sizes["kv_cache"]["bytes"] == layers * 8192 * 2 * 4 * 128 * 2
    for size in ("12GiB", "8GiB"):
        assert plan("qwen3-30b-a3b", "--vram", size, "--host-ram", "32GiB", "-c", "8192")["verdict"] != "fits"


def test_the_longest_context_on_two_cards_fits_and_256_tokens_more_do_not():
    cards = ("--vram", "6GiB", "--vram", "5GiB", "--host-ram", "32GiB")
    found = plan("qwen2.5-coder:14b", *cards)["roles"][0]
    parts = ",".join(f"{part:g}" for part in found["settings"]["tensor_split"])
    at = (*cards, "-ngl", str(found["settings"]["n_gpu_layers"]), "-ts", parts)

    assert plan("qwen2.5-coder:14b", *at, "-c", str(found["max_ctx_size"]))["verdict"] == "fits"
    plan("qwen2.5-coder:14b", *at, "-c", str(found["max_ctx_size"] + 256), code=3)


@pytest.mark.parametrize(
    "asked",
    [
        ("qwen2.5-coder:14b", "--vram", "5GiB", "--vram", "5GiB", "-c", "8192"),
        ("gpt-oss-20b", "--vram", "6GiB", "--vram", "4GiB", "-c", "4096"),
    ],
)
def test_a_way_out_for_two_cards_typed_as_printed_does_what_it_says(asked):
    argv = (*asked, "--host-ram", "64GiB")
    before = plan(*argv)
    assert before["alternatives"]
    for other in before["alternatives"]:
        words = other["change"].split()
        after = json.loads(ended("plan", *argv, *words, "--json").stdout)
        assert min(before["devices"], key=lambda device: device["headroom_bytes"])["kind"] == "gpu"
        cards = [sum(found["devices"][card]["planned_bytes"] for card in (0, 1)) for found in (before, after)]
        assert cards[0] - cards[1] == other["saves_bytes"] > 0, other  # on both, not on the tighter one alone
        assert after["roles"][0]["max_ctx_size"] == other["max_ctx_size"], other
        assert (after["verdict"] == "does_not_fit") == ("not enough alone" in other["cost"]), other


def test_the_checklist_for_two_cards_proves_the_same_plan_and_shows_both(tmp_path):
    asked = ("qwen2.5-coder:14b", "--gpu", "rtx-3060-12gb", "--gpu", "3060-8gb", "-ts", "2,1", "--host-ram", "32GiB")
    found = json.loads(aidx("checklist", *asked, "-c", "8192", "--json").stdout)
    again = plan(*found["steps"][3]["command"].split()[2:-1])
    assert again["plan_hash"] in found["steps"][5]["proof"]
    rows = {row["component"]: row["bytes"] for row in found["budget"]}
    for device in again["devices"][:2]:
        name = device["name"]
        weights = [entry["bytes"] for entry in device["entries"] if entry["what"] == "weights"]
        assert rows[f"{name}: Model weights"] == sum(weights)
        assert rows[f"{name}: Available headroom"] == device["headroom_bytes"]

    page = tmp_path / "plan.html"
    plan(*asked, "-c", "8192", "--html", str(page))
    text = page.read_text("utf-8")
    assert "gpu0" in text
    assert "gpu1" in text


def families():
    """One model of each golden file: every architecture that the closed forms know."""
    for path in sorted(GOLDEN.glob("*.json")):
        name = json.loads(path.read_text("utf-8"))["models"][0]["name"]
        yield pytest.param(name, id=path.stem)


@pytest.mark.parametrize("name", list(families()))
def test_every_known_family_is_split_as_the_engine_splits_it(prober, name):
    model = published(name, "F16")
    for gpus, less in ((MACHINES[0], 0), (MACHINES[2], model.block_count // 3)):
        settings = Settings(ctx_size=2048, n_gpu_layers=model.block_count + 1 - less)
        answer = prober.ask(Probe(model, settings, gpus))
        assert isinstance(answer, Probed), answer
        split = replace(settings, tensor_split=parts_by_size(gpus))
        placement = place(model, split, gpus=len(gpus))
        for device in placement.devices:
            mine = [layer for layer, where in zip(model.layers, placement.blocks, strict=True) if where == device]
            kept = sum(kv.layer_bytes(layer, split, device=device, widest=None) for layer in mine)
            kept += sum(state.layer_state(layer, sequences=1, device=device) for layer in mine)
            buffers = [buffer for buffer in answer.buffers if buffer.device == device]
            assert held(model, placement, device).bytes == sum(buffer.model for buffer in buffers)
            assert kept == sum(buffer.context for buffer in buffers)
