"""`aidx ask` as a user runs it, with a model of its own and over a running endpoint."""

import json
import os
import subprocess
import sys
from importlib.resources import files

import jsonschema_rs
import pytest
from tests.running import AIDX, aidx

from aidx.adapters.stores import shipped

TASK = """Add a parameter limit with default 10.

01|def first(self, rows):
02|    for row in rows:
03|        yield row"""
DONE = "01|def first(self, rows, limit=10):"  # as the model's card has it
SERVE = [*AIDX, "serve", shipped.path(), "--vram", "0", "-c", "1024", "--port", "0"]


def ask(*arguments, code=0, stdin="", env=None):
    return aidx("ask", *arguments, code=code, text=stdin, **(env or {}))


def found(*arguments, **options):
    answer = json.loads(ask(*arguments, "--json", **options).stdout)
    schema = json.loads((files("aidx") / "data" / "schemas" / "ask.json").read_text())
    jsonschema_rs.validator_for(schema).validate(answer)
    return answer


@pytest.fixture(scope="module")
def endpoint():
    with subprocess.Popen(SERVE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        yield server.stdout.readline().removeprefix("aidx: serving on ").strip()
        server.terminate()


OWN = ("--url", "", "--model", shipped.path())


def test_a_model_of_its_own_answers_the_same_every_time():
    assert ask(TASK, *OWN).stdout == DONE + "\n"
    told = found(TASK, *OWN)

    assert told["answer"] == DONE
    assert (told["finish_reason"], told["endpoint"]) == ("stop", None)


def test_without_a_model_it_is_the_one_that_ships():
    told = found(TASK, "--url", "")

    assert (told["model"], told["answer"]) == ("aidx-tiny", DONE)


def test_standard_input_and_a_system_text_are_part_of_the_prompt():
    short = found("x", *OWN, "--max-tokens", "1")["prompt_tokens"]
    long = found("-", *OWN, "--max-tokens", "1", stdin="x" + " word" * 50)["prompt_tokens"]
    system = found("x", *OWN, "--max-tokens", "1", "--system", "Be brief.")["prompt_tokens"]

    assert long >= short + 50
    assert system > short


def test_a_cut_answer_is_said_so_on_stderr():
    assert "cut after 2 tokens" in ask(TASK, *OWN, "--max-tokens", "2").stderr
    assert ask(TASK, *OWN, "--max-tokens", "2", "-q").stderr == ""


def test_a_prompt_over_the_gate_is_refused_with_the_numbers():
    done = ask("word " * 3000, *OWN, code=3)
    assert "maximum context length" in done.stderr
    assert done.stdout == ""

    refused = found("word " * 3000, *OWN, code=3)["refused"]
    assert refused["code"] == "context_length_exceeded"
    assert refused["over_by"] > 0


def test_a_running_endpoint_answers(endpoint):
    through = found(TASK, "--url", endpoint)

    assert (through["endpoint"], through["model"], through["answer"]) == (endpoint, "editor", DONE)
    assert ask(TASK, "--url", endpoint).stdout == DONE + "\n"


def test_a_running_endpoint_refuses_in_the_same_words(endpoint):
    here, there = (found("word " * 3000, *where, code=3)["refused"] for where in (OWN, ("--url", endpoint)))

    assert here == there


def test_a_model_that_the_endpoint_does_not_serve_is_started(endpoint):
    assert found("x", "--url", endpoint, "--model", shipped.path(), "--max-tokens", "1")["endpoint"] is None
    assert found("x", "--url", endpoint, "--model", "editor", "--max-tokens", "1")["endpoint"] == endpoint


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["x", "--url", "ftp://here"], 2, "not the address of an endpoint"),
        (["x", "--url", "http://127.0.0.1:99999"], 2, "not the address of an endpoint"),
        (["x", "--url", "", "--model", "none.gguf"], 2, "none.gguf"),
        (["x", "--url", "", "--model", "no-such-model"], 2, "no-such-model"),
        (["x", "--max-tokens", "0"], 2, "--max-tokens"),
        (["x", *OWN, "--temperature", "-1"], 2, "temperature"),
        (["x", *OWN, "--temperature", "nan"], 2, "NaN"),
        (["x", "--api-key-env", "AIDX_NOT_SET"], 2, "AIDX_NOT_SET is not set"),
        (["x", "--url", "", "--model", "qwen3:0.6b"], 4, "not on this machine"),
    ],
)
def test_what_cannot_be_asked_says_why(arguments, code, says):
    assert says in ask(*arguments, code=code).stderr


def test_bytes_that_are_no_text_are_wrong_input():
    done = subprocess.run(
        [sys.executable.encode(), b"-m", b"aidx", b"ask", b"\xff\xfe", b"--url", b"", b"--model", os.fsencode(OWN[-1])],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    assert "surrogate" in done.stderr


def test_an_endpoint_that_wants_a_key_says_so():
    env = {"AIDX_TEST_KEY": "sesame"}
    command = [*SERVE, "--api-key-env", "AIDX_TEST_KEY"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, **env}
    ) as server:
        url = server.stdout.readline().removeprefix("aidx: serving on ").strip()
        try:
            assert "wants another API key" in ask("x", "--url", url, code=2).stderr
            keyed = ("--url", url, "--api-key-env", "AIDX_TEST_KEY", "--max-tokens", "1")
            assert found("x", *keyed, env=env)["endpoint"] == url
        finally:
            server.terminate()


ROWS = '{"type":"object","properties":{"rows":{"type":"integer","minimum":0,"maximum":999}},"required":["rows"]}'


@pytest.mark.parametrize("running", [False, True])
def test_an_answer_with_a_schema_satisfies_it_wherever_it_comes_from(endpoint, tmp_path, running):
    (tmp_path / "rows.json").write_text(ROWS)
    url = endpoint if running else ""
    told = found("How many rows?", "--url", url, "--schema", str(tmp_path / "rows.json"), "--max-tokens", "40")

    assert 0 <= json.loads(told["answer"])["rows"] <= 999
    assert [step["outcome"] for step in told["trail"]] == ["accepted"]
    assert told["endpoint"] == (endpoint if running else None)


def test_a_schema_that_cannot_be_enforced_is_said_before_a_model_is_started(tmp_path):
    (tmp_path / "not.json").write_text('{"not": {"const": 1}}')
    refused = ask("x", *OWN, "--schema", str(tmp_path / "not.json"), "--strict", code=2)
    assert refused.stderr.startswith("aidx: not cannot be enforced (#/not)\nhint: ")
    (tmp_path / "none.json").write_text('{"not": {}}')
    none = ask("x", *OWN, "--schema", str(tmp_path / "none.json"), code=2)
    assert none.stderr.startswith("aidx: the schema allows nothing at all\n")
    (tmp_path / "cut.json").write_text('{"not": ')
    assert "is no JSON" in ask("x", *OWN, "--schema", str(tmp_path / "cut.json"), code=2).stderr
    assert "there is no module nowhere" in ask("x", *OWN, "--schema", "nowhere:Type", code=2).stderr


def test_no_valid_answer_is_exit_5(tmp_path):
    (tmp_path / "long.json").write_text('{"type": "string", "minLength": 500}')
    failed = ask("x", *OWN, "--schema", str(tmp_path / "long.json"), "--max-tokens", "20", code=5)

    assert failed.stdout == ""
    assert "asked 3 times and gave no valid answer: the answer was cut after 20 tokens" in failed.stderr


def test_who_answers_is_said_once_and_must_be_configured(tmp_path):
    assert "Give one of them" in ask("x", "--model", "a", "--role", "b", code=2).stderr
    env = {"AIDX_CONFIG": str(tmp_path / "aidx.toml")}
    (tmp_path / "aidx.toml").write_text(
        '[device]\nvram = ["0"]\n[roles.drafter]\nmodel = "aidx-tiny"\nctx_size = 512\n'
    )
    assert "cascade needs verifier" in ask("x", "--url", "", "--pattern", "cascade", code=2, env=env).stderr
    assert "no role editor is configured" in ask("x", "--url", "", "--role", "editor", code=2, env=env).stderr
    assert found(TASK, "--url", "", "--role", "drafter", env=env)["answer"] == DONE
