"""`aidx choose --measure`: bad input costs no work, what holds is what is written, the winner is proved and runs."""

import json
import os
import shlex
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import jsonschema_rs
import pytest
from tests.endpoint import Endpoint
from tests.running import AIDX, aidx

from aidx.adapters.ceiling.find import find
from aidx.adapters.llama.quantize import prepare, quantize
from aidx.adapters.sources.file import model_at
from aidx.adapters.stores import shipped
from aidx.wiring.quantize import predicted, scratch, settled, stem

CEILING = find(64 << 20)
if not isinstance(CEILING, str):
    CEILING.close()
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
    done = aidx("choose", *arguments, "--measure", "--vram", "0", "--fast", "-q", code=2)

    assert words in done.stderr
    assert [line.split(":")[0] for line in done.stderr.strip().splitlines()] == ["aidx", "hint"]


def test_a_file_that_is_there_is_not_written_over(tmp_path):
    (tmp_path / "aidx-tiny-Q2_K.gguf").write_text("mine")
    words = ("--measure", "--vram", "0", "--fast", "-q", "--keep")
    done = aidx("choose", "aidx-tiny", *words, tmp_path, code=2)

    assert "is there already" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["aidx-tiny-Q2_K.gguf"]


@pytest.mark.timeout(900)
@pytest.mark.skipif(isinstance(CEILING, str), reason=f"no hard ceiling here: {CEILING}")
def test_the_winner_is_measured_proved_kept_and_runs_as_it_is_exported(tmp_path):
    bounds = ("--max-loss", "0.002", "--min-tps", "0.01")
    words = ("choose", "aidx-tiny", "--measure", *bounds, "--vram", "0", "-c", "256", "--keep", str(tmp_path), "--json")
    places = {"AIDX_STATE_DIR": str(tmp_path / "state"), "AIDX_CACHE_DIR": str(tmp_path / "cache")}
    done = aidx(*words, timeout=600, **places)

    found = json.loads(done.stdout)
    schema = json.loads((files("aidx") / "data" / "schemas" / "choose-measured.json").read_text("utf-8"))
    jsonschema_rs.validator_for(schema).validate(found)
    winner = found["winner"]
    assert (winner["quantization"], winner["verdict"]) == ("Q8_0", "HOLDS")
    assert winner["kld_mean"] < 0.002
    assert winner["tokens_per_second"] > 0.01
    assert len(found["measured"]) <= 3, "halving looks at three of seven"
    assert [row["quantization"] for row in found["measured"] if row["kld_mean"] is not None] == ["Q8_0"]
    assert sorted(path.name for path in tmp_path.glob("*.gguf")) == ["aidx-tiny-Q8_0.gguf"]
    assert not list(tmp_path.glob(".aidx-measure-*"))
    command = aidx(*shlex.split(winner["export"])[1:], **places).stdout
    assert winner["path"] in command
    assert "-c 256" in command or "--ctx-size 256" in command
    serve = shlex.split(winner["serve"])
    assert serve[:2] == ["aidx", "serve"]
    endpoint = Endpoint("--vram", "0", model=serve[2:], env=places)
    try:
        assert endpoint.call("/plan")[2]["plan"]["plan_hash"] == winner["plan_hash"]
        assert endpoint.ask(max_tokens=4)[0] == 200
    finally:
        endpoint.stop()


@pytest.mark.timeout(300)
def test_what_is_interrupted_in_its_proof_leaves_no_file(tmp_path):
    bounds = ("--max-loss", "0.002", "--vram", "0", "-c", "256")
    words = ("choose", "aidx-tiny", "--measure", *bounds, "--keep", str(tmp_path))
    places = {"AIDX_STATE_DIR": str(tmp_path / "state"), "AIDX_CACHE_DIR": str(tmp_path / "cache")}
    running = subprocess.Popen([*AIDX, *words], env={**os.environ, **places}, stderr=subprocess.DEVNULL)
    kept, end = tmp_path / "aidx-tiny-Q8_0.gguf", time.monotonic() + 240
    while not kept.exists() and running.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    assert kept.exists()
    running.terminate()

    assert running.wait(60) == 130
    assert not list(tmp_path.glob("*.gguf"))
    assert not list(tmp_path.glob(".aidx-measure-*"))


def test_what_nothing_keeps_to_is_said_with_the_best_there_is(tmp_path):
    words = ("choose", "aidx-tiny", "--measure", "--min-tps", "1000000000", "--vram", "0", "-c", "256", "--fast")
    done = aidx(*words, "--keep", tmp_path, "-q", code=3, timeout=600)

    assert "nothing is fast enough" in done.stderr
    assert list(tmp_path.iterdir()) == []
