"""The checklist, walked as it says: each command that it prints is typed, and then it says ok."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.test_stress import WALLED, valid
from tests.endpoint import TINY, Endpoint

DEPLOYMENT = """
[device]
vram = ["0"]

[roles.editor]
model = "somebody-s-large-one"
engine = "openai"
url = "http://127.0.0.1:9/v1"
ctx_size = 8192

[roles.gatekeeper]
model = "aidx-tiny"
ctx_size = 512

[roles.researcher]
model = "aidx-tiny"
ctx_size = 256
parallel = 2
"""


def typed(here: Path, command: str) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    assert words[0] == "aidx"
    return subprocess.run(
        [sys.executable, "-m", *words],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        cwd=here,
        env={**os.environ, "AIDX_STATE_DIR": str(here / "state")},
    )


def steps(here: Path, *words: str) -> list[dict[str, str]]:
    done = typed(here, shlex.join(["aidx", "checklist", *words, "--json"]))
    assert done.returncode in {0, 3}, done.stderr
    found: list[dict[str, str]] = json.loads(done.stdout)["steps"]
    return found


def statuses(here: Path, *words: str) -> list[str]:
    return [step["status"] for step in steps(here, *words)]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "aidx.toml").write_text(DEPLOYMENT, "utf-8")
    return tmp_path


@WALLED
def test_a_deployment_is_ok_in_all_six_once_its_commands_were_typed(here: Path) -> None:
    assert statuses(here) == ["ok", "open", "ok", "ok", "open", "open"]
    for step in steps(here):
        if step["step"] == 6:
            step["command"] += " --turns 8"  # as any user may who is in a hurry
        done = typed(here, step["command"])
        assert done.returncode == 0, (step, done.stderr)
    assert statuses(here) == ["ok", "open", "ok", "ok", "ok", "ok"]

    quantize = steps(here)[1]
    assert quantize["proof"].endswith(
        'then name it in [roles.researcher] and [roles.gatekeeper]: model = "aidx-tiny-Q4_K_M.gguf"'
    )
    (here / "aidx.toml").write_text(DEPLOYMENT.replace('"aidx-tiny"', '"aidx-tiny-Q4_K_M.gguf"'), "utf-8")
    assert statuses(here) == ["ok", "ok", "ok", "ok", "open", "open"], "another file is another proof"
    for step in steps(here)[4:]:
        done = typed(here, step["command"])
        assert done.returncode == 0, (step, done.stderr)
    assert statuses(here) == ["ok"] * 6
    whole = valid(typed(here, "aidx stress --turns 8 --json").stdout)
    assert whole["verdict"] == "HOLDS"
    assert {entry["role"] for entry in whole["planned"]} == {"gatekeeper", "researcher"}
    assert whole["ceiling_bytes"] == whole["planned_peak_bytes"] >= whole["measured_peak_bytes"] > 0
    assert whole["plan_hash"] == json.loads(typed(here, "aidx plan --json").stdout)["plan_hash"]


@WALLED
def test_one_model_is_walked_through_the_same_way(tmp_path: Path) -> None:
    asked = ("aidx-tiny", "-c", "256", "--vram", "0")
    for step in steps(tmp_path, *asked)[1:]:
        done = typed(tmp_path, step["command"])
        assert done.returncode == 0, (step, done.stderr)
    assert statuses(tmp_path, *asked)[2:] == ["ok", "ok", "ok", "ok"]
    quantized = ("aidx-tiny-Q4_K_M.gguf", *asked[1:])
    assert statuses(tmp_path, *quantized)[1:4] == ["ok", "ok", "ok"]
    enforced = steps(tmp_path, *asked)[4]
    assert "answered by its grammar on 20" in enforced["proof"]


@WALLED
def test_one_role_of_a_deployment_is_proved_by_itself(here: Path) -> None:
    done = typed(here, "aidx stress --role researcher --turns 8 --json")
    assert done.returncode == 0, done.stderr
    assert {entry["role"] for entry in valid(done.stdout)["planned"]} == {"researcher"}
    last = steps(here)[5]
    assert last["status"] == "open"
    assert "researcher: held" in last["proof"]
    assert "gatekeeper: no proof" in last["proof"]

    for words, says in (
        ("--role editor", "editor is filled elsewhere"),
        ("--role drafter", "no role drafter is configured"),
        ("--role researcher aidx-tiny", "--role names a role of aidx.toml, and MODEL a model"),
        ("--twin", "--twin is for one role"),
        ("--ceiling 1GiB", "--ceiling is for one role"),
    ):
        refused = typed(here, f"aidx stress {words}")
        assert refused.returncode == 2, refused.stderr
        assert says in refused.stderr.splitlines()[0]


def test_an_answer_that_no_grammar_shaped_proves_nothing(tmp_path: Path) -> None:
    (tmp_path / "anything.json").write_text("{}", "utf-8")
    (tmp_path / "weak.json").write_text('{"type": "array", "items": {"type": "boolean"}, "uniqueItems": true}', "utf-8")
    for words in ("--max-tokens 4", "--schema anything.json --max-tokens 8", "--schema weak.json --max-tokens 64"):
        typed(tmp_path, f"aidx ask hello --model aidx-tiny {words}")
    assert statuses(tmp_path, "aidx-tiny")[4] == "open"
    assert typed(tmp_path, "aidx ask hello --model aidx-tiny --schema builtins:bool").returncode == 0
    assert statuses(tmp_path, "aidx-tiny")[4] == "ok"
    assert statuses(tmp_path, "aidx-tiny", "--engine", "llama-server")[4] == "open", "of another engine it says nothing"


def test_an_endpoint_that_answers_proves_it_too(tmp_path: Path) -> None:
    endpoint = Endpoint("-c", "512", env={"AIDX_STATE_DIR": str(tmp_path / "state")})
    try:
        words = f"--role editor --url {endpoint.url} --schema builtins:bool --strict"
        done = typed(tmp_path, f"aidx ask hello {words} --json")
    finally:
        endpoint.stop()
    assert json.loads(done.stdout)["endpoint"] == endpoint.url
    assert statuses(tmp_path, *TINY)[4] == "ok"
