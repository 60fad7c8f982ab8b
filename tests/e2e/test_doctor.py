"""``aidx doctor`` on this machine: it finds the engine well, origins of settings, and shows no secret."""

import json
from importlib.resources import files

import jsonschema_rs
from tests.running import ended

SECRET = "sk-canary-0123456789abcdef"


def doctor(folder, *words, **variables):
    done = ended("doctor", *words, folder=folder, AIDX_STATE_DIR=folder / "state", **variables)
    assert SECRET not in done.stdout + done.stderr
    return done


def lines(done):
    schema = json.loads((files("aidx") / "data" / "schemas" / "doctor.json").read_text("utf-8"))
    found = json.loads(done.stdout)
    jsonschema_rs.validator_for(schema).validate(found)
    return {line["name"]: line for line in found["lines"]}


def test_it_finds_this_machine_well_and_says_where_settings_came_from(tmp_path):
    (tmp_path / "aidx.toml").write_text('[serve]\nport = 8500\napi_key_env = "MY_KEY"\n')
    done = doctor(tmp_path, "--json", MY_KEY=SECRET, OLLAMA_API_KEY=SECRET, AIDX_SERVE_HOST="127.0.0.1")

    assert done.returncode == 0, done.stdout
    found = lines(done)
    assert found["engine"]["status"] == "ok"
    assert "as planned" in found["engine"]["detail"]
    assert found["setting serve.port"]["detail"] == "8500, from aidx.toml:2"
    assert found["setting serve.api_key_env"]["detail"].startswith("MY_KEY, from aidx.toml:3")
    assert "AIDX_SERVE_HOST" in found["setting serve.host"]["detail"]
    assert "OLLAMA_API_KEY" in found["environment"]["detail"]


def test_settings_that_are_wrong_are_a_line_and_not_the_end(tmp_path):
    (tmp_path / "aidx.toml").write_text("[serve]\nprot = 1\n")
    done = doctor(tmp_path, "-q")

    assert done.returncode == 4
    assert "FAIL settings" in done.stdout
    assert "prot" in done.stdout
    assert "asking" not in done.stdout


def test_it_forgets_what_was_measured(tmp_path):
    done = doctor(tmp_path, "--clear-calibration")

    assert done.returncode == 0
    assert "0 measurement(s) forgotten" in done.stdout
