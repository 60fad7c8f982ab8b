"""``aidx run`` as it is typed, with the small model as the Editor and tests as checks."""

import json
import re
import sys
from importlib.resources import files

import jsonschema_rs
import pytest
from tests.running import ended

SOURCE = '"""Rows."""\n\n\ndef first(rows):\n    for row in rows:\n        return row\n'
EDITED = SOURCE.replace("(rows)", "(rows, limit=10)")
TESTS = 'from rows import first\n\nassert first([1, 2], limit=3) == 1, "rows.py: no limit"\n'
PLAN = """\
# Plan: let first take a limit

## Files
- `rows.py` (edit)

## Steps
1. `rows.py::first`: Add a parameter limit with default 10.

## Checks
- tests

## Commit
feat(rows): let first take a limit
"""


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "tree"
    root.mkdir()
    (root / "rows.py").write_text(SOURCE)
    (root / "check.py").write_text(TESTS)
    (root / "plan.md").write_text(PLAN)
    argv = json.dumps([sys.executable, "-B", "check.py"])
    (root / "aidx.toml").write_text(f"[checks]\ntests = {argv}\n")
    return root


def valid(text):
    schema = json.loads((files("aidx") / "data" / "schemas" / "run.json").read_text("utf-8"))
    found = json.loads(text)
    jsonschema_rs.validator_for(schema).validate(found)
    return found


def test_a_plan_written_by_hand_is_carried_out_by_the_small_model(root):
    done = ended("run", "--plan", "plan.md", "--yes", "--json", folder=root)

    found = valid(done.stdout)
    assert done.returncode == 0, done.stderr
    assert found["status"] == "done"
    assert found["files"] == [{"path": "rows.py", "status": "edited"}]
    assert (root / "rows.py").read_text() == EDITED
    (request,) = found["requests"]
    assert request["model"] == "aidx-tiny"
    assert sum(item["tokens"] for item in request["context"]) == request["prompt_tokens"] <= request["gate"]
    assert found["peak_kv_bytes"]["editor"] == 1024 * 6144  # 6 layers x 4 heads x 64 x K and V x 2 bytes
    again = ended("run", "--resume", found["id"], "--json", folder=root)
    assert json.loads(again.stdout) == found


def test_a_wrong_edit_is_caught_by_the_checks_and_taken_back(root):
    (root / "check.py").write_text("print('rows.py: first must stay as it is')\nraise SystemExit(1)\n")

    done = ended("run", "--plan", "plan.md", "--yes", "--json", folder=root)

    found = valid(done.stdout)
    assert done.returncode == 5
    assert found["status"] == "failed"
    assert "first must stay as it is" in found["reason"]
    assert (root / "rows.py").read_text() == SOURCE


def test_nobody_is_asked_where_there_is_no_terminal(root):
    done = ended("run", "--plan", "plan.md", folder=root)

    assert done.returncode == 2
    assert "# Plan: let first take a limit" in done.stdout
    assert "nothing was changed" in done.stderr
    name = done.stderr.split("--resume ")[1].split()[0]
    assert (root / "rows.py").read_text() == SOURCE

    resumed = ended("run", "--resume", name, "--yes", folder=root)
    assert resumed.returncode == 0, resumed.stderr
    assert (root / "rows.py").read_text() == EDITED


def test_a_dry_run_shows_each_context_and_leaves_nothing(root):
    before = sorted(root.rglob("*"))

    done = ended("run", "--plan", "plan.md", "--dry-run", folder=root)
    as_json = valid(ended("run", "--plan", "plan.md", "--dry-run", "--json", folder=root).stdout)

    assert done.returncode == 0, done.stderr
    assert "edit: rows.py::first: 60 of 768 prompt tokens" in done.stdout
    assert [request["completion_tokens"] for request in as_json["requests"]] == [0]
    assert sorted(root.rglob("*")) == before


def test_a_dry_run_of_research_leaves_no_index_that_was_not_there(root):
    before = sorted(root.rglob("*"))
    done = ended("run", "let first take a limit", "--until", "research", "--dry-run", folder=root)
    assert done.returncode == 0, done.stderr
    assert "rows.py::first" in done.stdout
    assert "research: no index is kept; a dry run writes nothing else\n" in done.stderr
    assert sorted(root.rglob("*")) == before

    assert ended("run", "let first take a limit", "--until", "research", folder=root).returncode == 0
    (root / "rows.py").write_text(SOURCE.replace("first", "last"))
    runs = sorted((root / ".aidx" / "runs").rglob("*"))
    done = ended("run", "let last take a limit", "--until", "research", "--dry-run", folder=root)
    assert "rows.py::last" in done.stdout
    told = "research: the index in .aidx/index/fts5.sqlite is brought up to date; a dry run writes nothing else\n"
    assert told in done.stderr
    assert sorted((root / ".aidx" / "runs").rglob("*")) == runs


def test_until_edit_shows_the_diff_and_resume_goes_on(root):
    done = ended("run", "--plan", "plan.md", "--yes", "--until", "edit", folder=root)

    assert done.returncode == 0, done.stderr
    assert "+def first(rows, limit=10):" in done.stdout
    assert "rows.py: would be edited" in done.stdout
    assert (root / "rows.py").read_text() == SOURCE
    name = done.stderr.split("--resume ")[1].split()[0]
    assert ended("run", "--resume", name, folder=root).returncode == 0
    assert (root / "rows.py").read_text() == EDITED


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (("`rows.py` (edit)", "`../rows.py` (edit)"), 2, "line 4"),
        (("`rows.py` (edit)", "`.git/hooks/pre-commit` (edit)"), 2, "line 4"),
        (("# Plan: let", "Plan let"), 2, "line 1"),
        (("- tests", "- rm"), 2, "check rm does not stand under [checks]"),
        (("rows.py::first", "rows.py::last"), 2, "has no symbol last"),
        (("default 10.", "default 10. " + "Mind the row. " * 400), 3, "step 1 (rows.py::first) takes"),
        (("Add a parameter limit with default 10.", "Sing a song about it, please."), 5, ""),
    ],
)
def test_what_is_wrong_is_said_with_its_exit_code_and_nothing_is_changed(root, change, code, said):
    (root / "plan.md").write_text(PLAN.replace(*change))

    done = ended("run", "--plan", "plan.md", "--yes", "-q", folder=root)

    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert (root / "rows.py").read_text() == SOURCE


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "there is nothing to do"),
        (["--resume", "20260101-000000-abcd"], "there is no run"),
        (["--resume", "../../etc"], "there is no run"),
        (["x", "--resume", "20260101-000000-abcd"], "has its task"),
        (["--plan", "nowhere.md"], "nowhere.md: no such file"),
        (["--plan", "plan.md", "--root", "nowhere"], "cannot work in nowhere"),
        (["--plan", "plan.md", "--commit"], "no git repository"),
        (["--plan", "plan.md", "--until", "plan"], "nothing to do"),
        (["a task for nobody"], "no model fills the role architect"),
    ],
)
def test_commands_that_cannot_be_meant(root, words, said):
    done = ended("run", *words, folder=root)

    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "hint: " in done.stderr


def test_max_kv_is_a_bound(root):
    with (root / "aidx.toml").open("a") as file:
        file.write('[pipeline]\nmax_kv = "6M"\n')
    assert ended("run", "--plan", "plan.md", "--dry-run", folder=root).returncode == 0

    (root / "aidx.toml").write_text((root / "aidx.toml").read_text().replace("6M", "5M"))
    smaller = json.loads(ended("run", "--plan", "plan.md", "--yes", "--json", folder=root).stdout)
    assert smaller["peak_kv_bytes"]["editor"] <= 5 << 20

    (root / "rows.py").write_text(SOURCE)
    with (root / "aidx.toml").open("a") as file:
        file.write('[roles.editor]\nmodel = "aidx-tiny"\nengine = "embedded"\nctx_size = 1024\nedit_format = "lines"\n')
    done = ended("run", "--plan", "plan.md", "--yes", folder=root)

    assert done.returncode == 3
    assert "max_kv" in done.stderr
    assert (root / "rows.py").read_text() == SOURCE


CASCADE = """
[route]
local_only = true
[roles.architect]
pattern = "cascade"
[roles.drafter]
model = "aidx-tiny"
ctx_size = 1024
max_tokens = 48
[roles.verifier]
model = "aidx-tiny"
ctx_size = 1024
max_tokens = 48
"""


def test_a_cascade_plans_on_this_machine_and_fails_closed(root):
    """The small model cannot write plans: the rules say so, and nothing is changed."""
    with (root / "aidx.toml").open("a") as file:
        file.write(CASCADE)
    (root / "plan.md").unlink()
    before = {path.name: path.read_bytes() for path in root.glob("*.py")}

    done = ended("run", "let first take a limit", "--json", folder=root)

    found = valid(done.stdout)
    assert done.returncode == 5, done.stderr
    assert (found["status"], found["files"]) == ("failed", [])
    assert "no answer was accepted: " in found["reason"]
    assert [step["outcome"] for step in found["trail"]] == ["refused", "refused", "refused"]
    assert [(step["role"], step["purpose"]) for step in found["trail"]] == [
        ("drafter", "draft"),
        ("drafter", "repair"),
        ("verifier", "rewrite"),
    ]
    assert [request["role"] for request in found["requests"]] == ["drafter", "drafter", "verifier"]
    assert all(request["model"] == "aidx-tiny" for request in found["requests"])
    assert found["peak_kv_bytes"] == {"drafter": 1024 * 6144, "verifier": 1024 * 6144}
    assert {path.name: path.read_bytes() for path in root.glob("*.py")} == before
    again = ended("run", "--resume", found["id"], "--json", folder=root)
    assert (again.returncode, json.loads(again.stdout)["requests"]) == (5, found["requests"])
    assert "asking the" not in again.stderr


def test_what_drafter_and_verifier_would_be_sent_is_shown_first(root):
    with (root / "aidx.toml").open("a") as file:
        file.write(CASCADE)

    done = ended("run", "let first take a limit", "--dry-run", "--json", folder=root)

    found = valid(done.stdout)
    assert done.returncode == 0, done.stderr
    drafter, verifier = found["requests"]
    assert (drafter["role"], verifier["role"]) == ("drafter", "verifier")
    assert verifier["context"][-1] == {"item": "the draft, at most", "tokens": 48}
    for request in (drafter, verifier):
        assert sum(item["tokens"] for item in request["context"]) == request["prompt_tokens"]
    assert not (root / ".aidx" / "runs").exists()


def test_no_other_role_may_be_a_pattern(root):
    with (root / "aidx.toml").open("a") as file:
        file.write(CASCADE.replace("roles.architect", "roles.thinking"))

    done = ended("run", "--plan", "plan.md", "--yes", folder=root)

    assert done.returncode == 2
    assert "roles.thinking is the pattern cascade" in done.stderr
    assert done.stderr.count("hint: ") == 1


def test_a_configured_editor_is_started_as_planned(root):
    with (root / "aidx.toml").open("a") as file:
        file.write('[roles.editor]\nmodel = "aidx-tiny"\nengine = "embedded"\nctx_size = 512\nedit_format = "lines"\n')
        file.write("max_tokens = 100\n")

    done = ended("run", "--plan", "plan.md", "--yes", "--json", folder=root)

    assert done.returncode == 0, done.stderr
    found = valid(done.stdout)
    assert found["requests"][0]["gate"] == 412
    assert found["peak_kv_bytes"]["editor"] == 512 * 6144


def test_research_finds_what_the_task_is_about_and_says_why(root):
    done = ended("run", "let the first of the rows take a limit", "--until", "research", folder=root)

    assert done.returncode == 0, done.stderr
    told = r"aidx: research: rows\.py::first \(lines 4-6\), about \d+ tokens: terms, rank \d: first, rows\n"
    assert re.search(told, done.stderr), done.stderr
    assert "rows.py::first (lines 4-6)" in done.stdout.splitlines()


def test_a_researcher_can_only_choose_what_was_proposed(root):
    """The small model knows nothing of JSON: it is the grammar that makes its answer a choice."""
    settings = (root / "aidx.toml").read_text()
    (root / "aidx.toml").write_text(f'{settings}\n[roles.researcher]\nmodel = "aidx-tiny"\n')
    done = ended("run", "let first take a limit", "--until", "research", "--json", folder=root)

    found = valid(done.stdout)
    assert done.returncode == 0, done.stderr
    (request,) = found["requests"]
    assert (request["phase"], request["role"], request["model"]) == ("research", "researcher", "aidx-tiny")
    assert request["prompt_tokens"] <= request["gate"]
