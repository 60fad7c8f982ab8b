"""What an Architect says before its plan is dropped: nothing of a run holds it, and nothing is paid for twice."""

import pytest
from tests.fakes.paid import BLOCK, PLAN, only_run, paid
from tests.running import ended

THOUGHT = "This is a thought about a.py."
ANSWER = f"{THOUGHT}\n\n```markdown\n{PLAN}```\nAnd another thought of mine."
CASCADE = '[roles.architect]\npattern = "cascade"\n'
ACCEPT = '{"verdict": "accept"}'


def kept(root):
    return {path.name: path.read_text() for path in only_run(root).iterdir() if path.is_file()}


def test_the_architect_s_thoughts_are_not_kept(tmp_path):
    with paid(tmp_path, architect=ANSWER, editor=BLOCK) as service:
        assert ended("run", "a.py returns two", "--until", "plan", folder=tmp_path)[0] == 0
        assert not any("thought" in text for text in kept(tmp_path).values())
        assert kept(tmp_path)["plan.md"] == PLAN

        assert ended("run", "--resume", only_run(tmp_path).name, "--yes", folder=tmp_path)[0] == 0
        assert len(service.asked("architect")) == 1


@pytest.mark.parametrize("commit", ["", "\n## Commit\nfix(a): return two\n"])
def test_what_the_architect_says_after_its_plan_is_no_part_of_it(tmp_path, commit):
    with paid(tmp_path, architect=f"{PLAN}{commit}\nLet me know if you need more!", editor=BLOCK) as service:
        code, _, err = ended("run", "a.py returns two", "--until", "plan", folder=tmp_path)
        assert (code, len(service.asked("architect"))) == (0, 1), err
    assert "plan: 7 words before and after the plan are dropped" in err
    assert kept(tmp_path)["plan.md"] == PLAN + commit
    assert not any("Let me know" in text for text in kept(tmp_path).values())


def test_a_drafter_s_neither_and_its_verifier_sees_the_plan_alone(tmp_path):
    def verifier(text):
        assert "thought" not in text
        return ACCEPT

    with paid(tmp_path, drafter=ANSWER, verifier=verifier, editor=BLOCK) as service:
        with (tmp_path / "aidx.toml").open("a") as file:
            file.write(CASCADE)
        assert ended("run", "a.py returns two", "--until", "plan", folder=tmp_path)[0] == 0, service.asked()
        assert not any("thought" in text for text in kept(tmp_path).values())
        first = len(service.asked())

        assert ended("run", "--resume", only_run(tmp_path).name, "--until", "plan", folder=tmp_path)[0] == 0
        assert len(service.asked()) == first


def test_questions_are_kept_as_they_were_asked(tmp_path):
    with paid(tmp_path, architect=f"{THOUGHT}\nWhich f?", editor=BLOCK) as service:
        code, _, err = ended("run", "a.py returns two", folder=tmp_path)
        assert (code, "1. Which f?" in err) == (5, True)
        assert "1. Which f?" in ended("run", "--resume", only_run(tmp_path).name, folder=tmp_path)[2]
        assert len(service.asked("architect")) == 1
