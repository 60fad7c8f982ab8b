"""Machines whose GPU works in the host's RAM, by name: one pool, planned as such, with the real engine."""

import json
from importlib.resources import files
from pathlib import Path

import jsonschema_rs
import pytest
from tests.running import ended

GIB = 1 << 30


@pytest.mark.parametrize(
    ("gpu", "ram", "limit"),
    [("apple-m4-max-64gb", 64 * GIB, 48 * GIB), ("strix-halo-32gb", 63 * GIB // 2, 65 * GIB // 4)],
)
def test_a_plan_has_one_pool(gpu: str, ram: int, limit: int) -> None:
    done = ended("plan", "qwen2.5-coder:14b", "--gpu", gpu, "-c", "8192", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    (card, host) = found["devices"]
    assert (card["total_bytes"], host["total_bytes"]) == (limit, ram)
    carved = 512 << 20 if gpu.startswith("strix") else 0
    taken = card["planned_bytes"] - carved
    assert host["usable_bytes"] == ram - taken
    assert [entry["bytes"] for entry in host["entries"] if entry["what"] == "desktop"] == [taken]
    assert any("its GPU may take" in note and "assumed" in note for note in found["notes"])


def test_what_the_gpu_may_take_is_not_the_whole() -> None:
    done = ended("plan", "qwen2.5-coder:32b", "--gpu", "apple-m4-24gb", "-ngl", "all", "-c", "2048", "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["devices"][0]["total_bytes"] == 16 * GIB


def test_they_are_listed_with_their_sources() -> None:
    found = json.loads(ended("devices", "--cards", "--json").stdout)
    jsonschema_rs.validator_for(json.loads((files("aidx") / "data/schemas/cards.json").read_text())).validate(found)
    chips = {card["name"]: card for card in found["cards"] if card["unified_bytes"]}
    assert chips["apple-m4-max-64gb"]["ram_bytes"] == 64 * GIB
    assert "llama.cpp #3213" in chips["apple-m4-max-64gb"]["total_source"]
    assert "apple-m4-max-64gb         49,152 MiB of 64.00 GiB" in ended("devices", "--cards").stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--gpu", "m4-max"), "--gpu m4-max may be apple-m4-max-36gb"),
        (("--gpu", "apple-m4-16gb", "--gpu", "rtx-3090"), "shares the RAM of its machine"),
        (("--gpu", "apple-m4-16gb", "--host-ram", "32GiB"), "--host-ram says another size"),
        (("--gpu", "apple-m4-65gb"), "unknown GPU 'apple-m4-65gb' (close: apple-m4-"),
    ],
)
def test_what_contradicts_is_one_line_and_a_hint(words: tuple[str, ...], says: str) -> None:
    done = ended("plan", "aidx-tiny", *words)
    assert (done.returncode, done.stdout) == (2, "")
    line, hint = done.stderr.splitlines()
    assert says in line
    assert hint.startswith("hint: ")


def test_a_configured_card_is_the_machine_of_a_role_that_is_asked(tmp_path: Path) -> None:
    (tmp_path / "aidx.toml").write_text('[device]\ngpu = ["no-such-card"]\n[roles.editor]\nmodel = "aidx-tiny"\n')
    done = ended("ask", "hello", "--role", "editor", folder=tmp_path)
    assert done.returncode == 2
    assert "unknown GPU 'no-such-card'" in done.stderr
