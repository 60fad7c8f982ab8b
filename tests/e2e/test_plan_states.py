"""Plans of models that keep a state, as a user reads them: no cache, nothing that grows, slots multiply.

Expected bytes: the pinned engine's own (``tests/golden/arch``), never ours.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.test_plan import aidx, entries, plan
from tests.fakes.published import GOLDEN, hollow_file, published
from tests.fakes.reader import Reader

CARD = ("--vram", "4GiB", "--host-ram", "8GiB")
# What the engine keeps for one sequence, on a CPU; a card's alignment of 128 bytes changes neither.
KEPT = {
    "mamba-2.8b": json.loads(GOLDEN.joinpath("mamba.json").read_text("utf-8"))["models"][0]["context"],
    "rwkv7-1.5b": json.loads(GOLDEN.joinpath("rwkv7.json").read_text("utf-8"))["models"][0]["context"],
}
over_models = pytest.mark.parametrize("name", sorted(KEPT))
File = Callable[[str], str]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> File:
    folder = tmp_path_factory.mktemp("states")
    return lambda name: hollow_file(published(name), folder)


@over_models
def test_there_is_no_cache_and_nothing_grows(file: File, name: str) -> None:
    found = plan(file(name), *CARD)
    gpu, role = entries(found), found["roles"][0]
    assert found["verdict"] == "fits"
    assert "kv_cache" not in gpu
    assert gpu["recurrent_state"] == gpu["recurrent_state"] | {"bytes": KEPT[name], "grade": "exact"}
    assert role["growth"]["bytes_per_token"] == 0
    assert role["growth"]["memory_full_at_turn"] is None
    assert role["max_ctx_size"] == role["model"]["context_length"] == role["settings"]["n_ctx"]


@over_models
def test_a_state_is_as_large_at_any_context_and_slots_multiply_it(file: File, name: str) -> None:
    def state(*arguments: str) -> int:
        size: int = entries(plan(file(name), *CARD, *arguments))["recurrent_state"]["bytes"]
        return size

    assert state("-c", "512") == state("-c", "65536") == KEPT[name]
    assert state("-np", "3") == 3 * KEPT[name]
    assert state("-np", "3", "-c", "4096", "--no-kv-unified") == 3 * KEPT[name]


@over_models
def test_a_checkpoint_is_a_copy_of_the_state(file: File, name: str) -> None:
    found = plan(file(name), *CARD, "-c", "4096", "-np", "2", "--ctx-checkpoints", "4")
    each, rest = divmod(entries(found, 1)["checkpoints"]["bytes"], 4 * 2)
    assert rest == 0
    assert KEPT[name] < each < KEPT[name] + 4096  # with what the engine writes around the data


@over_models
def test_the_table_and_the_equations_say_so(file: File, name: str) -> None:
    table = aidx("plan", file(name), *CARD).stdout
    assert "no KV cache" in table
    assert "▓ state " in table
    assert "▓ kv " not in table
    assert "nothing grows with the context" in table
    assert "kv_cache = 0 B: no block has KV heads" in aidx("plan", file(name), *CARD, "--explain").stdout


@over_models
def test_the_page_names_no_cache_types(file: File, name: str, tmp_path: Path) -> None:
    page = tmp_path / "plan.html"
    aidx("plan", file(name), *CARD, "--html", str(page), "-q")
    words = Reader(page.read_text("utf-8")).words
    assert "none: no block has attention" in words
    assert "Recurrent state" in words
    assert "KV cache types" in words


@over_models
def test_a_cache_type_is_no_way_out_where_there_is_no_cache(file: File, name: str) -> None:
    found = plan(file(name), "--vram", "1GiB", "--host-ram", "8GiB", "-ngl", "all", "-np", "8", code=3)
    assert found["verdict"] == "does_not_fit"
    assert not any("--cache-type" in other["change"] for other in found["alternatives"])


def test_attention_and_state_side_by_side_are_both_counted(file: File) -> None:
    found = plan(file("falcon-h1-0.5b"), *CARD, "-c", "4096")
    gpu = entries(found)
    golden: dict[str, Any] = json.loads(GOLDEN.joinpath("falcon_h1.json").read_text("utf-8"))["models"][0]
    assert gpu["kv_cache"]["bytes"] + gpu["recurrent_state"]["bytes"] == golden["context"]
    assert found["roles"][0]["growth"]["bytes_per_token"] == 36 * 2 * 2 * 64 * 2  # blocks, heads, K and V, f16


def test_a_quantized_cache_that_the_engine_refuses_is_refused_before_and_never_offered(
    file: File, tmp_path: Path
) -> None:
    """The engine holds the type against a length of V that the file lacks: 2304 / 32 heads are no blocks of 32."""
    model = file("kimi-linear-48b-a3b")
    card = ("--vram", "48GiB", "--host-ram", "64GiB")
    found = plan(model, *card, "-ngl", "all", "-c", "524288", "-np", "8")
    assert not any("--cache-type" in other["change"] for other in found["alternatives"])
    assert "notes" not in found
    aidx("plan", model, *card, "-ctk", "q8_0", "-ctv", "q8_0", code=2)
