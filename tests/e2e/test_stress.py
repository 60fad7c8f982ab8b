"""``aidx stress`` as a user types it: three outcomes, their exit codes, what stays for later plans."""

import json
import os
import subprocess
import sys
from importlib.resources import files

import jsonschema_rs
import pytest
from tests.fakes.hosts import llama_server
from tests.fakes.program import on_path

from aidx.adapters.ceiling.find import find
from aidx.adapters.stores import shipped
from aidx.budget.settings import Settings
from aidx.ports import Launch

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


def aidx(state, *words, folder=None, **variables):
    return subprocess.run(
        [sys.executable, "-m", "aidx", *words],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        cwd=folder or state,
        env={**os.environ, "AIDX_STATE_DIR": str(state), **variables},
    )


def valid(text):
    found = json.loads(text)
    schema = json.loads((files("aidx") / "data" / "schemas" / "stress.json").read_text("utf-8"))
    jsonschema_rs.validator_for(schema).validate(found)
    return found


@WALLED
def test_a_plan_is_measured_proved_and_remembered(state):
    page = state / "proof.html"
    done = aidx(state, "stress", "aidx-tiny", *TINY, "--json", "--html", str(page))

    assert done.returncode == 0, done.stderr + done.stdout
    found = valid(done.stdout)
    assert found["verdict"] == "HOLDS"
    assert found["ceiling_bytes"] == found["planned_peak_bytes"] >= found["measured_peak_bytes"] > 0
    assert found["kv_occupancy"] >= 0.99
    assert found["requests"]["lost"] == 0
    assert {entry["grade"] for entry in found["planned"] if entry["what"] == "engine_process"} == {"measured"}
    assert 'data-verdict="HOLDS"' in page.read_text("utf-8")
    later = json.loads(aidx(state, "plan", "aidx-tiny", *TINY[:4], "--json").stdout)
    assert later["plan_hash"] == found["plan_hash"]
    process = next(e for e in later["devices"][0]["entries"] if e["what"] == "engine_process")
    assert "measured here on 20" in process["why"]
    steps = json.loads(aidx(state, "checklist", "aidx-tiny", *TINY[:4], "--json").stdout)["steps"]
    assert steps[5]["status"] == "ok"
    assert found["reason"] in steps[5]["proof"]


@WALLED
def test_a_ceiling_that_is_too_small_fails(state):
    done = aidx(state, "stress", "aidx-tiny", *TINY, "--ceiling", "20M", "-q")

    assert done.returncode == 5
    assert done.stdout.startswith("DOES NOT HOLD: aidx-tiny: the ceiling of 20.0 MiB killed it")
    assert done.stderr == ""
    steps = json.loads(aidx(state, "checklist", "aidx-tiny", *TINY[:4], "--json").stdout)["steps"]
    assert steps[5]["status"] == "ok", "another ceiling says nothing of the plan under its own"


def test_an_input_that_is_too_long_is_said_not_cut(state):
    (state / "input.py").write_text("value = 1\n" * 2000)
    done = aidx(state, "stress", "aidx-tiny", *TINY, "--input", "input.py", "-q")

    assert done.returncode == 5
    assert "DOES NOT HOLD: aidx-tiny: the expected input is" in done.stdout


def test_an_engine_that_runs_already_is_loaded_and_watched_and_not_proved(state):
    tiny = Launch(shipped.path(), "aidx-tiny", Settings(ctx_size=256, parallel=2), threads=2)
    with llama_server.running(tiny) as there:
        words = ("-np", "2", "--engine", "llama-server", "--url", there.urls[0], "--api-key-env", "THERE", "--json")
        done = aidx(state, "stress", "aidx-tiny", *TINY, *words, THERE=there.key)

    assert done.returncode == 4, done.stdout + done.stderr
    found = valid(done.stdout)
    assert found["verdict"] == "NOT_PROVEN"
    assert "no hard ceiling: the engine runs already" in found["reason"]
    assert found["kv_occupancy"] >= 0.97
    assert found["one_token_over_refused"]
    assert (found["requests"]["lost"], found["ceiling_kind"]) == (0, "none")
    assert 30 * MIB < found["measured_peak_bytes"] < found["planned_peak_bytes"]


@WALLED
def test_a_llama_server_of_one_s_own_is_proved_as_the_embedded_one_is(state):
    with on_path("llama-server", "llama_server_program.py"):
        done = aidx(state, "stress", "aidx-tiny", *TINY, "--engine", "llama-server", "--json")

    assert done.returncode == 0, done.stdout + done.stderr
    assert valid(done.stdout)["build"] == "llama-server b11549"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--url", "http://127.0.0.1:9"), "does not say what runs there"),
        (("--url", "http://127.0.0.1:9", "--engine", "llama-server", "--twin"), "--twin"),
        (("--api-key-env", "X"), "--api-key-env"),
        (("--input", "none.txt"), "none.txt"),
        (("--turns", "1"), "--turns"),
        (("--ceiling", "7"), "7 is 7 bytes"),
        (("--ceiling", "0"), "a ceiling of 0 bytes"),
        (("--html", "none/page.html"), "none/page.html"),
        (("--input", "blob"), "no UTF-8 text"),
        (("--input", "empty"), "is empty"),
    ],
)
def test_wrong_input_is_one_line(state, words, said):
    (state / "blob").write_bytes(b"\xff\xfe\x00")
    (state / "empty").write_bytes(b" \n")
    done = aidx(state, "stress", "aidx-tiny", *TINY[:4], *words)

    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_a_plan_that_does_not_fit_is_not_started(state):
    done = aidx(state, "stress", "aidx-tiny", "--vram", "0", "--host-ram", "16M", "-c", "1024", "--json")

    assert done.returncode == 3
    assert json.loads(done.stdout)["verdict"] == "does_not_fit"


def test_a_model_that_is_not_here_is_exit_4(state):
    done = aidx(state, "stress", "qwen2.5-coder:14b", "--vram", "0", "-c", "512", "--host-ram", "64G", "--fast")

    assert done.returncode == 4
    assert "aidx pull" in done.stderr
