"""Bad input ends in one line, one hint and the right exit code; never in a traceback."""

import json
import os
import struct
from pathlib import Path

import pytest
from tests.running import ended

LINE = "aidx: "


def refused(*arguments: str, code: int, says: str) -> str:
    done = ended(*arguments)
    lines = done.stderr.splitlines()
    assert done.returncode == code, done
    assert done.stdout == ""
    assert lines[0].startswith(LINE)
    assert says in lines[0], lines
    assert len(lines) == 1 or (len(lines) == 2 and lines[1].startswith("hint: ")), lines
    return done.stderr


@pytest.fixture
def tiny() -> str:
    return "aidx-tiny"


def test_a_missing_file(tmp_path: Path) -> None:
    refused("plan", str(tmp_path / "gone.gguf"), code=2, says="gone.gguf")


def test_a_directory(tmp_path: Path) -> None:
    refused("plan", str(tmp_path), code=2, says="directory")


def test_a_fifo(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.gguf"
    os.mkfifo(pipe)
    refused("plan", str(pipe), code=2, says="pipe.gguf")


def test_the_bare_name_of_a_folder_or_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mymodel").mkdir()
    os.mkfifo("pipe")
    refused("plan", "mymodel", code=2, says="mymodel: a directory")
    (tmp_path / "mymodel" / "a b.gguf").touch()
    assert "Name the file: mymodel/a b.gguf" in refused("plan", "mymodel", code=2, says="mymodel: a directory")
    refused("plan", "pipe", code=2, says="pipe: a named pipe, not a GGUF model")


def test_a_text_file(tmp_path: Path) -> None:
    text = tmp_path / "notes.gguf"
    text.write_text("these are notes, not a model\n" * 40)
    refused("plan", str(text), code=2, says="notes.gguf")


def test_an_empty_file(tmp_path: Path) -> None:
    empty = tmp_path / "empty.gguf"
    empty.touch()
    refused("plan", str(empty), code=2, says="empty")


def test_a_truncated_header(tmp_path: Path) -> None:
    from importlib.resources import files

    whole = (files("aidx") / "data" / "aidx-tiny.gguf").read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(whole[:3000])
    refused("plan", str(cut), code=2, says="cut.gguf")


def test_the_192_byte_header_that_hangs_other_readers(tmp_path: Path) -> None:
    # one u8 array of 2^64-1 items at the end of the file (facts: gguf.GGUFReader never returns from it)
    key = b"general.architecture"
    body = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", len(key)) + key
    body += struct.pack("<IIQ", 9, 0, (1 << 64) - 1)
    hostile = tmp_path / "hostile.gguf"
    hostile.write_bytes(body.ljust(192, b"\0"))
    refused("plan", str(hostile), code=2, says="hostile.gguf")


def test_an_unknown_name_proposes_near_ones() -> None:
    message = refused("plan", "qwen2.5-coder:15b", code=2, says="qwen2.5-coder:15b")
    assert "qwen2.5-coder-14b" in message


def test_an_unknown_quantization() -> None:
    refused("plan", "qwen2.5-coder:14b", "--quant", "Q4_K_X", code=2, says="Q4_K_X")


def test_context_zero(tiny: str) -> None:
    refused("plan", tiny, "--ctx-size", "0", code=2, says="--ctx-size 0")


def test_quantized_v_without_flash_attention(tiny: str) -> None:
    message = refused(
        "plan", tiny, "--vram", "0", "--flash-attn", "off", "--cache-type-v", "q8_0", code=2, says="flash"
    )
    assert "--flash-attn on" in message or "f16" in message


def test_a_size_with_an_unknown_unit(tiny: str) -> None:
    refused("plan", tiny, "--vram", "12Q", code=2, says="12Q")


def test_an_unknown_option_names_the_command(tiny: str) -> None:
    message = refused("plan", tiny, "--ctx-sise", "1", code=2, says="--ctx-sise")
    assert "aidx plan --help" in message


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--vram", "0", "-ngl", "all"), "--n-gpu-layers all, but no GPU is planned"),
        (("--vram", "0", "--vram", "8G"), "--vram 0 plans for the CPU alone, and another --vram for a GPU"),
        (("--vram", "0", "--vram", "0"), "--vram 0 plans for the CPU alone, and is given twice"),
        (("--vram", "0", "--driver", "1G"), "--vram 0 plans for none"),
        (("--vram", "0", "-ts", "1,1"), "--tensor-split 1,1, but no GPU is planned"),
        (("--vram", "8G", "--gpu", "rtx-4090"), "--gpu and --vram"),
        (("--gpu", "rtx-3060"), "may be rtx-3060-12gb or rtx-3060-8gb"),
        (("--gpu", "rtx-3061-12gb"), "rtx-3060-12gb"),
        (("--vram", "8G", "-ts", "3,1"), "has 2 parts, and 1 GPU is planned"),
        (("--vram", "8G", "--vram", "4G", "-ts", "3"), "has 1 part, and 2 GPUs are planned"),
        (("--vram", "8G", "--vram", "4G", "-ts", "0,0"), "gives no GPU a layer"),
        (("--vram", "8G", "--vram", "4G", "-ts", "a,b"), "no list of numbers"),
        (("--vram", "8G", "--vram", "4G", "-ts", "1,1", "-sm", "none"), "--split-mode none does not"),
        (("--vram", "8G", "--vram", "4G", "-mg", "1"), "changes nothing with --split-mode layer"),
        (("--vram", "8G", "--vram", "4G", "-sm", "none", "-mg", "2"), "--main-gpu 2 is not planned"),
        (("--vram", "8G", "-sm", "row"), "row"),
        (("--vram", "8G", "--cpu-moe", "--n-cpu-moe", "3"), "--cpu-moe"),
        (("--vram", "8G", "--cpu-moe"), "aidx-tiny has no experts"),
    ],
)
def test_flags_about_gpus_that_contradict_each_other(tiny: str, flags: tuple[str, ...], says: str) -> None:
    assert "hint: " in refused("plan", tiny, *flags, code=2, says=says)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--vram", "99999999999999999999GiB"), "more than any machine has"),
        (("--host-ram", "2000000TiB"), "more than any machine has"),
        (("--driver", "1025TiB", "--vram", "8G"), "more than any machine has"),
        (("--vram", "-8G"), "is not a size"),
        (("--vram", "NaN"), "is not a size"),
        (("--vram", "1e3G"), "is not a size"),
        (("--vram", "\uff18G"), "is not a size"),
        (("-c", "\uff14\uff10\uff19\uff16"), "neither a whole number nor max"),
        (("-c", "4_096"), "neither a whole number nor max"),
        (("-c", "9" * 5000), "neither a whole number nor max"),
        (("-c", "9" * 20), "is too large"),
        (("-np", "\uff12"), "is no whole number"),
        (("-ub", "1e3"), "is no whole number"),
        (("-ngl", "-1"), "is too small"),
        (("--cache-ram", "9" * 20), "not in the range"),
        (("--cache-ram", "-1"), "not in the range"),
        (("--vram", "8G", "--vram", "8G", "-ts", "1e308,1e308"), "no amount"),
        (("--kv-unified", "--no-kv-unified"), "--kv-unified and --no-kv-unified contradict each other"),
    ],
)
def test_numbers_that_are_none_and_values_that_contradict_each_other(flags: tuple[str, ...], says: str) -> None:
    message = refused("plan", "aidx-tiny", "--fast", *flags, code=2, says=says)
    assert len(message) < 500


def test_of_two_values_the_last_counts_and_it_is_said() -> None:
    """Ways out can be typed behind the command that they belong to."""
    once = ended("plan", "aidx-tiny", "--fast", "--json", "--ctx-size", "512")
    twice = ended("plan", "aidx-tiny", "--fast", "--json", "-c", "1024", "--ctx-size", "512")

    assert json.loads(once.stdout)["plan_hash"] == json.loads(twice.stdout)["plan_hash"]
    assert (once.stderr, twice.stderr) == ("", "aidx: --ctx-size 512 counts, and not the 1024 before it\n")


def test_short_names_are_those_of_llama_cpp() -> None:
    short = ("-c", "512", "-np", "2", "-fa", "on", "-cram", "64", "-ctxcp", "1", "-no-kvu")
    long = ("--ctx-size", "512", "--parallel", "2", "--flash-attn", "on", "--cache-ram", "64", "--ctx-checkpoints", "1")
    plans = [
        json.loads(ended("plan", "aidx-tiny", "--fast", "--json", *words).stdout)
        for words in (short, (*long, "--no-kv-unified"))
    ]
    assert plans[0]["plan_hash"] == plans[1]["plan_hash"]


def test_what_is_said_twice_in_the_same_words_holds() -> None:
    twice = ("-c", "512", "--ctx-size", "512", "--fast", "--fast", "--json", "--json", "--vram", "8G", "--vram", "4G")
    plan = json.loads(ended("plan", "aidx-tiny", *twice).stdout)
    assert plan["roles"][0]["settings"]["ctx_size"] == 512
    assert len(plan["devices"]) == 3


def test_a_model_that_does_not_fit_is_exit_3_with_ways_out() -> None:
    done = ended("plan", "qwen2.5-coder:14b", "--vram", "4GiB", "--host-ram", "2GiB", "-c", "8192", "--json")
    plan = json.loads(done.stdout)
    assert done.returncode == 3
    assert plan["verdict"] == "does_not_fit"
    assert plan["devices"][0]["headroom_bytes"] < 0 or plan["devices"][1]["headroom_bytes"] < 0
    assert plan["alternatives"], "the cheapest ways out are part of the answer"


def test_with_json_an_error_is_one_object(tmp_path: Path) -> None:
    done = ended("plan", str(tmp_path / "gone.gguf"), "--json")
    error = json.loads(done.stdout)["error"]
    assert done.returncode == 2
    assert done.stderr.startswith(LINE)
    assert error["exit_code"] == 2
    assert "\n" not in error["message"] + error["hint"]
