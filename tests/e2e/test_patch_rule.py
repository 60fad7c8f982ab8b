"""The rule ``patch`` with what runs it: edit blocks are tried on a real tree, and nothing is written."""

import asyncio

import pytest

from aidx import wiring
from aidx.patterns.rules import rules
from aidx.wiring.cascade import runner

GOOD = "a.py\n<<<<<<< SEARCH\n    return 1\n=======\n    return 2\n>>>>>>> REPLACE\n"
NEW = "new/b.py\n<<<<<<< SEARCH\n=======\nB = 1\n>>>>>>> REPLACE\n"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a.py").write_bytes(b"def f():\n    return 1\n")
    return tmp_path / "tree"


def judged(answer, root):
    """What the rule says of *answer*, with its command run on the tree at *root*."""
    run = runner(wiring.settings(), str(root))
    (rule,) = rules(["patch"])
    steps = rule.judge(answer)
    command = next(steps)
    with pytest.raises(StopIteration) as ended:
        steps.send(asyncio.run(run(command)))
    return ended.value.value


@pytest.mark.parametrize("answer", [GOOD, NEW, GOOD + "\n" + NEW])
def test_blocks_that_can_be_applied_pass_and_are_not(root, answer):
    assert judged(answer, root) is None
    assert {path.name: path.read_bytes() for path in root.rglob("*.py")} == {"a.py": b"def f():\n    return 1\n"}
    assert not (root / "new").exists()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (GOOD.replace("return 1", "return 7 * eight"), "a.py: block 1: not_found"),
        (GOOD.replace("a.py", "b.py"), "b.py: block 1: not_found"),
        (GOOD.replace("a.py", "../a.py"), "../a.py: block 1: outside_root"),
        (GOOD.replace("a.py", ".git/config"), ".git/config: block 1: not_allowed"),
        (GOOD.replace("return 2", "return (2"), "a.py: block 1: syntax"),
        (GOOD + NEW.replace("new/b.py", "a.py"), "a.py: block 2: conflict"),
        ("I would return 2 instead.", "no edit block"),
    ],
)
def test_what_cannot_be_applied_is_told_with_the_reason(root, answer, said):
    found = judged(answer, root)

    assert found is not None
    assert said in found
    assert (root / "a.py").read_bytes() == b"def f():\n    return 1\n"
