"""A context beyond the trained length, batches beyond each other: what a plan says of them is what runs."""

import json
from pathlib import Path

import pytest
from tests.running import ended

LONG = '[roles.editor]\nmodel = "aidx-tiny"\nctx_size = 2048\n'


def test_a_longer_context_than_trained_says_what_of_it_is_of_use() -> None:
    found = json.loads(ended("plan", "aidx-tiny", "--vram", "0", "-c", "2048", "--json").stdout)
    (note,) = found["notes"]
    assert note == (
        "context 2,048 is longer than the model was trained for (1,024): llama.cpp's server ends each slot there, "
        "1,024 cells stay empty"
    )
    assert found["roles"][0]["growth"]["context_full_at_turn"] == 2  # of 600 tokens, in 1,024
    several = json.loads(ended("plan", "aidx-tiny", "--vram", "0", "-c", "2048", "-np", "2", "--json").stdout)
    assert "notes" not in several, "two slots fill it, each as far as the model was trained"


@pytest.mark.parametrize("command", [("plan",), ("checklist",), ("serve", "--port", "0"), ("export", "llama-server")])
@pytest.mark.parametrize(
    ("bounds", "says"),
    [
        ("max_tokens = 1500", "roles.editor: --max-tokens 1500 does not fit into a context of 1024"),
        ("gate = 1024\nmax_tokens = 512", "roles.editor: gate and max_tokens take 1,536 tokens of a context of 1,024"),
    ],
)
def test_bounds_get_the_same_verdict_everywhere(
    tmp_path: Path, command: tuple[str, ...], bounds: str, says: str
) -> None:
    (tmp_path / "aidx.toml").write_text(LONG + bounds)
    done = ended(*command, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    line, hint = done.stderr.splitlines()
    assert line == f"aidx: {says}"
    assert "the model was trained for no more" in hint
    assert "larger" not in hint


def test_a_stress_run_gives_the_same_verdict(tmp_path: Path) -> None:
    (tmp_path / "aidx.toml").write_text(f"{LONG}max_tokens = 1500\n")
    done = ended("stress", folder=tmp_path)
    assert done.returncode == 2
    assert "--max-tokens 1500 does not fit into a context of 1024" in done.stderr


def test_a_context_below_the_trained_length_may_be_larger(tmp_path: Path) -> None:
    (tmp_path / "aidx.toml").write_text('[roles.editor]\nmodel = "aidx-tiny"\nctx_size = 512\nmax_tokens = 600\n')
    done = ended("plan", folder=tmp_path)
    assert done.returncode == 2
    assert "a larger ctx_size, up to the 1,024 tokens that the model was trained for" in done.stderr


def test_a_prompt_beyond_the_trained_length_is_told_so() -> None:
    done = ended("ask", "x " * 3000, "--model", "aidx-tiny", "--url", "")
    assert done.returncode == 3
    line, hint = done.stderr.splitlines()
    assert "the maximum context length is 1024 tokens" in line
    assert hint == (
        "hint: Send a shorter prompt, or ask for fewer max_tokens; the model was trained for 1,024 tokens, "
        "and no context is longer."
    )


def test_a_choice_of_one_model_says_it_too() -> None:
    done = ended("choose", "aidx-tiny", "--vram", "0", "-c", "2048")
    assert "context 2,048 is longer than the model was trained for (1,024)" in done.stdout
    assert "trained" not in ended("choose", "aidx-tiny", "--vram", "0", "-c", "1024").stdout


@pytest.mark.parametrize(
    ("memory", "context", "code", "says"),
    [
        ("1GiB", "131072", 3, "nothing holds at a context of 131,072: "),
        ("1GiB", "99999999", 2, " models whose weights could be held was trained for 99,999,999 tokens"),
    ],
)
def test_a_choice_among_all_speaks_of_all(memory: str, context: str, code: int, says: str) -> None:
    done = ended("choose", "--vram", memory, "--host-ram", memory, "-c", context, "--fast", "-q")
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr.splitlines()[0]


BATCH = "--ubatch-size 1024 is more than --batch-size 512, and the engine computes no more at once: it counts as 512"


@pytest.mark.parametrize("command", ["plan", "checklist", "export"])
def test_a_physical_batch_beyond_the_logical_one_is_said(command: str) -> None:
    words = ("llama-server", "aidx-tiny") if command == "export" else ("aidx-tiny",)
    done = ended(command, *words, "--vram", "0", "-b", "512", "-ub", "1024")
    assert BATCH in done.stdout + done.stderr


def test_it_is_said_in_json_and_by_a_choice_and_by_a_stress_run() -> None:
    words = ("aidx-tiny", "--vram", "0", "-b", "512", "-ub", "1024")
    assert BATCH in json.loads(ended("plan", *words, "--json").stdout)["notes"]
    assert BATCH in ended("choose", *words).stdout.replace("\n  ", " ")
    assert BATCH in ended("stress", *words, "-c", "256", "--turns", "6").stdout
    same = json.loads(ended("plan", "aidx-tiny", "--vram", "0", "-b", "512", "-ub", "512", "--json").stdout)
    clamped = json.loads(ended("plan", *words, "--json").stdout)
    compute = [
        [e["bytes"] for e in found["devices"][0]["entries"] if e["what"] == "compute"] for found in (same, clamped)
    ]
    assert compute[0] == compute[1]


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("stress",)])
def test_the_plan_that_a_hint_names_is_the_one_that_did_not_hold(command: tuple[str, ...]) -> None:
    devices = ("--vram", "2GiB", "--host-ram", "1GiB", "-ngl", "all")
    done = ended(command[0], "qwen2.5-coder:14b", *devices, *command[1:])
    assert done.returncode == 3
    hint = done.stderr.splitlines()[-1]
    asked = "qwen2.5-coder:14b --n-gpu-layers all --vram 2GiB --host-ram 1GiB"
    assert hint == f"hint: No single change is enough: see aidx plan {asked}."


@pytest.mark.parametrize(
    ("first", "changes"),
    [("5620MiB", ["--n-gpu-layers 27", "--ctx-size 256"]), ("6GiB", ["--n-gpu-layers 29", "--ctx-size 3072"])],
)
def test_a_context_of_no_use_is_the_last_way_out(first: str, changes: list[str]) -> None:
    devices = ("--vram", first, "--vram", "4GiB", "--host-ram", "16GiB")
    done = ended("plan", "qwen2.5-coder:14b", *devices, "-c", "32768", "-ngl", "all", "--json")
    ways = [way for way in json.loads(done.stdout)["alternatives"] if "not enough alone" not in way["cost"]]
    assert [way["change"] for way in ways] == changes
