"""``aidx stress`` as a user types it: three outcomes, their exit codes, what stays for later plans."""

import json
import subprocess
from importlib.resources import files

import jsonschema_rs
import pytest
from tests.endpoint import Endpoint
from tests.fakes.hosts import llama_server, ollama
from tests.fakes.program import on_path
from tests.running import AIDX, ended

from aidx.adapters.ceiling.find import find
from aidx.adapters.stores import shipped
from aidx.budget.settings import Settings
from aidx.ports.engine import Launch

MIB = 1 << 20
TINY = ("--vram", "0", "-c", "256", "--turns", "8")


def walled():
    made = find(64 * MIB)
    if isinstance(made, str):
        return made
    made.close()
    return ""


WALLED = pytest.mark.skipif(bool(walled()), reason=f"no hard ceiling here: {walled()}")


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    return tmp_path_factory.mktemp("state")


def run(state, *words, folder=None, **variables):
    return ended(*words, folder=folder or state, AIDX_STATE_DIR=state, **variables)


def valid(text):
    found = json.loads(text)
    schema = json.loads((files("aidx") / "data" / "schemas" / "stress.json").read_text("utf-8"))
    jsonschema_rs.validator_for(schema).validate(found)
    return found


def counted(requests, slots):
    """All that was sent has an end: the pool was filled, six came at once for each slot, one too long, six turns.

    Of those at once five for each slot find a place, and more where one is answered before the last has come.
    """
    assert requests["lost"] == 0
    assert requests["answered"] + requests["refused"] == slots + 6 * slots + 1 + 6
    assert 1 <= requests["refused"] <= slots + 1
    assert 1 <= requests["queued"] <= 4 * slots


@WALLED
def test_a_plan_is_measured_proved_and_remembered(state):
    page = state / "proof.html"
    done = run(state, "stress", "aidx-tiny", *TINY, "--json", "--html", str(page))

    assert done.returncode == 0, done.stderr + done.stdout
    found = valid(done.stdout)
    assert found["verdict"] == "HOLDS"
    assert found["ceiling_bytes"] == found["planned_peak_bytes"] >= found["measured_peak_bytes"] > 0
    assert found["kv_occupancy"] >= 0.99
    assert found["requests"]["lost"] == 0
    assert {entry["grade"] for entry in found["planned"] if entry["what"] == "engine_process"} == {"measured"}
    assert 'data-verdict="HOLDS"' in page.read_text("utf-8")
    later = json.loads(run(state, "plan", "aidx-tiny", *TINY[:4], "--json").stdout)
    assert later["plan_hash"] == found["plan_hash"]
    process = next(e for e in later["devices"][0]["entries"] if e["what"] == "engine_process")
    assert "measured here on 20" in process["why"]
    steps = json.loads(run(state, "checklist", "aidx-tiny", *TINY[:4], "--json").stdout)["steps"]
    assert steps[5]["status"] == "ok"
    assert found["reason"] in steps[5]["proof"]


@WALLED
def test_a_ceiling_that_is_too_small_fails(state):
    done = run(state, "stress", "aidx-tiny", *TINY, "--ceiling", "20M", "-q")

    assert done.returncode == 5
    assert done.stdout.startswith("DOES NOT HOLD: aidx-tiny: the ceiling of 20.0 MiB killed it")
    assert done.stderr == ""
    steps = json.loads(run(state, "checklist", "aidx-tiny", *TINY[:4], "--json").stdout)["steps"]
    assert steps[5]["status"] == "ok", "another ceiling says nothing of the plan under its own"


def test_an_input_that_is_too_long_is_said_not_cut(state):
    (state / "input.py").write_text("value = 1\n" * 2000)
    done = run(state, "stress", "aidx-tiny", *TINY, "--input", "input.py", "-q")

    assert done.returncode == 5
    assert "DOES NOT HOLD: aidx-tiny: the expected input is" in done.stdout


def test_an_engine_that_runs_already_is_loaded_and_watched_and_not_proved(state):
    tiny = Launch(shipped.path(), "aidx-tiny", Settings(ctx_size=256, parallel=2), threads=2)
    with llama_server.running(tiny) as there:
        words = ("-np", "2", "--engine", "llama-server", "--url", there.urls[0], "--api-key-env", "THERE", "--json")
        done = run(state, "stress", "aidx-tiny", *TINY, *words, THERE=there.key)

    assert done.returncode == 4, done.stdout + done.stderr
    found = valid(done.stdout)
    assert found["verdict"] == "NOT_PROVEN"
    assert "no hard ceiling: the engine runs already" in found["reason"]
    assert found["kv_occupancy"] >= 0.97
    assert found["one_token_over_refused"]
    assert (found["requests"]["lost"], found["ceiling_kind"]) == (0, "none")
    assert 30 * MIB < found["measured_peak_bytes"] < found["planned_peak_bytes"]


def test_an_endpoint_of_aidx_is_loaded_by_its_own_plan(state):
    endpoint = Endpoint("-c", "512", "-np", "2", env={"AIDX_STATE_DIR": str(state)})
    try:
        plan = endpoint.call("/plan")[2]["plan"]
        engine = endpoint.engine.pid
        done = run(state, "stress", "--url", endpoint.url, "--turns", "6", "--json")
        after = endpoint.reserved
    finally:
        endpoint.stop()

    assert done.returncode == 4, done.stdout + done.stderr
    found = valid(done.stdout)
    assert "no hard ceiling: the engine runs already" in found["reason"]
    assert found["plan_hash"] == plan["plan_hash"]
    entries = [{**entry, "device": device["name"]} for device in plan["devices"] for entry in device["entries"]]
    assert found["planned"] == [entry for entry in entries if entry["what"] not in {"desktop", "reserve"}]
    assert found["kv_occupancy"] >= 0.99
    assert found["one_token_over_refused"]
    counted(found["requests"], slots=2)
    buffers = {row["what"]: row for row in found["differences"] if row["what"] != "engine_process"}
    assert set(buffers) == {"weights", "kv_cache", "compute", "output"}
    for row in buffers.values():
        assert abs(row["measured_bytes"] - row["planned_bytes"]) <= row["rounding_bytes"]
    planned, aside = ([each for each in found["processes"] if each["planned"] is said] for said in (True, False))
    assert [each["pid"] for each in planned] == [engine]
    assert found["measured_peak_bytes"] == planned[0]["peak_bytes"] < found["planned_peak_bytes"]
    assert [each["pid"] for each in aside] == [endpoint.process.pid]
    assert aside[0]["peak_bytes"] > 20 * MIB
    assert after == {"tokens": 0, "bytes": 0, "requests": 0, "queued": 0}


def test_an_endpoint_whose_engine_dies_under_the_load_does_not_hold(state):
    endpoint = Endpoint("-c", "512", "-np", "2", env={"AIDX_STATE_DIR": str(state)})
    try:
        words = [*AIDX, "stress", "--url", endpoint.url, "--turns", "40"]
        with subprocess.Popen(words, cwd=state, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as load:
            for line in load.stderr:
                if "turn 8 of 40" in line:
                    endpoint.engine.kill()
                    break
            said = load.communicate(timeout=120)[0]
    finally:
        endpoint.stop()

    assert load.returncode == 5, said
    assert said.startswith("DOES NOT HOLD: aidx-tiny.gguf: ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-c", "256"), "--ctx-size makes a plan, and the endpoint at"),
        (("no-such-model",), "the endpoint serves aidx-tiny.gguf, and not no-such-model"),
        (("--twin",), "--ceiling and --twin are for an engine that is started here"),
    ],
)
def test_what_does_not_suit_an_endpoint_is_said(state, words, said):
    endpoint = Endpoint("-c", "512", env={"AIDX_STATE_DIR": str(state)})
    try:
        done = run(state, "stress", "--url", endpoint.url, *words)
    finally:
        endpoint.stop()

    assert done.returncode in {2, 4}
    assert said in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_ollama_is_loaded_through_its_own_interface(state):
    """Its interface as its documents have it, scripted before the real engine: Ollama itself is not installed here."""
    tiny = Launch(shipped.path(), "aidx-tiny", Settings(ctx_size=512), threads=2)
    with ollama.running(tiny) as there:
        words = ("--engine", "ollama", "--url", there.urls[0], "--json", "--turns", "6")
        done = run(state, "stress", there.name, "--vram", "0", "-c", "512", *words)

    assert done.returncode == 4, done.stdout + done.stderr
    found = valid(done.stdout)
    assert found["verdict"] == "NOT_PROVEN", found["reason"]
    assert "no hard ceiling" in found["reason"]
    assert found["build"] == "Ollama 0.31.0"
    assert found["kv_occupancy"] >= 0.99
    assert found["one_token_over_refused"]
    counted(found["requests"], slots=1)


@WALLED
def test_a_llama_server_of_one_s_own_is_proved_as_the_embedded_one_is(state):
    with on_path("llama-server", "llama_server_program.py"):
        done = run(state, "stress", "aidx-tiny", *TINY, "--engine", "llama-server", "--json")

    assert done.returncode == 0, done.stdout + done.stderr
    assert valid(done.stdout)["build"] == "llama-server b11549"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--url", "http://127.0.0.1:9"), "no endpoint of aidx answers at http://127.0.0.1:9"),
        (("--url", "http://127.0.0.1:9", "--engine", "llama-server", "--twin"), "--twin"),
        (("--api-key-env", "X"), "--api-key-env"),
        (("--input", "none.txt"), "none.txt"),
        (("--turns", "1"), "--turns"),
        (("--ceiling", "7"), "7 is 7 bytes"),
        (("--ceiling", "0"), "a ceiling of 0 bytes"),
        (("--html", "none/page.html"), "none/page.html"),
        (("--input", "blob"), "byte 0 is not UTF-8"),
        (("--input", "empty"), "is empty"),
    ],
)
def test_wrong_input_is_one_line(state, words, said):
    (state / "blob").write_bytes(b"\xff\xfe\x00")
    (state / "empty").write_bytes(b" \n")
    done = run(state, "stress", "aidx-tiny", *TINY[:4], *words)

    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_a_plan_that_does_not_fit_is_not_started(state):
    done = run(state, "stress", "aidx-tiny", "--vram", "0", "--host-ram", "16M", "-c", "1024", "--json")

    assert done.returncode == 3
    assert json.loads(done.stdout)["verdict"] == "does_not_fit"


def test_a_model_that_is_not_here_is_exit_4(state):
    done = run(state, "stress", "qwen2.5-coder:14b", "--vram", "0", "-c", "512", "--host-ram", "64G", "--fast")

    assert done.returncode == 4
    assert "aidx pull" in done.stderr
