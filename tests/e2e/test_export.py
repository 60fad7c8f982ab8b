"""``aidx export`` as it is typed; the unit's command is run as systemd would run it."""

import json
import os
import shlex
import signal
import subprocess
import urllib.request
from importlib.resources import files
from pathlib import Path

import jsonschema_rs
import pytest
from tests.running import AIDX, ended

from aidx import export

SMALL = ("aidx-tiny", "--vram", "0", "-c", "1024", "--fast")


@pytest.mark.parametrize("target", sorted(set(export.targets()) - {"vllm"}))
def test_json_is_the_contract(target):
    code, out, _ = ended("export", target, *SMALL, "--json")
    schema = json.loads((files("aidx") / "data" / "schemas" / "export.json").read_text("utf-8"))
    jsonschema_rs.validator_for(schema).validate(json.loads(out))

    assert (code, json.loads(out)["target"]) == (0, target)


def test_files_are_written_once_and_never_over_others(tmp_path):
    folder = tmp_path / "new"
    assert ended("export", "aider", *SMALL, "-o", str(folder))[0] == 0
    conf = folder / ".aider.conf.yml"
    assert conf.read_text().startswith("# aidx plan ")
    assert ended("export", "aider", *SMALL, "-o", str(folder))[0] == 0  # the same again

    conf.write_text("mine: 1\n")
    code, out, err = ended("export", "aider", *SMALL, "-o", str(folder))
    assert (code, out) == (2, "")
    assert err.startswith(f"aidx: {folder} has .aider.conf.yml already")
    assert conf.read_text() == "mine: 1\n"
    assert ended("export", "aider", *SMALL, "-o", str(folder), "--force")[0] == 0
    assert conf.read_text().startswith("# aidx plan ")


def test_a_script_can_be_run(tmp_path):
    assert ended("export", "llama-server", *SMALL, "-o", str(tmp_path))[0] == 0

    assert os.access(tmp_path / "llama-server.sh", os.X_OK)
    assert subprocess.run(["sh", "-n", tmp_path / "llama-server.sh"], check=False).returncode == 0


def test_the_unit_s_command_serves_the_plan_it_names():
    code, out, _ = ended("export", "systemd", *SMALL)
    assert code == 0
    command = shlex.split(next(line for line in out.splitlines() if line.startswith("ExecStart="))[10:])
    assert Path(command[0]).is_absolute()

    command = [*AIDX, *command[1:], "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as served:
        try:
            address = served.stdout.readline().removeprefix("aidx: serving on ").strip()
            with urllib.request.urlopen(f"{address}/plan", timeout=30) as answer:
                settings = json.load(answer)["plan"]["roles"][0]["settings"]
        finally:
            served.send_signal(signal.SIGTERM)
            served.communicate(timeout=30)

    assert (settings["ctx_size"], settings["parallel"], settings["n_gpu_layers"]) == (1024, 1, 0)


def test_roles_of_a_deployment_are_exported_together(tmp_path):
    (tmp_path / "aidx.toml").write_text(
        '[device]\nvram = ["0"]\n[roles.editor]\nmodel = "aidx-tiny"\nctx_size = 1024\n'
        '[roles.drafter]\nmodel = "aidx-tiny"\nctx_size = 512\n[serve]\nport = 9999\n'
    )
    code, out, _ = ended("export", "llama-swap", "--fast", folder=tmp_path)

    assert code == 0
    assert "\n  editor:\n" in out
    assert "\n  drafter:\n" in out
    assert "swap: false" in out
    assert "http://127.0.0.1:9999/v1" in ended("export", "continue", "--fast", folder=tmp_path)[1]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("winamp",), 2, "'winamp' is not one of"),
        (("llama-server", "qwen2.5-coder-14b", "--vram", "12GiB", "--fast"), 4, "not on this machine"),
        (("aider", "qwen2.5-coder-14b", "--vram", "4GiB", "-ngl", "all", "--fast"), 3, "does not fit"),
        (("vllm", *SMALL), 2, "vLLM allocates otherwise"),
        (("aider", *SMALL, "-o", "/proc/none"), 2, "cannot write into /proc/none"),
        (("aider",), 2, "no MODEL is given"),
    ],
)
def test_what_is_wrong_is_one_line_and_a_hint(tmp_path, arguments, code, says):
    found, out, err = ended("export", *arguments, folder=tmp_path)

    assert (found, out) == (code, "")
    assert says in err
    assert [line.split(":")[0] for line in err.splitlines()] == ["aidx", "hint"]


@pytest.mark.parametrize("letter", ["\x1b", "\n", "\u2028"], ids=ascii)
def test_a_name_that_no_settings_can_hold_is_refused(letter, tmp_path):
    path = tmp_path / f"a{letter}b.gguf"
    path.write_bytes((files("aidx") / "data" / "aidx-tiny.gguf").read_bytes())
    for target in ("llama-server", "ollama"):
        code, out, err = ended("export", target, str(path), *SMALL[1:])
        assert (code, out) == (2, "")
        assert len(err.splitlines()) == 2
        assert f"its name has the character {letter!a}" in err
