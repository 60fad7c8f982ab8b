"""A run on a real tree with scripted models: what is written, what is taken back, what is asked twice (nothing)."""

import json
import subprocess

import pytest
from tests.fakes.pipeline import CELL, Order, contents, python, run, seat

from aidx.errors import BudgetError, EngineError
from aidx.pipeline.contract import as_json

PLAN = """\
# Plan: two

## Files
- `app/a.py` (edit)
- `new/deep/b.py` (create)
- `old.py` (delete)

## Steps
1. `app/a.py::f`: Return two.
2. `new/deep/b.py`: Make it.

## Checks
- tests

## Commit
feat(app): return two
"""
FIRST = "app/a.py\n<<<<<<< SEARCH\n    return 1\n=======\n    return 2\n>>>>>>> REPLACE\n"
SECOND = "new/deep/b.py\n<<<<<<< SEARCH\n=======\nB = 3\n>>>>>>> REPLACE\n"
AFTER = {
    "app": None,
    "app/a.py": b"def f():\n    return 2\n",
    "other.txt": b"mine\r\n",
    "new": None,
    "new/deep": None,
    "new/deep/b.py": b"B = 3\n",
}
PASS = python("import sys; sys.path.insert(0, 'app'); sys.dont_write_bytecode = True; import a; assert a.f() == 2")


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "tree"
    (root / "app").mkdir(parents=True)
    (root / "app" / "a.py").write_bytes(b"def f():\n    return 1\n")
    (root / "old.py").write_bytes(b"x = 1\n")
    (root / "other.txt").write_bytes(b"mine\r\n")
    return root


class Editor:
    """Answers each step; counts what it was asked."""

    def __init__(self, first=FIRST, second=SECOND, mended=None):
        self.asked = []
        self._answers = first, second, mended

    def __call__(self, request):
        text = request["messages"][-1]["content"]
        self.asked.append(text)
        first, second, mended = self._answers
        if "Mend it." in text:
            return mended or "I cannot."
        return first if "Your step now: app/a.py" in text else second


def order(check=PASS, **fields):
    return Order(**{"task": "two", "plan": PLAN, "checks": {"tests": check}, **fields})


def test_a_plan_is_carried_out_and_everything_else_stays(root):
    editor = Editor()

    found = run(root, {"editor": seat(editor)}, order())

    assert found.status == "done", found.error
    assert contents(root) == AFTER
    assert dict(found.outcome.files) == {"app/a.py": "edited", "new/deep/b.py": "created", "old.py": "deleted"}
    assert [phase.name for phase in found.phases] == ["preflight", "edit", "check"]
    assert found.kv_bytes == {"editor": 8192 * CELL}


def test_the_ledger_is_the_requests_of_the_json(root):
    found = run(root, {"editor": seat(Editor())}, order())

    ledger = (root / ".aidx" / "runs" / found.id / "ledger.jsonl").read_text().splitlines()
    requests = as_json(found)["requests"]
    assert [json.loads(line) for line in ledger] == requests
    assert [request["phase"] for request in requests] == ["edit", "edit"]
    for request in requests:
        assert sum(item["tokens"] for item in request["context"]) == request["prompt_tokens"] <= request["gate"]
        assert request["reserved_bytes"] == request["reserved_tokens"] * CELL
    assert as_json(found)["peak_prompt_tokens"]["editor"] == max(request["prompt_tokens"] for request in requests)


def test_a_check_that_fails_puts_every_byte_back(root):
    before = contents(root)
    editor = Editor()

    found = run(root, {"editor": seat(editor)}, order(python("print('app/a.py is wrong'); raise SystemExit(1)")))

    assert found.status == "failed"
    assert found.error.exit_code == 5
    assert contents(root) == before
    assert "app/a.py is wrong" in editor.asked[-1]
    assert len(editor.asked) == 3
    kept = root / ".aidx" / "runs" / found.id
    assert "-    return 1\n+    return 2\n" in (kept / "failed.diff").read_text()
    assert "app/a.py is wrong" in (kept / "failed.txt").read_text()


def test_one_repair_may_help(root):
    wrong = FIRST.replace("return 2", "return 9")
    mended = FIRST.replace("return 1", "return 9")
    check = python(
        "import sys; sys.path.insert(0, 'app'); sys.dont_write_bytecode = True\n"
        "import a\nassert a.f() == 2, 'app/a.py: f is wrong'"
    )

    found = run(root, {"editor": seat(Editor(wrong, mended=mended))}, order(check))

    assert found.status == "done", found.error
    assert contents(root) == AFTER
    assert [request["phase"] for request in found.requests] == ["edit", "edit", "check"]


def test_one_repair_that_does_not_help_is_the_last(root):
    before = contents(root)
    wrong = FIRST.replace("return 2", "return 9")
    mended = FIRST.replace("return 1", "return 9").replace("return 2", "return 8")
    editor = Editor(wrong, mended=mended)

    check = python(
        "import sys; sys.path.insert(0, 'app'); sys.dont_write_bytecode = True\n"
        "import a\nassert a.f() == 2, 'app/a.py: f is wrong'"
    )
    found = run(root, {"editor": seat(editor)}, order(check))

    assert "one repair did not help; the tree is as before" in str(found.error)
    assert [request["phase"] for request in found.requests] == ["edit", "edit", "check"]
    assert contents(root) == before


def test_a_refused_edit_writes_nothing(root):
    before = contents(root)

    found = run(root, {"editor": seat(Editor(first="../x\n<<<<<<< SEARCH\n=======\nx\n>>>>>>> REPLACE\n"))}, order())

    assert found.error.exit_code == 5
    assert contents(root) == before
    assert list(root.parent.iterdir()) == [root]


def test_a_file_that_a_check_formats_is_put_back_too(root):
    before = contents(root)

    found = run(
        root, {"editor": seat(Editor())}, order(python("open('app/a.py', 'a').write('# x'); raise SystemExit(1)"))
    )

    assert found.error.exit_code == 5
    assert contents(root) == before


def test_a_check_that_cannot_work_is_no_finding_and_may_be_resumed(root):
    before, editor = contents(root), Editor()

    broken = run(root, {"editor": seat(editor)}, order(("no-such-program",)))
    assert isinstance(broken.error, EngineError)
    assert contents(root) == before

    found = run(root, {"editor": seat(editor)}, order(), name=broken.id)
    assert found.status == "done", found.error
    assert contents(root) == AFTER
    assert len(editor.asked) == 2


@pytest.mark.parametrize("argv", [("sh", "-c", "exit 127"), ("sh", "-c", "exit 126")])
def test_statuses_of_commands_that_were_not_run_are_no_findings(root, argv):
    found = run(root, {"editor": seat(Editor())}, order(argv))

    assert isinstance(found.error, EngineError)
    assert len(found.requests) == 2


def test_a_person_s_no_changes_nothing_and_a_missing_one_can_be_made_up_for(root):
    before, editor = contents(root), Editor()

    no = run(root, {"editor": seat(editor)}, order(), said=False)
    nobody = run(root, {"editor": seat(editor)}, order(), said=None)

    assert (no.status, nobody.status) == ("blocked", "blocked")
    assert (no.error.exit_code, nobody.error.exit_code) == (5, 2)
    assert f"--resume {nobody.id} --yes" in nobody.error.hint
    assert editor.asked == []
    assert contents(root) == before
    assert run(root, {"editor": seat(editor)}, order(), name=nobody.id).status == "done"


def test_a_context_over_the_gate_is_said_before_anything_is_sent(root):
    editor = Editor()

    found = run(root, {"editor": seat(editor, gate=50)}, order())

    assert isinstance(found.error, BudgetError)
    assert found.status == "blocked"
    assert "step 1 (app/a.py::f) takes" in str(found.error)
    assert "(and 1 more steps)" in str(found.error)
    assert editor.asked == []


def test_a_cache_over_max_kv_is_refused(root):
    found = run(root, {"editor": seat(Editor(), max_kv=8192 * CELL - 1)}, order())

    assert isinstance(found.error, BudgetError)
    assert "max_kv" in str(found.error)


def test_a_tree_that_somebody_changed_in_between_is_left_alone(root):
    def meddling(*_):
        (root / "app" / "a.py").write_bytes(b"theirs\n")
        return True

    found = run(root, {"editor": seat(Editor())}, order(), said=meddling)

    assert found.error.exit_code == 5
    assert "changed by someone else" in str(found.error)
    assert (root / "app" / "a.py").read_bytes() == b"theirs\n"


def git(root, *words):
    done = subprocess.run(
        ["git", "-c", "user.name=x", "-c", "user.email=x@y", "-C", root, *words],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.fixture
def repository(root, monkeypatch):
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "x")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "x@example.org")
    git(root, "init", "-q")
    git(root, "add", "app", "old.py")
    git(root, "commit", "-qm", "begin")
    return root


def test_only_the_plan_s_files_are_committed(repository):
    (repository / "staged.txt").write_text("not ours")
    git(repository, "add", "staged.txt")

    found = run(repository, {"editor": seat(Editor())}, order(commit=True))

    assert found.status == "done", found.error
    assert git(repository, "rev-parse", "HEAD").strip() == found.outcome.commit
    shown = git(repository, "show", "--name-status", "--format=%s", "HEAD").split("\n")
    assert shown[0] == "feat(app): return two"
    assert set(filter(None, shown[1:])) == {"M\tapp/a.py", "A\tnew/deep/b.py", "D\told.py"}
    assert git(repository, "status", "--porcelain").split("\n")[:2] == ["A  staged.txt", "?? other.txt"]


def test_a_commit_that_a_hook_refuses_is_told_and_can_be_made_later(repository):
    hook = repository / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\necho no such luck\nexit 1\n")
    hook.chmod(0o755)
    editor = Editor()

    found = run(repository, {"editor": seat(editor)}, order(commit=True))
    assert found.error.exit_code == 5
    assert "no such luck" in str(found.error)
    assert contents(repository)["app/a.py"] == AFTER["app/a.py"]

    hook.unlink()
    again = run(repository, {"editor": seat(editor)}, order(commit=True), name=found.id)
    assert again.status == "done", again.error
    assert len(editor.asked) == 2
    assert git(repository, "log", "--oneline").count("\n") == 2


ARCHITECT = "Let me think about app/a.py.\n\n" + PLAN


def test_an_architect_plans_and_thinking_says_go(root):
    prompts = []

    def architect(request):
        prompts.append(request["messages"])
        return ARCHITECT if len(prompts) > 1 else "# Plan: x\n## Files\n- `../a.py` (edit)\n"

    def thinking(request):
        assert request["response_format"]["type"] == "json_schema"  # what the fake says that it enforces
        return '{"verdict": "go", "objections": []}'

    seats = {"editor": seat(Editor()), "architect": seat(architect), "thinking": seat(thinking)}
    found = run(root, seats, order(task="make f in app/a.py return two", plan=None, thinking=True))

    assert found.status == "done", found.error
    assert [request["role"] for request in found.requests] == ["architect", "architect", "thinking", "editor", "editor"]
    assert "def f():" in prompts[0][-1]["content"]
    assert "climbs with .." in prompts[1][-1]["content"]
    assert "Let me think" not in (root / ".aidx" / "runs" / found.id / "plan.md").read_text()


def test_the_editor_sees_nothing_that_the_architect_said_beside_the_plan(root):
    editor = Editor()

    run(root, {"editor": seat(editor), "architect": seat(lambda _: ARCHITECT)}, order(task="app/a.py", plan=None))

    assert len(editor.asked) == 2
    assert all("Let me think" not in text for text in editor.asked)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ('{"verdict": "objections", "objections": ["f is used in b"]}', "1. f is used in b"),
        ("fine by me", "no verdict"),
    ],
)
def test_objections_and_no_verdict_block_the_run(root, answer, said):
    editor = Editor()

    found = run(root, {"editor": seat(editor), "thinking": seat(lambda _: answer)}, order(thinking=True))

    assert found.status == "blocked"
    assert said in str(found.error)
    assert editor.asked == []


def test_questions_block_the_run(root):
    found = run(root, {"architect": seat(lambda _: "Which f?\nIn which file?")}, order(task="f", plan=None))

    assert found.status == "blocked"
    assert "1. Which f? 2. In which file?" in str(found.error)


def test_three_answers_without_a_plan_end_it(root):
    found = run(root, {"architect": seat(lambda _: "Certainly.")}, order(task="f", plan=None))

    assert found.error.exit_code == 2
    assert len(found.requests) == 3


def test_a_file_that_the_architect_s_gate_has_no_room_for_is_named_and_not_cut(root):
    (root / "big.py").write_text("x = 1\n" * 4000)
    seen = []

    def architect(request):
        seen.append(request["messages"][-1]["content"])
        return ARCHITECT

    seats = {"architect": seat(architect, gate=2000), "editor": seat(Editor())}
    run(root, seats, order(task="app/a.py and big.py", plan=None))

    assert "Too long to be shown, and there: big.py." in seen[0]
    assert "x = 1" not in seen[0]


def test_a_run_that_stops_early_goes_on_where_it_was(root):
    editor, asked = Editor(), []

    def architect(request):
        asked.append(request)
        return ARCHITECT

    seats = {"editor": seat(editor), "architect": seat(architect)}
    begun = run(root, seats, order(task="app/a.py", plan=None, until="plan"))
    edited = run(root, seats, order(task="app/a.py", plan=None, until="edit"), name=begun.id)

    assert "+    return 2" in edited.outcome.diff
    assert (root / "app" / "a.py").read_bytes() == b"def f():\n    return 1\n"
    assert run(root, seats, order(task="app/a.py", plan=None), name=begun.id).status == "done"
    assert (len(asked), len(editor.asked)) == (1, 2)
    assert contents(root) == AFTER
