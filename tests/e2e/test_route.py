"""`aidx route` as a user runs it."""

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import jsonschema_rs
import pytest
from tests.running import aidx

SET = Path(__file__).parents[2] / "scripts" / "router"
HELD_OUT = str(SET / "held-out.jsonl")
TWO = '{"prompt": "hi", "label": "simple"}\n{"prompt": "plan it", "label": "complex"}\n'


def route(*arguments, code=0, stdin=None, cwd=None):
    return aidx("route", *arguments, code=code, text=stdin, folder=cwd)


def found(name, *arguments, **options):
    told = json.loads(route(*arguments, "--json", **options).stdout)
    schema = json.loads((files("aidx") / "data" / "schemas" / f"{name}.json").read_text())
    jsonschema_rs.validator_for(schema).validate(told)
    return told


def test_the_shipped_router_is_better_than_prompt_length_on_prompts_it_never_saw(tmp_path):
    told = found("route", "eval", HELD_OUT, cwd=tmp_path)

    assert told["prompts"] >= 300
    assert told["auc_ci95"][0] > 0.85
    assert told["auc_prompt_length"] < 0.7
    assert told["ece"] < 0.1
    assert "cost" not in told
    assert told["missed_complex_rate"] < 0.1


def test_eval_says_what_it_costs_at_the_users_prices(tmp_path):
    cost = found("route", "eval", HELD_OUT, "--price-architect", "3/15", "--price-editor", "0.1", cwd=tmp_path)["cost"]

    assert cost["editor"] < cost["routed"] < cost["architect"]
    assert cost["assumed_prompts"] >= 300
    assert "saved" in route("eval", HELD_OUT, "--price-architect", "3/15", cwd=tmp_path).stdout


def test_too_many_missed_is_exit_5_with_a_way_out(tmp_path):
    done = route("eval", HELD_OUT, "--threshold", "0.5", "--max-missed", "0.05", code=5, cwd=tmp_path)
    assert "of the complex prompts are missed at threshold 0.5, at most 5.0% may be" in done.stderr
    assert "threshold = 0.3 in [route]" in done.stderr
    told = found("route", "eval", HELD_OUT, "--threshold", "0.5", "--max-missed", "0.05", code=5, cwd=tmp_path)
    assert told["missed_complex_rate"] > 0.05
    route("eval", HELD_OUT, "--threshold", "0.2", "--max-missed", "0.05", cwd=tmp_path)


def test_a_trained_router_decides_from_then_on_and_the_origin_is_shown(tmp_path):
    lines = (SET / "train.jsonl").read_text("utf-8").splitlines()
    mine = "\n".join(lines[::5]) + "\n"
    told = found("route-train", "train", "-", stdin=mine, cwd=tmp_path)

    assert told["router"] == ".aidx/router.json"
    assert "router: .aidx/router.json" in route("eval", "-", stdin=TWO, cwd=tmp_path).stdout
    assert (tmp_path / ".aidx" / ".gitignore").read_text() == "*\n"
    first = (tmp_path / ".aidx" / "router.json").read_bytes()
    done = route("train", "-", "--out", "again.json", stdin=mine, cwd=tmp_path)
    assert "trained on" in done.stdout
    assert (tmp_path / "again.json").read_bytes() == first
    assert {path.name for path in tmp_path.iterdir()} == {".aidx", "again.json"}
    (tmp_path / ".aidx" / "router.json").write_text("{}")
    assert "is no router" in route("explain", "hi", code=2, cwd=tmp_path).stderr
    assert found("route-explain", "explain", "hi", "--router", "again.json", cwd=tmp_path)["router"] == "again.json"


def test_the_shipped_router_is_what_its_script_makes(tmp_path):
    made = subprocess.run(
        [sys.executable, str(SET / "make.py"), str(tmp_path)], capture_output=True, timeout=60, check=True
    )
    assert b"train.jsonl: 603 prompts" in made.stdout
    for name in ("train.jsonl", "held-out.jsonl"):
        assert (tmp_path / name).read_bytes() == (SET / name).read_bytes()
    route("train", "train.jsonl", "--fresh", "--out", "router.json", cwd=tmp_path)
    assert (tmp_path / "router.json").read_bytes() == (files("aidx") / "data" / "router.json").read_bytes()


def test_explain_says_what_decided(tmp_path):
    told = found("route-explain", "explain", "Rewrite our event loop so that cancellation is safe", cwd=tmp_path)
    assert (told["role"], told["judge"]) == ("architect", "classifier")
    assert told["probability"] >= told["threshold"]
    assert len(told["reasons"]) == 8

    text = route("explain", "Fix the typo in README.md", cwd=tmp_path).stdout
    assert text.startswith("editor: classifier 0.0")
    assert "an Editor here and an Architect elsewhere are assumed" in text


@pytest.mark.parametrize(
    ("prompt", "options", "why"),
    [
        ("Design a compiler", ("--local-only",), "editor: local_only"),
        ("use sk-abcdefghijklmnop1234 to design it all", (), "editor: private: an API key"),
        ("Move a.py, b.py, c.py and d.py", (), "architect: 4 files named, from 4 on it is planned"),
    ],
)
def test_a_rule_that_decides_is_named(prompt, options, why, tmp_path):
    told = found("route-explain", "explain", prompt, *options, cwd=tmp_path)
    assert told["why"] == why
    assert told["score"] is None


def test_settings_bound_what_is_decided(tmp_path):
    (tmp_path / "aidx.toml").write_text(
        '[route]\nthreshold = 0.99\nfiles = 2\n[roles.editor]\nmodel = "aidx-tiny"\n'
        '[roles.architect]\nmodel = "aidx-tiny"\nengine = "openai"\nurl = "http://127.0.0.1:1/v1"\n'
    )
    text = route("explain", "Design a compiler", cwd=tmp_path).stdout
    assert "< 0.99" in text
    assert "threshold 0.99 (aidx.toml:2)" in text
    assert "assumed" not in text
    assert found("route-explain", "explain", "a.py, b.py", cwd=tmp_path)["why"].startswith("architect: 2 files")


@pytest.mark.parametrize(
    ("arguments", "stdin", "says"),
    [
        (("eval", "none.jsonl"), None, "none.jsonl: no such file"),
        (("eval", "."), None, ".: a directory, not labelled prompts"),
        (("eval", "-"), "", "standard input has no prompts"),
        (("eval", "-"), TWO.splitlines()[0], "standard input: all 1 prompts are labelled simple"),
        (("eval", "-"), TWO.replace("complex", "complx"), "standard input:2: label 'complx'"),
        (("eval", "-", "--price-architect", "much"), TWO, "'much' is no price a million tokens"),
        (("eval", "-", "--price-architect", "-1"), TWO, "is no price a million tokens"),
        (("eval", "-", "--price-editor", "1"), TWO, "needs the price of the Architect"),
        (("eval", "-", "--threshold", "2"), TWO, "--threshold"),
        (("train", "-"), TWO, "1 prompts are labelled simple; training takes at least 10"),
        (("explain", " "), None, "the prompt is empty"),
    ],
)
def test_bad_input_is_one_line_and_a_hint(arguments, stdin, says, tmp_path):
    done = route(*arguments, code=2, stdin=stdin, cwd=tmp_path)

    assert says in done.stderr
    assert done.stderr.count("\n") == 2
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_router_that_cannot_be_written_leaves_nothing(tmp_path):
    done = route("train", str(SET / "train.jsonl"), "--out", "no/such/router.json", code=2, cwd=tmp_path)
    assert "there is no such folder" in done.stderr
    assert list(tmp_path.iterdir()) == []
