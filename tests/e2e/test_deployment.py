"""`aidx.toml` as a user writes it: the whole deployment planned, changed, checked and served, with the real engine."""

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from tests.running import ended

DEVICE = '[device]\nvram = ["12GiB"]\nhost_ram = "16GiB"\n'
CASCADE = f"""{DEVICE}
[roles.drafter]
model = "qwen2.5-coder:7b"
ctx_size = 8192

[roles.verifier]
model = "qwen2.5-coder:14b"
ctx_size = 8192

[roles.architect]
model = "claude-sonnet-4"
engine = "anthropic"
api_key_env = "ANTHROPIC_API_KEY"
"""


def plan(folder: Path, *words: str, code: int = 0, **environment: str) -> dict[str, Any]:
    done = ended("plan", "--json", *words, folder=folder, **environment)
    assert done.returncode == code, done
    found = json.loads(done.stdout)
    schema = json.loads((files("aidx") / "data" / "schemas" / "plan.json").read_text())
    jsonschema_rs.validator_for(schema).validate(found)
    return found


def refused(folder: Path, *words: str, says: str, code: int = 2, **environment: str) -> None:
    done = ended(*words, folder=folder, **environment)
    lines = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (code, ""), done
    assert re.match(f"aidx: .*{says}", lines[0]), lines
    assert [line.split(":")[0] for line in lines] == ["aidx", "hint"]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "aidx.toml").write_text(CASCADE, "utf-8")
    return tmp_path


def weights(found: dict[str, Any], device: int) -> dict[str, int]:
    entries = found["devices"][device]["entries"]
    return {entry["role"]: entry["bytes"] for entry in entries if entry["what"] == "weights"}


def test_two_models_that_do_not_fit_together_say_how_they_would(here: Path) -> None:
    found = plan(here, code=3)
    assert found["verdict"] == "does_not_fit"
    assert [role["role"] for role in found["roles"]] == ["drafter", "verifier", "architect"]
    assert found["roles"][2]["model"]["source"] == "cloud"
    assert weights(found, 0)["verifier"] == 8_544_198_656  # the engine's own model buffer, facts of the article
    changes = [other["change"] for other in found["alternatives"]]
    assert changes[:2] == ['[roles.drafter] device = "host"', '[roles.drafter] model = "qwen2.5-coder:14b"']


def test_a_way_out_written_as_printed_does_what_it_says(here: Path) -> None:
    before = plan(here, code=3)
    assert len(before["alternatives"]) >= 4
    for other in before["alternatives"]:
        role = re.match(r"\[roles\.(\w+)\] ", other["change"])[1]
        keys = re.findall(r'(\w+) = ("[^"]*"|\d+)', other["change"])
        written = {f"AIDX_ROLES_{role.upper()}_{key.upper()}": value.strip('"') for key, value in keys}
        enough = not other["cost"].endswith("alone")
        after = plan(here, code=0 if enough else 3, **written)
        saved = before["devices"][0]["planned_bytes"] - after["devices"][0]["planned_bytes"]
        assert saved == other["saves_bytes"], other
        if enough:
            reach = {each["role"]: each["max_ctx_size"] for each in after["roles"]}
            assert reach[role] == other["max_ctx_size"], other


def test_one_model_for_two_roles_is_one_process(here: Path) -> None:
    found = plan(here, AIDX_ROLES_DRAFTER_MODEL="qwen2.5-coder:14b")
    assert set(weights(found, 0)) == {"drafter"}
    assert {role["model"]["name"] for role in found["roles"][:2]} == {"qwen2.5-coder-14b"}
    assert any("share one process" in note for note in found["notes"])


def test_the_order_of_what_is_said_is_flag_environment_project_user(here: Path, tmp_path: Path) -> None:
    settings = tmp_path / "home" / "aidx" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("[roles.drafter]\nparallel = 2\nctx_size = 1024\ncache_type_k = 'q8_0'\n", "utf-8")
    environment = {"XDG_CONFIG_HOME": str(tmp_path / "home"), "AIDX_ROLES_DRAFTER_DEVICE": "host"}

    def drafter(*words: str) -> dict[str, Any]:
        return plan(here, *words, **environment)["roles"][0]["settings"]

    assert drafter() == drafter() | {"parallel": 2, "ctx_size": 8192, "cache_type_k": "q8_0", "n_gpu_layers": 0}
    assert drafter("-c", "512", "-ctk", "f16")["ctx_size"] == 512
    assert drafter("-c", "512", "-ctk", "f16")["cache_type_k"] == "f16"


def test_the_device_of_the_file_is_every_plan_s_default_and_says_so(here: Path) -> None:
    found = plan(here, "aidx-tiny")
    assert found["devices"][0]["total_bytes"] == 12 << 30
    assert found["notes"] == ["planned for [device]: vram from aidx.toml:2, host_ram from aidx.toml:3"]
    assert plan(here, "aidx-tiny", "--vram", "8GiB")["devices"][0]["total_bytes"] == 8 << 30


def test_a_card_may_stand_for_its_size_and_a_flag_for_either(tmp_path: Path) -> None:
    (tmp_path / "aidx.toml").write_text("[device]\ngpu = 'rtx-3060-12gb'\nhost_ram = '16GiB'\n", "utf-8")
    found = plan(tmp_path, "aidx-tiny")
    assert found["devices"][0]["total_bytes"] == 12288 << 20  # what the card reports
    assert found["notes"] == ["planned for [device]: gpu from aidx.toml:2, host_ram from aidx.toml:3"]
    flag = plan(tmp_path, "aidx-tiny", "--vram", "8GiB")
    assert flag["devices"][0]["total_bytes"] == 8 << 30
    assert flag["notes"] == ["planned for [device]: host_ram from aidx.toml:3"]
    larger = plan(tmp_path, "aidx-tiny", "--gpu", "rtx-4090")
    assert larger["devices"][0]["total_bytes"] > 12 << 30


def test_another_file_can_be_named(here: Path) -> None:
    (here / "other.toml").write_text(f"{DEVICE}[roles.editor]\nmodel = 'aidx-tiny'\n", "utf-8")
    assert [role["role"] for role in plan(here, "--config", "other.toml")["roles"]] == ["editor"]
    assert [role["role"] for role in plan(here, AIDX_CONFIG="other.toml")["roles"]] == ["editor"]
    refused(here, "plan", "--config", "gone.toml", says="gone.toml: no such file")


def test_the_editor_s_cache_is_bounded(here: Path) -> None:
    text = f"{DEVICE}[roles.editor]\nmodel = 'qwen2.5-coder:14b'\n[pipeline]\nmax_kv = '1GiB'\n"
    (here / "aidx.toml").write_text(text, "utf-8")
    assert plan(here)["roles"][0]["settings"]["ctx_size"] == 5376  # 1 GiB / 196,608 B a token, to 256
    found = plan(here, "-c", "8192", code=3)
    assert "max_kv" in found["binding"]
    assert found["devices"][0]["headroom_bytes"] > 0


def test_the_checklist_walks_through_the_deployment(here: Path) -> None:
    done = ended("checklist", "--json", folder=here, AIDX_ROLES_DRAFTER_DEVICE="host", AIDX_ROLES_VERIFIER_GATE="4096")
    found = json.loads(done.stdout)
    schema = json.loads((files("aidx") / "data" / "schemas" / "checklist.json").read_text())
    jsonschema_rs.validator_for(schema).validate(found)
    assert [step["status"] for step in found["steps"]] == ["ok", "ok", "ok", "ok", "open", "open"]
    assert "gate 4,096 tokens" in found["steps"][2]["proof"]
    assert found["article"] == []
    table = {row["component"]: row["bytes"] for row in found["budget"]}
    assert table["gpu0: Model weights, verifier"] == 8_544_198_656
    for device, size in (("gpu0", 12 << 30), ("host", 16 << 30)):
        assert sum(bytes_ for name, bytes_ in table.items() if name.startswith(device)) == size
    assert ended("checklist", folder=here).returncode == 3


def test_without_a_model_and_without_roles_one_line_says_what_to_write(tmp_path: Path) -> None:
    refused(tmp_path, "plan", says="no MODEL is given")
    refused(tmp_path, "serve", says="no MODEL is given")
    (tmp_path / "aidx.toml").write_text(DEVICE, "utf-8")
    refused(tmp_path, "plan", says="no MODEL is given")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[roles.editor]\nmodle = 'x'\n", r"aidx\.toml:2: unknown key 'modle' in \[roles\.editor\] \(nearest: model\)"),
        ("[roles.editr]\n", r"aidx\.toml:1: unknown role 'editr' \(nearest: editor\)"),
        ("[roles.editor]\nmodel = 'nosuchmodel'\n", r"roles\.editor: unknown model 'nosuchmodel'"),
        ("[roles.editor]\nmodel = 'aidx-tiny'\nquant = 'Q4_K_M'\n", r"roles\.editor: --quant Q4_K_M does not apply"),
        ("[roles.editor]\nmodel = 'aidx-tiny'\ncache_type_k = 'q9'\n", r"roles\.editor: unknown cache type 'q9'"),
        ("[roles.editor]\nmodel = 'aidx-tiny'\nctx_size = 512\ngate = 512\n", r"roles\.editor: gate and max_tokens"),
        ("[device]\nvram = ['twelve']\n", r"aidx\.toml:2: device\.vram: 'twelve' is not a size"),
        ("[roles\n", r"aidx\.toml:1: no TOML"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "checklist", "serve"])
def test_a_wrong_file_is_one_line_and_a_hint(tmp_path: Path, text: str, says: str, command: str) -> None:
    (tmp_path / "aidx.toml").write_text(text, "utf-8")
    refused(tmp_path, command, says=says)


def test_a_key_in_the_file_is_never_shown(tmp_path: Path) -> None:
    secret = "sk-proj-abcdefghijklmnopqrstuvwxyz"
    (tmp_path / "aidx.toml").write_text(f"[serve]\napi_key_env = '{secret}'\n", "utf-8")
    done = ended("plan", "aidx-tiny", "--vram", "0", "--json", folder=tmp_path)
    assert done.returncode == 2
    assert secret[8:] not in done.stdout + done.stderr
    assert "aidx.toml:2" in done.stderr


@pytest.mark.parametrize("bound", ["max_tokens = 512", "gate = 600\nmax_tokens = 100", "max_chat_history_tokens = 512"])
def test_bounds_that_no_context_holds_are_not_planned_either(tmp_path: Path, bound: str) -> None:
    text = f'[roles.editor]\nmodel = "aidx-tiny"\nctx_size = 512\n{bound}\n[roles.drafter]\nmodel = "aidx-tiny"\n'
    (tmp_path / "aidx.toml").write_text(text)
    said = {command: ended(*command.split(), "--vram", "0", folder=tmp_path) for command in ("plan", "serve --port 0")}

    assert [done.returncode for done in said.values()] == [2, 2]
    assert said["plan"].stderr == said["serve --port 0"].stderr
    assert said["plan"].stderr.startswith("aidx: roles.editor: ")


def test_serving_what_is_not_here_is_said(tmp_path: Path) -> None:
    (tmp_path / "aidx.toml").write_text("[roles.editor]\nmodel = 'qwen2.5-coder:7b'\n", "utf-8")
    refused(tmp_path, "serve", "--vram", "24GiB", "--port", "0", says=".* is known and not on this machine", code=4)


def test_serving_nothing_but_a_service_without_its_key_is_said(tmp_path: Path) -> None:
    table = "[roles.architect]\nmodel = 'claude-sonnet-4'\nengine = 'anthropic'\napi_key_env = 'AIDX_NOT_SET'\n"
    (tmp_path / "aidx.toml").write_text(table, "utf-8")
    refused(tmp_path, "serve", "--vram", "0", says="architect is not served: the variable AIDX_NOT_SET is not set")


def test_an_engine_that_does_not_run_is_said(tmp_path: Path) -> None:
    words = ("serve", "aidx-tiny", "--vram", "0", "--engine", "ollama", "--port", "0")
    done = ended(*words, folder=tmp_path, OLLAMA_HOST="127.0.0.1:9")  # nobody listens at the discard port
    notes, error, hint = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (4, "")
    assert notes.startswith("aidx: note: Ollama's settings: ")
    assert error == "aidx: nothing answers at 127.0.0.1:9: Ollama does not run there"
    assert hint.startswith("hint: ")


def test_a_setting_of_ollama_is_a_default(tmp_path: Path) -> None:
    words = ("qwen2.5-coder:14b", "--vram", "12GiB", "--host-ram", "32GiB", "--engine", "ollama")
    found = plan(tmp_path, *words, OLLAMA_CONTEXT_LENGTH="8192", OLLAMA_KV_CACHE_TYPE="q8_0")
    settings = found["roles"][0]["settings"]
    assert (settings["ctx_size"], settings["cache_type_k"], found["roles"][0]["engine"]) == (8192, "q8_0", "ollama")
    assert "OLLAMA_KV_CACHE_TYPE" in found["notes"][0]
    flags = plan(tmp_path, *words, "-ctk", "f16", "-ctv", "f16", "-c", "4096", OLLAMA_CONTEXT_LENGTH="8192")
    assert flags["roles"][0]["settings"]["ctx_size"] == 4096


def test_vllm_takes_16_bits_unless_a_type_is_named(tmp_path: Path) -> None:
    words = ("--vram", "24GiB", "--host-ram", "32GiB", "--engine", "vllm", "-c", "8192")
    assert plan(tmp_path, "qwen2.5-coder:7b", *words)["roles"][0]["model"]["quantization"] == "BF16"
    named = plan(tmp_path, "qwen2.5-coder:7b-instruct-q4_K_M", *words)
    assert named["roles"][0]["model"]["quantization"] == "Q4_K_M"
