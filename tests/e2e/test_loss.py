"""`aidx loss` with the real engine, against numpy in double precision over the engine's own logits."""

import json
import os
import subprocess
import sys
from importlib.resources import files

import jsonschema_rs
import numpy as np
import pytest
from tests.running import aidx

from aidx.adapters.llama.quantize import prepare, quantize
from aidx.adapters.llama.wheel import find_wheel
from aidx.adapters.stores import shipped
from aidx.budget.divergence import first_scored, windows

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the engine is asked on Linux x86-64 only")
WINDOW, COUNT = 256, 6
SETTINGS = ("-c", str(WINDOW), "--windows", str(COUNT), "--threads", "1", "-q")

# The engine by its C interface, apart from the code under test: positions in, logits of all of them out.
PROGRAM = """
import ctypes as c, sys
import numpy as np
from aidx.adapters.llama import capi
from aidx.adapters.llama.logits_child import Batch
library, path, tokens, target = sys.argv[1:]
lib = capi.open_library(library)
quiet = capi.LogCallback(lambda *_: None)
lib.llama_log_set(quiet, None)
lib.llama_backend_init()
tokens = np.load(tokens)
for name in ("llama_model_get_vocab", "llama_get_logits", "llama_get_memory"):
    getattr(lib, name).restype, getattr(lib, name).argtypes = c.c_void_p, [c.c_void_p]
lib.llama_vocab_n_tokens.argtypes = [c.c_void_p]
lib.llama_memory_clear.argtypes = [c.c_void_p, c.c_bool]
lib.llama_batch_init.restype = Batch
lib.llama_decode.argtypes = [c.c_void_p, Batch]
model = lib.llama_model_load_from_file(path.encode(), lib.llama_model_default_params())
params = lib.llama_context_default_params()
params.n_ctx = params.n_batch = tokens.shape[1]
params.n_threads = params.n_threads_batch = 1
params.flash_attn_type = 1
context = lib.llama_init_from_model(model, params)
size = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(model))
batch = lib.llama_batch_init(tokens.shape[1], 0, 1)
found = []
for window in tokens:
    lib.llama_memory_clear(lib.llama_get_memory(context), True)
    batch.n_tokens = len(window)
    for place, token in enumerate(window):
        batch.token[place], batch.pos[place], batch.n_seq_id[place], batch.logits[place] = int(token), place, 1, 1
        batch.seq_id[place][0] = 0
    assert lib.llama_decode(context, batch) == 0
    floats = (c.c_float * (len(window) * size)).from_address(lib.llama_get_logits(context))
    found.append(np.array(floats, dtype=np.float32).reshape(len(window), size))
np.save(target, np.array(found))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """aidx-tiny at two types."""
    place = tmp_path_factory.mktemp("made")
    for kind in ("Q8_0", "Q4_0"):
        quantize(prepare(shipped.path(), str(place / f"{kind}.gguf"), kind), threads=1, tell=lambda *_: None)
    return place


def loss(*arguments, schema="loss", cache=None):
    found = json.loads(aidx("loss", *arguments, "--json", AIDX_CACHE_DIR=cache).stdout)
    text = (files("aidx") / "data" / "schemas" / f"{schema}.json").read_text()
    jsonschema_rs.validator_for(json.loads(text)).validate(found)
    return found


@pytest.fixture(scope="module")
def measured(made):
    return {kind: loss(made / f"{kind}.gguf", "--reference", "aidx-tiny", *SETTINGS) for kind in ("Q8_0", "Q4_0")}


@pytest.fixture(scope="module")
def thoughts(made, tmp_path_factory):
    """For both files: log-probabilities in double precision at each scored position, and the tokens that follow."""
    place = tmp_path_factory.mktemp("thoughts")
    np.save(place / "tokens.npy", np.array(windows(tokens(), WINDOW, None, COUNT), dtype=np.int32))
    found = {}
    for name, path in (("reference", shipped.path()), ("Q4_0", str(made / "Q4_0.gguf"))):
        argv = (str(find_wheel().library), path, str(place / "tokens.npy"), str(place / f"{name}.npy"))
        subprocess.run([sys.executable, "-c", PROGRAM, *argv], check=True, timeout=120, capture_output=True)
        logits = np.load(place / f"{name}.npy").astype(np.float64)[:, first_scored(WINDOW) : -1]
        largest = logits.max(-1, keepdims=True)
        found[name] = logits - largest - np.log(np.exp(logits - largest).sum(-1, keepdims=True))
    return found, np.load(place / "tokens.npy")[:, first_scored(WINDOW) + 1 :]


def tokens():
    """The default text as the engine's own tokenizer cuts it."""
    from aidx.adapters.llama.logits import EngineLogits, Side

    with EngineLogits([Side(shipped.path())], WINDOW, 1) as engine:
        found, bos, _ = engine.tokenize(shipped.loss_text())
    assert bos is None
    return found


def test_the_figures_are_those_of_numpy_in_double_precision(measured, thoughts):
    shares, following = thoughts
    reference, mine = shares["reference"], shares["Q4_0"]
    divergence = (np.exp(reference) * (reference - mine)).sum(-1).ravel()
    nlls = {name: -np.take_along_axis(log, following[..., None], -1).mean() for name, log in shares.items()}
    found = measured["Q4_0"]

    assert found["tokens"] == divergence.size == COUNT * (WINDOW - 1 - WINDOW // 2)
    assert found["kld_mean"] == pytest.approx(divergence.mean(), rel=1e-4)
    assert found["kld_p999"] == pytest.approx(np.quantile(divergence, 0.999), rel=1e-3)
    assert found["top1_agreement"] == pytest.approx((reference.argmax(-1) == mine.argmax(-1)).mean(), abs=1e-9)
    assert found["ppl"] == pytest.approx(np.exp(nlls["Q4_0"]), rel=1e-6)
    assert found["ppl_reference"] == pytest.approx(np.exp(nlls["reference"]), rel=1e-6)


def test_the_interval_is_that_of_a_bootstrap_over_blocks(measured, thoughts):
    shares, _ = thoughts
    reference, mine = shares["reference"], shares["Q4_0"]
    divergence = (np.exp(reference) * (reference - mine)).sum(-1).ravel()
    blocks = [divergence[start : start + 64] for start in range(0, divergence.size, 64)]
    dice = np.random.default_rng(1)
    means = [
        np.concatenate([blocks[place] for place in dice.integers(len(blocks), size=len(blocks))]).mean()
        for _ in range(4000)
    ]
    low, high = measured["Q4_0"]["kld_ci95"]

    assert low < measured["Q4_0"]["kld_mean"] < high
    assert (low, high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), rel=0.03)


def test_types_that_differ_are_told_apart(measured):
    assert measured["Q8_0"]["kld_ci95"][1] < measured["Q4_0"]["kld_ci95"][0]
    assert measured["Q8_0"]["quality"] == "lossless"


def test_a_file_is_as_good_as_itself():
    found = loss("aidx-tiny", "--reference", "aidx-tiny", *SETTINGS)

    assert found["kld_mean"] < 1e-6
    assert (found["top1_agreement"], found["ppl"]) == (1.0, found["ppl_reference"])


def test_a_fingerprint_says_the_same_to_two_per_cent(made, measured, tmp_path):
    path = tmp_path / "tiny.fp"
    saved = loss("aidx-tiny", "--save-fingerprint", path, *SETTINGS, schema="fingerprint")
    found = loss(made / "Q4_0.gguf", "--reference", path, "--threads", "1", "-q")
    full = measured["Q4_0"]

    assert saved["bytes"] == path.stat().st_size < 440 * saved["tokens"] + 4 * WINDOW * COUNT + 1000
    assert (found["reference"], found["lower_bound"], found["tokens"]) == ("fingerprint", False, full["tokens"])
    assert found["kld_mean"] == pytest.approx(full["kld_mean"], rel=0.02)
    assert 0.7 * full["kld_mean"] < found["kld_bound"] < full["kld_mean"]
    assert full["kld_bound"] is None
    small = loss(made / "Q8_0.gguf", "--reference", path, "--threads", "1", "-q")
    assert small["kld_mean"] == pytest.approx(measured["Q8_0"]["kld_mean"], rel=0.05)
    assert found["top1_agreement"] == full["top1_agreement"]
    assert found["ppl"] == pytest.approx(full["ppl"], rel=1e-6)
    assert found["ppl_reference"] == pytest.approx(full["ppl_reference"], rel=1e-5)
    path.write_bytes(path.read_bytes()[:-5])
    assert "cut off" in aidx("loss", made / "Q4_0.gguf", "--reference", path, code=2).stderr


def test_two_files_are_told_apart_by_pairs_or_said_to_be_the_same(made, measured, tmp_path):
    q4 = made / "Q4_0.gguf"
    page = tmp_path / "loss.html"
    found = loss(made / "Q8_0.gguf", "--reference", "aidx-tiny", "--against", q4, "--html", page, *SETTINGS)
    other = found["against"]

    assert other["kld_mean"] == measured["Q4_0"]["kld_mean"]
    assert other["more"] == pytest.approx(other["kld_mean"] - found["kld_mean"])
    assert 0 < other["more_ci95"][0] < other["more"] < other["more_ci95"][1]
    assert (other["told_apart"], other["identical"], other["same_weights"]) == (True, False, False)
    assert 'data-quality="lossless"' in page.read_text("utf-8")
    dense = tmp_path / "mxfp4.gguf"
    quantize(prepare(shipped.path(), str(dense), "MXFP4_MOE"), threads=1, tell=lambda *_: None)
    same = loss(made / "Q8_0.gguf", "--reference", "aidx-tiny", "--against", dense, *SETTINGS)["against"]
    assert (same["told_apart"], same["identical"], same["same_weights"]) == (False, True, True)
    assert same["more_ci95"] == [0.0, 0.0]


def test_a_quantized_cache_costs_more_at_four_bits_than_at_eight():
    found = [loss("aidx-tiny", "-ctk", kind, "-ctv", kind, *SETTINGS) for kind in ("q8_0", "q4_0")]

    assert found[0]["kld_ci95"][1] < found[1]["kld_ci95"][0]
    assert "KV q4_0/q4_0" in found[1]["source"]
    assert [each["kept"] for each in found] == [False, False]


def test_plan_shows_what_was_measured_until_the_file_changes(made, tmp_path):
    cache, model = tmp_path / "cache", tmp_path / "mine.gguf"
    model.write_bytes((made / "Q4_0.gguf").read_bytes())
    published = loss(model, cache=cache)
    assert loss(model, "--reference", "aidx-tiny", *SETTINGS, cache=cache)["kept"]
    planned = json.loads(aidx("plan", model, "--fast", "--vram", "0", "--json", AIDX_CACHE_DIR=cache).stdout)["roles"][
        0
    ]["loss"]
    known = loss(model, cache=cache)

    assert published["reference"] == "published"
    assert planned["source"].startswith("measured here on ")
    assert [planned["kld_low"], planned["kld_high"]] == known["kld_ci95"] != published["kld_ci95"]
    os.utime(model, (1, 1))
    assert loss(model, cache=cache) == published


def test_text_of_one_s_own_is_read(tmp_path):
    text = tmp_path / "mine.txt"
    text.write_text("def add(one, other):\n    return one + other\n\n\n" * 60)
    found = loss("aidx-tiny", "-ctk", "q4_0", "-ctv", "q4_0", "--text", text, "-c", "64", "--threads", "1", "-q")

    assert found["ppl"] < 5  # it repeats itself


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--reference", "/nowhere.gguf"), 2, "/nowhere.gguf"),
        (("--reference", "qwen2.5-coder:14b"), 4, "not on this machine"),
        (("-ctk", "q9_9"), 2, "unknown cache type"),
        (("--text", "/nowhere.txt", "--reference", "aidx-tiny"), 2, "/nowhere.txt"),
        (("--text", __file__), 2, "nothing to compare with"),
        (("--against", "aidx-tiny"), 2, "nothing to compare with"),
        (("--tasks", "2", "--html", "x.html"), 2, "--html is of a measured text"),
        (("--reference", "aidx-tiny", "--html", "/nowhere/x.html"), 2, "no such folder"),
        (("--save-fingerprint", "/nowhere/x.fp"), 2, "no such folder"),
        (("--reference", "aidx-tiny", "-c", "16384"), 2, "windows of 16384 are the least"),
    ],
)
def test_bad_input_is_one_line(arguments, code, words):
    done = aidx("loss", "aidx-tiny", *arguments, "--threads", "1", "-q", code=code)

    assert words in done.stderr
    assert [line.split(":")[0] for line in done.stderr.strip().splitlines()] == ["aidx", "hint"]
    assert done.stdout == ""


def test_a_pipe_is_read_while_somebody_writes_and_never_waited_for(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    words = ("loss", "aidx-tiny", "--reference", "aidx-tiny", "--threads", "1", "-q", "-c", "64", "--text", pipe)
    assert "nobody writes to it" in aidx(*words, code=2).stderr

    text = tmp_path / "text"
    text.write_text("def area(width, height):\n    return width * height\n" * 20)
    with subprocess.Popen(["/bin/sh", "-c", 'cat "$0" > "$1"', text, pipe]):
        assert "lossless" in aidx(*words).stdout


def test_models_of_different_vocabularies_are_not_compared(tmp_path):
    from tests.fakes.cut import other_words

    other = other_words(tmp_path)
    done = aidx("loss", other, "--reference", "aidx-tiny", *SETTINGS, code=2)
    assert "different vocabularies" in done.stderr


def test_two_files_at_the_same_tasks(made):
    found = loss(
        made / "Q4_0.gguf", "--reference", "aidx-tiny", "--tasks", "9", "--threads", "1", "-q", schema="task-loss"
    )
    again = loss("aidx-tiny", "--reference", "aidx-tiny", "--tasks", "6", "--threads", "1", "-q", schema="task-loss")

    assert found["won"] - found["lost"] == round(9 * (found["accuracy"] - found["accuracy_reference"]))
    assert found["difference_ci95"][0] <= found["difference"] <= found["difference_ci95"][1]
    assert (again["lost"], again["won"], again["flip_rate"]) == (0, 0, 0.0)
    assert "one is named" in aidx("loss", "aidx-tiny", "--tasks", "9", code=2).stderr
