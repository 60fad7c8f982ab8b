"""What a program that edits by itself must do, whichever it is: the scripted one, and the real one where it is here."""

import shutil
import subprocess

import pytest
from tests.fakes import aider as fake
from tests.fakes.scripted import ScriptedDeployment

from aidx.adapters.aider import Aider, Model
from aidx.budget.settings import Settings
from aidx.gate.admit import limits
from aidx.ports.engine import Launch
from aidx.ports.programs import Errand
from aidx.serve.run import Listen, Offer, Process
from aidx.serve.run.beside import beside

PROGRAMS = ["scripted", *(["real"] if shutil.which("aider") else [])]
SOURCE = b"def first(rows):\n    return rows[0]\n"
EDITED = b"def first(rows, limit=10):\n    return rows[0]\n"
EDIT = """\
01|def first(rows, limit=10):

rows.py
<<<<<<< SEARCH
def first(rows):
=======
def first(rows, limit=10):
>>>>>>> REPLACE
"""
EVIL = "".join(
    f"\n{path}\n<<<<<<< SEARCH\n=======\nPWNED\n>>>>>>> REPLACE\n"
    for path in ("../evil.py", "other.py", ".git/hooks/pre-commit", "notes.md")
)


@pytest.fixture(params=PROGRAMS)
def work(request, tmp_path, monkeypatch):
    """Let the program do an errand while its model answers *answer*; what was done, and what the gateway saw."""
    if request.param == "scripted":
        monkeypatch.setenv("PATH", str(fake.install(tmp_path / "bin").parent), prepend=":")
    root = tmp_path / "root"
    root.mkdir()
    subprocess.run(["git", "init", "-q", root], check=True)
    (root / "rows.py").write_bytes(SOURCE)

    def run(answer, *, gate=4096, timeout_s=120.0, files=None):
        settings, seen = Settings(ctx_size=8192), []
        launch = Launch(__file__, "scripted", settings)
        process = Process("editor", lambda: ScriptedDeployment(launch, lambda _: answer), 10)
        offer = Offer("editor", "scripted", limits(settings, 8192, gate=gate), process)
        with beside(offer, {}, Listen("127.0.0.1", 0, "key"), tell=lambda _: None, log=seen.append) as address:
            program = Aider(str(root), Model("editor", address, "key", 8192, 1024), timeout_s)
            message = "Your step now: rows.py::first\nAdd a parameter limit with default 10."
            given = {"rows.py": SOURCE, "notes.md": b"Notes.\n", **(files or {})}
            return program.work(Errand(message, given, "rows.py")), seen

    return run


def test_the_file_of_the_errand_is_changed_and_told(work):
    done, seen = work(EDIT)

    assert dict(done.files) == {"rows.py": EDITED}
    assert [line["status"] for line in seen] == [200]


def test_no_other_file_is_made_or_changed_whatever_the_model_says(work, tmp_path):
    done, _ = work(EDIT + EVIL)

    assert set(done.files) <= {"rows.py", "notes.md"}  # what is told is judged by the pipeline
    assert not list(tmp_path.rglob("evil.py"))
    assert not list(tmp_path.rglob("other.py"))
    assert not (tmp_path / "root" / ".git" / "hooks" / "pre-commit").exists()
    assert (tmp_path / "root" / "rows.py").read_bytes() == SOURCE


def test_what_is_over_the_gate_reaches_no_model(work):
    done, seen = work(EDIT, gate=10)

    assert dict(done.files) == {}
    assert seen
    assert {line["code"] for line in seen} == {"context_length_exceeded"}


def test_a_model_that_answers_nonsense_changes_nothing(work):
    done, _ = work("I am sorry.")

    assert dict(done.files) == {}
