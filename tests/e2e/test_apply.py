"""``aidx apply`` as it is typed."""

import json
from importlib.resources import files

import jsonschema_rs
import pytest
from tests.running import ended

ANSWER = "app/x.py\n<<<<<<< SEARCH\na = 1\n=======\na = 2\n>>>>>>> REPLACE\n"
CREATE = "new/y.txt\n<<<<<<< SEARCH\n=======\nhello\n>>>>>>> REPLACE\n"
EVIL = "../x.py\n<<<<<<< SEARCH\n=======\nevil\n>>>>>>> REPLACE\n"


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    (root / "app").mkdir(parents=True)
    (root / "app" / "x.py").write_text("a = 1\nb = 1\n")
    return root


def applied(root, *arguments, answer=ANSWER):
    return ended("apply", "-", "--root", root, *arguments, text=answer)


def valid(text):
    schema = json.loads((files("aidx") / "data" / "schemas" / "apply.json").read_text("utf-8"))
    found = json.loads(text)
    jsonschema_rs.validator_for(schema).validate(found)
    return found


def test_blocks_are_applied(root):
    assert applied(root, answer=ANSWER + CREATE) == (0, "app/x.py: edited\nnew/y.txt: created\n", "")
    assert (root / "app" / "x.py").read_text() == "a = 2\nb = 1\n"
    assert (root / "new" / "y.txt").read_text() == "hello\n"


def test_one_file_is_not_the_folder_of_another(root):
    code, out, _ = applied(root, answer=CREATE + CREATE.replace("new/y.txt", "new"))

    assert (code, out) == (5, "new: block 2 refused (not_allowed): new and new/y.txt cannot both be files\n")
    assert [path.name for path in root.iterdir()] == ["app"]


def test_json_is_the_contract(root):
    code, out, _ = applied(root, "--json")

    assert (code, valid(out)["files"]) == (0, [{"path": "app/x.py", "status": "edited"}])


def test_one_refused_block_refuses_all_and_the_tree_is_untouched(root):
    code, out, err = applied(root, answer=ANSWER + EVIL)

    assert (code, out.split(":")[0]) == (5, "../x.py")
    assert err.startswith("aidx: 1 of 2 blocks")
    assert [path.name for path in root.iterdir()] == ["app"]
    assert (root / "app" / "x.py").read_text() == "a = 1\nb = 1\n"


def test_a_refusal_with_json_is_a_verdict(root):
    code, out, err = applied(root, "--json", "--allow", "app/z.py")

    found = valid(out)
    assert (code, err, found["applied"], found["refused"][0]["reason"]) == (5, "", False, "not_allowed")


def test_a_dry_run_writes_nothing(root):
    assert applied(root, "--dry-run") == (0, "app/x.py: would be edited\n", "")
    assert (root / "app" / "x.py").read_text() == "a = 1\nb = 1\n"
    assert [path.name for path in root.iterdir()] == ["app"]


@pytest.mark.parametrize(
    ("arguments", "answer", "told"),
    [((), "nothing", "no edit block"), (("--root", "/nowhere"), ANSWER, "cannot work in /nowhere")],
)
def test_wrong_input_is_two_lines(root, arguments, answer, told):
    code, out, err = applied(root, *arguments, answer=answer)

    lines = [line for line in err.splitlines() if " counts, and not " not in line]  # --root is given twice
    assert (code, out, len(lines)) == (2, "", 2)
    assert told in err
