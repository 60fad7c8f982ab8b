"""What is said about a plan before anything is asked."""

import pytest

from aidx.pipeline.artifact.parse import parse
from aidx.pipeline.commit import TYPES, objection
from aidx.pipeline.lint import lint

TEXT = (
    "# Plan: x\n## Files\n- `a.py` (edit)\n- `n.py` (create)\n- `o.py` (delete)\n- `r.md` (read)\n"
    "## Steps\n1. `a.py::f`: Do.\n2. `n.py`: Make.\n3. `a.py::made`: Use.\n## Checks\n- tests\n## Commit\nfix: it\n"
)
FILES = {"a.py": b"def f():\n    pass\n", "n.py": None, "o.py": b"", "r.md": b"x"}


def findings(text=TEXT, checks=("tests",), closed=None, **files):
    tree = {**FILES, **{name.replace("_", "."): data for name, data in files.items()}}
    return [(found.kind, found.about) for found in lint(parse(text), tree, checks, closed or {})]


def test_a_plan_that_fits_the_tree_has_no_findings():
    assert findings() == []


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"a_py": None}, [("file", "a.py"), ("symbol", "a.py::f")]),
        ({"n_py": b""}, [("file", "n.py")]),
        ({"o_py": None}, [("file", "o.py")]),
        ({"r_md": None}, [("file", "r.md")]),
        ({"a_py": b"def g(): pass\n"}, [("symbol", "a.py::f")]),
        ({"a_py": b"\0"}, [("text", "a.py")]),
        ({"r_md": b"\0"}, [("text", "r.md")]),
        ({"a_py": b"def (\n"}, [("symbol", "a.py::f"), ("symbol", "a.py::made")]),
    ],
)
def test_files_and_symbols_must_be_there(files, found):
    assert findings(**files) == found


def test_a_closed_file_is_only_read():
    closed = dict.fromkeys(FILES, "is run by check tests")
    assert findings(closed=closed) == [("file", path) for path in ("a.py", "n.py", "o.py")]


def test_checks_must_be_configured_and_commits_conventional():
    assert findings(checks=()) == [("check", "tests")]
    assert findings(TEXT.replace("fix: it", "Fixed it")) == [("commit", "Commit")]


@pytest.mark.parametrize("message", ["feat: x", "fix(a b)!: x", "docs(api): x\n\nbody", *(f"{t}: x" for t in TYPES)])
def test_conventional_commits_pass(message):
    assert objection(message) is None


@pytest.mark.parametrize(
    "message",
    ["", "x", "feat:x", "Feat: x", "feat : x", "feature: x", "feat(): x", "feat: x\nbody", "fix: " + "x" * 99],
)
def test_other_messages_do_not(message):
    assert objection(message)
