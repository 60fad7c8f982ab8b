"""Every target of ``aidx export``, held against what reads it: the engine's own flags, YAML, INI and JSON parsers."""

import configparser
import json
import re
import shlex
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from msgspec.structs import replace
from tests.unit.plan.worlds import MIB, machine, model

from aidx import export
from aidx.advise import plan
from aidx.errors import AidxError, InputError
from aidx.export.given import Given, Offered
from aidx.export.text import shell
from aidx.export.text import yaml as as_yaml
from aidx.plan.need import Need

PATH = "/models/a model's $file.gguf"
SERVE = ("/usr/bin/aidx", "serve", PATH, "--ctx-size", "4096")
STARTED = ("llama-server", "llama-preset", "llama-swap")  # these start llama-server


def given(*, engine="embedded", key=None, gate=2048, **asked):
    need = Need(ctx_size=4096, parallel=2, fast=True, engine=engine, **asked)
    found = plan(replace(model(), path=PATH), need, machine(4096 * MIB))
    assert found.holds
    offered = (Offered("editor", 4096, gate, 512, 1000),)
    return Given(found, offered, "http://127.0.0.1:8411", key, SERVE, ((None, "org/model"),))


def exported(name, **options):
    return export.find(name).export(given(engine="vllm" if name == "vllm" else "embedded", **options))


def only(name, **options):
    (file,) = exported(name, **options).files
    return file.text


@pytest.mark.parametrize("name", export.targets())
def test_every_target_says_which_plan_it_is_of_or_cannot(name):
    found = exported(name)

    assert found == exported(name)
    assert all(file.name and file.text.endswith("\n") for file in found.files)
    assert len({file.name for file in found.files}) == len(found.files)
    if not any(file.name.endswith(".json") and len(found.files) == 1 for file in found.files):
        assert given().plan.plan_hash in found.files[0].text or name == "vllm"


@pytest.mark.parametrize("name", export.targets())
def test_no_key_is_ever_written_and_its_variable_is(name):
    found = exported(name, key="MY_KEY")
    everything = "".join([*(file.text for file in found.files), *found.notes])

    assert ("MY_KEY" in everything) == (name in {"aider", "opencode", "continue", "systemd"})


@pytest.mark.skipif(sys.platform != "linux", reason="the flags are looked for in the Linux library")
def test_the_pinned_engine_knows_every_flag():
    import xllamacpp

    library = next(Path(xllamacpp.__file__).parent.glob("xllamacpp*.so")).read_bytes()
    asked = given(swa_full=True, kv_unified=False, flash_attn=True, n_cpu_moe=0)
    flags = re.findall(r"(--[a-z-]+)", export.find("llama-server").export(asked).files[0].text)

    assert len(flags) > 12
    assert [flag for flag in flags if flag.encode() + b"\0" not in library] == []
    assert b"--no-such-flag\0" not in library


def test_llama_server_is_given_the_settings_of_the_plan_and_nothing_is_left_to_it():
    words = shlex.split(only("llama-server").split("exec ", 1)[1].replace("\\\n", ""))
    chosen = dict(pairwise(words))
    settings = given().plan.roles[0].settings

    assert chosen["--model"] == PATH
    assert int(chosen["--ctx-size"]) == settings.n_ctx == 4096
    assert (chosen["--parallel"], chosen["--n-gpu-layers"]) == ("2", str(settings.n_gpu_layers))
    assert (chosen["--fit"], chosen["--cache-ram"], chosen["--ctx-checkpoints"]) == ("off", "0", "0")


def test_a_plan_for_the_cpu_alone_starts_no_gpu():
    found = replace(given(), plan=plan(replace(model(), path=PATH), Need(ctx_size=4096, fast=True), machine()))

    assert "--device none" in export.find("llama-server").export(found).files[0].text
    assert "--device none" not in only("llama-server")


def test_a_changed_plan_changes_what_is_written():
    other = replace(given(), plan=given(cache_type_k="q8_0", cache_type_v="q8_0").plan)

    for name in STARTED:
        target = export.find(name)
        assert "q8_0" in target.export(other).files[0].text
        assert "q8_0" not in target.export(given()).files[0].text


def test_a_preset_has_the_same_settings_as_the_command():
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(only("llama-preset").split("version = 1\n")[1])
    section = parser["editor"]

    assert section["fit"] == "off"
    assert section["model"] == PATH
    assert (section["ctx-size"], section["parallel"], section["kv-unified"]) == ("4096", "2", "1")
    text = export.find("llama-preset").export(given(kv_unified=False)).files[0].text
    assert "kv-unified = 0" in text


def test_llama_swap_runs_the_same_command_through_its_own_port():
    (found,) = yaml.safe_load(only("llama-swap"))["models"].values()
    words = shlex.split(found["cmd"])

    assert words[:3] == ["llama-server", "--port", "${PORT}"]
    assert words[words.index("--model") + 1] == PATH
    assert found["aliases"] == ["hand-made"]


def test_ollama_is_given_the_share_of_a_slot():
    """It allocates num_ctx for each of its slots."""
    text = only("ollama")

    assert "PARAMETER num_ctx 2048\n" in text
    assert f"FROM {PATH}\n" in text
    assert "OLLAMA_NUM_PARALLEL=2" in exported("ollama").notes[0]


def test_ollama_cannot_have_two_kinds_of_cache():
    with pytest.raises(InputError, match="one KV cache type"):
        export.find("ollama").export(given(cache_type_k="q8_0", cache_type_v="f16"))


def test_aider_is_told_of_the_gate_and_nothing_more():
    conf, settings, metadata = exported("aider").files
    found = yaml.safe_load(conf.text)

    assert (found["model"], found["max-chat-history-tokens"]) == ("openai/editor", 1000)
    assert found["model-settings-file"] == settings.name
    assert yaml.safe_load(settings.text)[0]["extra_params"] == {"max_tokens": 512}
    assert json.loads(metadata.text)["openai/editor"]["max_input_tokens"] == 2048


def test_clients_are_told_the_context_and_warned_where_it_is_too_small():
    models = json.loads(only("opencode"))["provider"]["aidx"]["models"]
    (continued,) = yaml.safe_load(only("continue"))["models"]

    assert models["editor"]["limit"] == {"context": 4096, "output": 512}
    assert continued["defaultCompletionOptions"] == {"contextLength": 4096, "maxTokens": 512}
    assert "will be refused" in exported("opencode").notes[0]
    assert exported("opencode", gate=20_000).notes == ()


def test_a_unit_limits_the_host_to_the_plan():
    text = only("systemd")
    host = next(account for account in given().plan.ledger.accounts if account.kind == "host")

    assert f"MemoryMax={host.planned + (256 << 20)}\n" in text
    assert 'ExecStart=/usr/bin/aidx serve "/models/a model\'s $$file.gguf" --ctx-size 4096\n' in text


def test_vllm_is_given_the_bytes_of_its_cache_and_wants_a_plan_of_its_own():
    found = given(engine="vllm")
    cache = sum(account.sum("kv_cache") for account in found.plan.ledger.accounts)

    words = only("vllm").split()
    assert words[words.index("--kv-cache-memory-bytes") + 1] == str(cache)
    assert words[words.index("--block-size") + 1] == "16"  # its own choice depends on the machine
    with pytest.raises(InputError, match="vLLM allocates otherwise"):
        export.find("vllm").export(given())


@pytest.mark.parametrize("name", STARTED)
def test_a_model_that_is_not_here_cannot_be_started(name):
    asked = given()
    (role,) = asked.plan.roles
    asked = replace(asked, plan=replace(asked.plan, roles=(replace(role, model=replace(role.model, path=None)),)))

    with pytest.raises(AidxError, match="not on this machine"):
        export.find(name).export(asked)


def test_an_unknown_target_is_refused():
    with pytest.raises(InputError, match="unknown target"):
        export.find("winamp")


@pytest.mark.parametrize(
    "value",
    [
        {"a": 1, "b": True, "c": "x: y # z", "d": ["1", {"e": "é\n", "f": [1, 2]}], "g h": {"i": "no"}},
        {"1": "yes", "-": "- a", "true": ["%"]},
    ],
)
def test_yaml_reads_back(value):
    assert yaml.safe_load(as_yaml(value)) == value


def test_a_command_over_several_lines_is_the_same_command():
    words = ["a b", "--c", "d'e", "--f", "-1", "--g"]

    assert shlex.split(shell(words).replace("\\\n", "")) == words
