"""The engine's answer laid over ours."""

from msgspec.structs import replace

from aidx.budget.allocate import allocate
from aidx.budget.reconcile import from_engine, reconcile
from aidx.budget.settings import Settings
from aidx.plan.probe import Buffer
from tests.fakes.models import qwen2

BUILD = "xllamacpp 2026.10.11549"
MODEL = qwen2(blocks=4)
SETTINGS = Settings(ctx_size=8192, n_gpu_layers=5, cache_type_k="q8_0", cache_type_v="q8_0")
OURS = allocate(MODEL, SETTINGS, gpus=1)


def size(device, *kinds, entries=OURS):
    return sum(entry.bytes for entry in entries.get(device, ()) if entry.what in kinds)


def answer(device="gpu0", name="CUDA0", **changed):
    """What the engine would answer if it agreed, less or more what is *changed*."""
    agreed = {
        "model": size(device, "weights"),
        "context": size(device, "kv_cache", "recurrent_state"),
        "compute": size(device, "compute", "scratch"),
    }
    return Buffer(device, name, **{key: agreed[key] + changed.get(key, 0) for key in agreed})


def graded(entries, device="gpu0"):
    return {entry.what: (entry.bytes, entry.grade) for entry in entries[device]}


def test_what_agrees_stays_exact_and_compute_becomes_the_engines():
    both = reconcile(OURS, [answer(), answer("host", "CUDA_Host")], build=BUILD)

    assert graded(both)["weights"] == (size("gpu0", "weights"), "exact")
    assert graded(both)["kv_cache"] == (size("gpu0", "kv_cache"), "exact")
    assert graded(both)["compute"] == (size("gpu0", "compute"), "engine")
    assert graded(both)["scratch"] == (size("gpu0", "scratch"), "engine")
    assert graded(both, "host")["output"] == (size("host", "output"), "exact")
    assert list(both) == ["gpu0", "host"]
    assert BUILD in next(entry.why for entry in both["gpu0"] if entry.what == "compute")


def test_where_it_differs_the_engine_is_right():
    both = reconcile(OURS, [answer(model=7, context=-9, compute=11)], build=BUILD)

    assert graded(both)["weights"] == (size("gpu0", "weights") + 7, "engine")
    assert graded(both)["kv_cache"] == (size("gpu0", "kv_cache") - 9, "engine")
    assert graded(both)["compute"] == (size("gpu0", "compute") + 11, "engine")
    assert BUILD in next(entry.why for entry in both["gpu0"] if entry.what == "weights")


def test_repacked_weights_are_an_entry_of_their_own():
    ours = allocate(MODEL, replace(SETTINGS, n_gpu_layers=0), gpus=0)
    plain = size("host", "weights", entries=ours)
    buffers = [Buffer("host", "CPU", plain - 1000, 0, 5), Buffer("host", "CPU_REPACK", 1000, 0, 0)]
    both = graded(reconcile(ours, buffers, build=BUILD), "host")

    assert both["weights"] == (plain - 1000, "engine")
    assert both["repack"] == (1000, "engine")
    # Modelled bytes that the engine confirms are the engine's too.
    confirmed = graded(reconcile(ours, [Buffer("host", "CPU", plain, 0, 5)], build=BUILD), "host")
    assert confirmed["weights"] == (plain, "engine")


def test_scratch_that_the_engine_does_not_have_room_for_is_not_told_apart():
    both = graded(reconcile(OURS, [Buffer("gpu0", "CUDA0", 0, 0, 1000)], build=BUILD))

    assert both == {"compute": (1000, "engine")}


def test_state_is_kept_beside_the_cache():
    state = replace(OURS["gpu0"][0], what="recurrent_state", bytes=500)
    ours = {"gpu0": (state,), "host": ()}

    assert graded(reconcile(ours, [Buffer("gpu0", "CUDA0", 0, 800, 0)], build=BUILD)) == {
        "recurrent_state": (500, "exact"),
        "kv_cache": (300, "engine"),
    }
    assert graded(reconcile(ours, [Buffer("gpu0", "CUDA0", 0, 400, 0)], build=BUILD)) == {"kv_cache": (400, "engine")}


def test_an_unknown_architecture_has_the_engines_entries_alone():
    settings = replace(SETTINGS, parallel=2, cache_ram=77, ctx_checkpoints=3)
    model = replace(MODEL, layers=None)
    both = from_engine(model, settings, [Buffer("gpu0", "CUDA0", 1, 2, 3)], build=BUILD)

    assert graded(both) == {"weights": (1, "engine"), "kv_cache": (2, "engine"), "compute": (3, "engine")}
    assert graded(both, "host") == {
        "output": (152064 * 2 * 4, "exact"),
        "prompt_cache": (77, "exact"),
        "checkpoints": (6, "modelled"),
    }
    bare = from_engine(model, SETTINGS, [], build=BUILD)
    assert graded(bare, "host") == {"output": (152064 * 4, "exact")}
