"""`aidx choose --measure` before it measures: what holds is what quantizing writes, and bad input costs no work."""

import subprocess
import sys
from pathlib import Path

import pytest

from aidx.adapters.llama.quantize import prepare, quantize
from aidx.adapters.sources.file import model_at
from aidx.adapters.stores import shipped
from aidx.wiring.quantize import predicted, scratch, settled, stem

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the engine is asked on Linux x86-64 only")


def test_a_predicted_model_is_the_one_that_is_written(tmp_path):
    target = tmp_path / "aidx-tiny-Q4_0.gguf"
    quantize(prepare(shipped.path(), str(target), "Q4_0"), threads=1, tell=lambda *_: None)
    made, before = model_at(str(target), name="m", source="file"), predicted(shipped.path(), "Q4_0")

    assert (before.header.tensors, before.file_bytes) == (made.header.tensors, made.file_bytes)
    assert (before.quantization, before.layers) == (made.quantization, made.layers)


def test_only_the_winner_stays(tmp_path):
    with scratch(str(tmp_path)) as folder:
        for name in ("one", "two"):
            (Path(folder) / name).write_text(name)
        where = settled(f"{folder}/two", str(tmp_path), "two.gguf")

    assert [path.name for path in tmp_path.iterdir()] == ["two.gguf"]
    assert Path(where).read_text() == "two"
    assert stem("/x/Model-F16.gguf") == "Model"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "none is named"),
        (("aidx-tiny", "--quant", "Q4_0"), "starts from one F16 file"),
        (("aidx-tiny", "--keep", "/nowhere"), "/nowhere"),
        (("/nowhere.gguf",), "/nowhere.gguf"),
    ],
)
def test_bad_input_costs_no_work(arguments, words):
    command = [sys.executable, "-m", "aidx", "choose", *arguments, "--measure", "--vram", "0", "--fast", "-q"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 2, done
    assert words in done.stderr
    assert [line.split(":")[0] for line in done.stderr.strip().splitlines()] == ["aidx", "hint"]


def test_a_file_that_is_there_is_not_written_over(tmp_path):
    (tmp_path / "aidx-tiny-Q2_K.gguf").write_text("mine")
    command = [sys.executable, "-m", "aidx", "choose", "aidx-tiny", "--measure", "--vram", "0", "--fast", "-q"]
    done = subprocess.run([*command, "--keep", tmp_path], capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 2
    assert "is there already" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["aidx-tiny-Q2_K.gguf"]
