"""`aidx plan` and `aidx checklist` as a user runs them, with the real engine.

Expected bytes: the pinned engine's own figures and the published file (facts of Qwen2.5-Coder-14B), never ours.
"""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from msgspec.structs import replace
from tests.fakes.models import qwen2
from tests.running import aidx, ended

from aidx.model.gguf.render import data_size, lay_out, render_header

CARD = ("--vram", "12GiB", "--host-ram", "16GiB")
MODEL = "qwen2.5-coder:14b-instruct-q4_K_M"


def plan(*arguments: str, code: int = 0) -> dict[str, Any]:
    found = json.loads(aidx("plan", *arguments, "--json", code=code).stdout)
    schema = json.loads((files("aidx") / "data" / "schemas" / "plan.json").read_text())
    jsonschema_rs.validator_for(schema).validate(found)
    return found


def entries(found: dict[str, Any], device: int = 0) -> dict[str, dict[str, Any]]:
    return {entry["what"]: entry for entry in found["devices"][device]["entries"]}


def test_the_article_s_editor_on_12_gb_to_the_byte() -> None:
    found = plan(MODEL, *CARD, "-c", "8192")
    gpu, host = entries(found), entries(found, 1)
    assert found["verdict"] == "fits"
    assert found["roles"][0]["model"]["file_bytes"] == 8_988_110_272  # the published file
    assert gpu["weights"]["bytes"] == 8_544_198_656  # the engine's model buffer on a CUDA-like device
    assert gpu["kv_cache"]["bytes"] == 1536 << 20  # 48 layers x 8,192 x 8 heads x 128 x 2 x 2 B, as the engine logs
    assert gpu["compute"] == gpu["compute"] | {"bytes": 135_280_768, "grade": "engine"}  # 129.01 MiB in this build
    assert host["weights"]["bytes"] == 437_944_320  # token embeddings stay on the host
    assert host["output"]["bytes"] == 152_064 * 4


def test_fast_is_never_under_and_at_most_one_percent_over() -> None:
    asked, fast = plan(MODEL, *CARD, "-c", "8192"), plan(MODEL, *CARD, "-c", "8192", "--fast")
    engine = sum(device["planned_bytes"] for device in asked["devices"])
    closed = sum(device["planned_bytes"] for device in fast["devices"])
    assert engine <= closed <= engine * 1.01
    assert {entry["grade"] for entry in fast["devices"][0]["entries"]}.isdisjoint({"engine"})


def test_the_longest_context_fits_and_256_tokens_more_do_not() -> None:
    reach = plan(MODEL, *CARD)["roles"][0]["max_ctx_size"]
    assert plan(MODEL, *CARD, "-ngl", "all", "-c", str(reach))["verdict"] == "fits"
    assert plan(MODEL, *CARD, "-ngl", "all", "-c", str(reach + 256), code=3)["verdict"] == "does_not_fit"


def test_quantized_cache_takes_scratch_on_the_gpu() -> None:
    found = entries(plan(MODEL, *CARD, "-c", "8192", "-ctk", "q8_0", "-ctv", "q8_0"))
    assert found["kv_cache"]["bytes"] == 816 << 20
    assert found["scratch"]["bytes"] == 2 * (1024 + 1024) * 8192  # f16 copies of K and V of one layer


def test_without_a_gpu_the_plan_fits_on_the_host() -> None:
    found = plan("aidx-tiny", "--vram", "0")
    assert found["verdict"] == "fits"
    assert [device["kind"] for device in found["devices"]] == ["host"]
    assert found["roles"][0]["model"]["source"] == "shipped"
    assert found["roles"][0]["settings"]["n_gpu_layers"] == 0


def test_explain_fills_in_the_numbers() -> None:
    text = aidx("plan", MODEL, *CARD, "-c", "8192", "--explain").stdout
    assert "layers: 48 x 8 KV heads x (128 K + 128 V)" in text
    assert "headroom = 12,884,901,888 - " in text


def test_the_table_says_verdict_binding_and_longest_context() -> None:
    text = aidx("plan", MODEL, *CARD, "-c", "8192").stdout
    for expected in ("fits: gpu0", "binding: gpu0", "longest context that holds", "growth:", "engine"):
        assert expected in text


def test_html_writes_one_page(tmp_path: Path) -> None:
    page = tmp_path / "plan.html"
    aidx("plan", "aidx-tiny", "--vram", "0", "--html", str(page), "-q")
    text = page.read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "https://" not in text


def test_the_checklist_shows_the_article_beside_the_exact_figures() -> None:
    found = json.loads(aidx("checklist", *CARD, "--json", "-c", "2048").stdout)
    claims = {row["claim"]: row for row in found["article"]}
    assert len(claims) >= 11
    window = claims["KV cache ~2 GB per 8,192 tokens (14B)"]
    assert window == window | {"exact_bytes": 1536 << 20, "verdict": "conservative"}
    assert claims["weights at FP16 ~28 GB"]["exact_bytes"] == 29_541_748_736
    assert claims["weights at Q4_K_M ~8 GB"] == claims["weights at Q4_K_M ~8 GB"] | {
        "exact_bytes": 8_544_198_656,
        "verdict": "holds",
    }
    assert [step["status"] for step in found["steps"]] == ["ok", "ok", "ok", "ok", "open", "open"]


@pytest.mark.parametrize(
    "asked",
    [
        ("gpt-oss-20b", "--vram", "8GiB", "--host-ram", "64GiB", "-c", "4096"),  # split by experts
        (MODEL, "--vram", "8GiB", "--host-ram", "16GiB", "-c", "4096"),  # split by layers
        (MODEL, "--vram", "9GiB", "--host-ram", "16GiB", "-c", "8192", "-ngl", "all"),  # does not fit
    ],
)
def test_a_way_out_typed_as_printed_does_what_it_says(asked: tuple[str, ...]) -> None:
    before = json.loads(plan_json("plan", *asked))
    assert before["alternatives"]
    for other in before["alternatives"]:
        words = other["change"].split()
        command = without(asked, "--quant" if "--quant" in words else "", *words)
        after = json.loads(plan_json("plan", *command, *words))
        tight = min(range(2), key=lambda device: before["devices"][device]["headroom_bytes"])
        saved = [found["devices"][tight]["planned_bytes"] for found in (before, after)]
        assert saved[0] - saved[1] == other["saves_bytes"], other
        assert after["roles"][0]["max_ctx_size"] == other["max_ctx_size"], other
        assert (after["verdict"] == "does_not_fit") == ("not enough alone" in other["cost"]), other


def plan_json(*arguments: str) -> str:
    """Standard output of a plan, whatever its verdict."""
    done = ended(*arguments, "--json")
    assert done.returncode in {0, 3}, done
    return done.stdout


def without(asked: tuple[str, ...], quant: str, *flags: str) -> tuple[str, ...]:
    """*asked* less the quantization in its model's name where *quant* replaces it, and less repeated *flags*."""
    model = "qwen2.5-coder:14b" if quant and asked[0] == MODEL else asked[0]
    return (model, *(word for word in asked[1:] if word not in {"-ngl", "all"} or "--n-gpu-layers" not in flags))


def ghost(folder: Path, architecture: str) -> str:
    """A file with a Qwen 2's header under the name of *architecture*, its data a hole."""
    header = qwen2(blocks=4).header
    metadata = {
        key.replace("qwen2.", f"{architecture}."): architecture if key == "general.architecture" else value
        for key, value in header.metadata.items()
    }
    tensors = lay_out(header.tensors, 32)
    written = render_header(replace(header, metadata=metadata, tensors=tensors))
    path = folder / f"{architecture}.gguf"
    with path.open("wb") as file:
        file.write(written)
        file.truncate(len(written) + data_size(tensors))
    return str(path)


def test_an_architecture_that_only_the_engine_knows_is_answered_by_it(tmp_path: Path) -> None:
    model = ghost(tmp_path, "llama-embed")
    found = plan(model, "--vram", "8GiB", "--host-ram", "8GiB")
    gpu = entries(found)
    assert found["verdict"] == "fits"
    assert gpu["weights"]["grade"] == gpu["kv_cache"]["grade"] == gpu["compute"]["grade"] == "engine"
    aidx("plan", model, "--vram", "8GiB", "--host-ram", "8GiB", "--fast", code=2)


def test_an_architecture_that_nobody_knows_lists_the_known_ones(tmp_path: Path) -> None:
    done = aidx("plan", ghost(tmp_path, "nonesuch"), "--vram", "0", code=2)
    assert "nonesuch" in done.stderr.splitlines()[0]
    assert "qwen3next" in done.stderr.splitlines()[1]


@pytest.mark.parametrize("flag", ["-ctk", "-ctv"])
@pytest.mark.parametrize("context", [(), ("-c", "512")])
def test_an_unknown_cache_type_is_refused_whatever_the_context(flag: str, context: tuple[str, ...]) -> None:
    aidx("plan", "aidx-tiny", "--vram", "0", flag, "q9_9", *context, code=2)


def test_sizes_in_mib_may_be_large() -> None:
    found = entries(plan("aidx-tiny", "--vram", "0", "--host-ram", "64GiB", "--cache-ram", "8192"))
    assert found["prompt_cache"]["bytes"] == 8192 << 20


def test_the_checklist_s_commands_prove_the_same_plan() -> None:
    asked = ("--vram", "12GiB", "--host-ram", "16GiB", "-c", "8192", "--quant", "Q8_0")
    steps = json.loads(aidx("checklist", "qwen2.5-coder:14b", *asked, "--json").stdout)["steps"]
    command = steps[3]["command"].split()
    assert command[:2] == ["aidx", "plan"]
    again = json.loads(aidx(*command[1:-1], "--json").stdout)
    assert again["plan_hash"] in steps[5]["proof"]


@pytest.mark.parametrize("card", ["10GiB", "24GiB"])
def test_another_card_moves_the_numbers(card: str) -> None:
    here, there = plan(MODEL, *CARD), plan(MODEL, "--vram", card, "--host-ram", "16GiB")
    assert here["roles"][0]["max_ctx_size"] != there["roles"][0]["max_ctx_size"]
    assert here["devices"][0]["usable_bytes"] != there["devices"][0]["usable_bytes"]
