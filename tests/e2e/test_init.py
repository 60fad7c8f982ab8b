"""``aidx init`` as it is typed: what it writes is what ``aidx plan`` then holds."""

import json
import tomllib
from importlib.resources import files

import jsonschema_rs
import pytest
from tests.running import ended

CARD = ("--vram", "12GiB", "--host-ram", "16GiB", "--fast")


def written(folder):
    return tomllib.loads((folder / "aidx.toml").read_text("utf-8"))


def test_without_a_model_the_best_of_the_catalogue_is_written_and_holds(tmp_path):
    code, out, err = ended("init", *CARD, folder=tmp_path)
    found = written(tmp_path)

    assert code == 0
    assert out.startswith("wrote aidx.toml: editor ")
    assert found["roles"]["editor"]["model"] == "gpt-oss-20b"
    assert err.rstrip().endswith("fetch this one: ollama pull gpt-oss:20b")
    assert found["device"] == {"vram": ["12GiB"], "host_ram": "16GiB"}
    code, out, _ = ended("plan", "--json", "--fast", folder=tmp_path)
    (role,) = json.loads(out)["roles"]
    assert (code, role["settings"]["ctx_size"]) == (0, 8192)
    assert role["model"]["quantization"] == found["roles"]["editor"]["quant"]


def test_a_model_is_taken_as_it_is_named_and_with_no_more_context_than_it_was_trained_for(tmp_path):
    assert ended("init", "aidx-tiny", "--fast", folder=tmp_path)[0] == 0
    editor = written(tmp_path)["roles"]["editor"]
    assert editor == {"model": "aidx-tiny", "ctx_size": 1024, "max_tokens": 256, "edit_format": "lines"}

    assert ended("init", "qwen2.5-coder:14b", *CARD, "--force", folder=tmp_path)[0] == 0
    assert written(tmp_path)["roles"]["editor"]["model"] == "qwen2.5-coder:14b"
    _, out, _ = ended("plan", "--json", "--fast", folder=tmp_path)
    assert json.loads(out)["roles"][0]["model"]["quantization"] == "Q4_K_M"
    assert "# Q4_K_M, all on the GPU" in (tmp_path / "aidx.toml").read_text("utf-8")


def test_what_is_there_is_left_alone(tmp_path):
    (tmp_path / "aidx.toml").write_text("# mine\n")
    code, out, err = ended("init", "aidx-tiny", "--fast", folder=tmp_path)

    assert (code, out) == (2, "")
    assert err.splitlines()[0] == "aidx: aidx.toml is there already, and was left as it is"
    assert (tmp_path / "aidx.toml").read_text() == "# mine\n"


@pytest.mark.parametrize(
    ("name", "text", "checks"),
    [
        ("conftest.py", "", {"tests": ["pytest", "-q"]}),
        ("pyproject.toml", "[tool.pytest.ini_options]\n", {"tests": ["pytest", "-q"]}),
        ("Cargo.toml", "", {"tests": ["cargo", "test", "--quiet"]}),
        ("go.mod", "", {"tests": ["go", "test", "./..."]}),
        ("package.json", '{"scripts": {"test": "vitest"}}', {"tests": ["npm", "test", "--silent"]}),
        ("package.json", '{"scripts": ["test"]}', None),
        ("package.json", "[" * 100_000, None),
        ("README", "", None),
    ],
)
def test_the_project_s_own_checks_are_found(tmp_path, name, text, checks):
    (tmp_path / name).write_text(text)

    assert ended("init", "aidx-tiny", "--fast", folder=tmp_path)[0] == 0
    assert written(tmp_path).get("checks") == checks


@pytest.mark.parametrize(
    ("text", "history", "says"),
    [
        ("max-chat-history-tokens: 512\n", 512, ""),
        ("model: x\nmax-chat-history-tokens : '512'  # as ever\n", 512, ""),
        ("max-chat-history-tokens: 4096\n", None, "is the whole context: left out"),
        ("max-chat-history-tokens: many\n", None, "no whole number: left out"),
        ("max-chat-history-tokens:\n", None, "no whole number: left out"),
        ("# max-chat-history-tokens: 512\n", None, ""),
        ("\x00\xff", None, ""),
    ],
)
def test_aider_s_bound_on_history_is_copied(tmp_path, text, history, says):
    (tmp_path / ".aider.conf.yml").write_text(text)
    code, _, err = ended("init", "aidx-tiny", "--fast", folder=tmp_path)

    assert code == 0
    assert says in err
    assert written(tmp_path)["roles"]["editor"].get("max_chat_history_tokens") == history


def test_json_is_the_contract(tmp_path):
    code, out, _ = ended("init", "aidx-tiny", "--fast", "--json", "-o", "other.toml", folder=tmp_path)
    schema = json.loads((files("aidx") / "data" / "schemas" / "init.json").read_text("utf-8"))
    jsonschema_rs.validator_for(schema).validate(json.loads(out))

    assert (code, (tmp_path / "other.toml").exists()) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("nosuchmodel",), 2, "unknown model"),
        (("qwen2.5-coder:14b", "--vram", "3GiB", "--host-ram", "4GiB"), 3, "does not hold here"),
        (("aidx-tiny", "-o", "none/aidx.toml"), 2, "no such folder"),
        (("aidx-tiny", "--lora", "x.gguf"), 2, "no place for files beside a model"),
    ],
)
def test_what_is_wrong_is_one_line_and_a_hint_and_nothing_is_written(tmp_path, arguments, code, says):
    found, out, err = ended("init", *arguments, "--fast", folder=tmp_path)

    assert (found, out) == (code, "")
    assert says in err
    assert [line.split(":")[0] for line in err.splitlines()] == ["aidx", "hint"]
    assert list(tmp_path.iterdir()) == []
