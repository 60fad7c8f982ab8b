"""What ``aidx run`` and ``aidx apply`` say one can do when it does not go well."""

import re

import pytest
from tests.fakes.upstream import events, say, upstream
from tests.running import ended

PLAN = """# Plan: two

## Files
- `a.py` (edit)

## Steps
1. `a.py`: Return two.

## Checks
- tests
"""
SETTINGS = """[roles.editor]
model = "m"
engine = "openai"
url = "{url}"
ctx_size = 4096
[checks]
tests = ["sh", "-c", "exit 127"]
"""
BLOCK = "{}\n<<<<<<< SEARCH\n    return 1\n=======\n    return 2\n>>>>>>> REPLACE\n"
FILE = "def f():\n    return 1\n"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "a.py").write_text(FILE)
    (tmp_path / "plan.md").write_text(PLAN)
    return tmp_path


def answering(text, why):
    """A service that ends its answer *text* as *why* says."""
    piece = f'data: {{"choices":[{{"index":0,"delta":{{"content":{text!r}}},"finish_reason":"{why}"}}]}}\n\n'
    routes = {
        ("GET", "/v1/models"): lambda _: say({"data": [{"id": "m"}]}),
        ("POST", "/v1/chat/completions"): lambda _: events(piece.replace("'", '"').encode(), b"data: [DONE]\n\n"),
    }
    return upstream(routes)


@pytest.mark.parametrize(
    ("why", "told"),
    [
        ("length", r"was cut after \d+ tokens"),
        ("stop", "check tests could not do its work"),
    ],
)
def test_an_error_after_which_a_run_can_go_on_names_the_run(root, why, told):
    with answering(BLOCK.format("a.py"), why) as service:
        (root / "aidx.toml").write_text(SETTINGS.format(url=service.url))
        code, _, err = ended("run", "--plan", "plan.md", "--yes", folder=root)

    assert code == 4
    assert re.search(told, err)
    (run,) = [path.name for path in (root / ".aidx" / "runs").iterdir()]
    assert re.search(rf"o on(:| with) aidx run --resume {run}\.?$", err.splitlines()[-1])
    assert (root / "a.py").read_text() == FILE


def test_who_cannot_plan_is_said_before_anything_is_done(root):
    code, out, err = ended("run", "make it return two", folder=root)

    assert (code, out, err.count("\n")) == (2, "", 2)
    assert "no model fills the role architect" in err
    assert not (root / ".aidx").exists()


def test_a_plan_is_called_by_its_own_name(root):
    (root / "mine.txt").write_text(PLAN.replace("(edit)", "(mend)"))

    code, _, err = ended("run", "--plan", "mine.txt", "--yes", folder=root)
    assert code == 2
    assert err.startswith("aidx: mine.txt, line 4: ")


CI = ".github/workflows/x.yml"


@pytest.mark.parametrize(
    ("path", "allow", "hint"),
    [
        ("a.py", ("b.py", "src/"), "If they are to change, give --allow b.py --allow src/ --allow a.py."),
        (CI, (), f"If they are to change, give --allow {CI} (then nothing else may change)."),
        (".git/config", (), "Leave these blocks out: no option lets them change."),
        ("gone.py", (), "Ask for the refused blocks again, with the lines copied from the file as it is."),
    ],
)
def test_who_may_not_change_says_what_may_and_how_to_allow_it(root, path, allow, hint):
    words = [word for name in allow for word in ("--allow", name)]
    code, out, err = ended("apply", "-", *words, folder=root, text=BLOCK.format(path))

    assert (code, err.splitlines()[-1]) == (5, f"hint: {hint}")
    if allow:
        assert out.rstrip().endswith("is not among the files that may be changed: b.py, src/")
    assert (root / "a.py").read_text() == FILE
