"""A check that cannot be started is said before anybody is paid."""

import pytest
from tests.fakes.paid import BLOCK, FILE, GO, PLAN, only_run, paid
from tests.running import ended


@pytest.fixture
def service(tmp_path):
    with paid(tmp_path, architect=PLAN, thinking=GO, editor=BLOCK) as found:
        yield found


@pytest.mark.parametrize("words", [("a.py returns two",), ("--plan", "plan.md")], ids=["architect", "plan"])
@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("no-such-program", "no-such-program is not on PATH"),
        ("./no/such", "./no/such is not there"),
        ("./check", "./check may not be executed"),
        ("./stale", "./stale begins with #!/no/such/python, which is not there"),
        ("sub", "sub is not on PATH"),
        ("./sub", "./sub is no file"),
    ],
)
def test_a_check_that_cannot_be_started(tmp_path, service, words, program, why):
    (tmp_path / "sub").mkdir()
    (tmp_path / "check").write_text("#!/bin/sh\n")
    (tmp_path / "stale").write_text("#!/no/such/python -B\n")
    (tmp_path / "stale").chmod(0o755)
    service.checks(tests=[program, "-q"])

    for more in (("--yes",), ("--dry-run",)):
        code, _, err = ended("run", *words, *more, folder=tmp_path)
        said, hint = err.splitlines()[-2:]
        assert (code, said) == (4, f"aidx: check tests cannot be started: {why}")
        assert hint.startswith("hint: Install it, or correct its line under [checks] in aidx.toml.")
        assert service.asked() == []
    assert (tmp_path / "a.py").read_text() == FILE

    service.checks(tests=["true"])
    assert hint.endswith("aidx.toml.")  # of a dry run
    assert ended("run", "--resume", only_run(tmp_path).name, "--yes", folder=tmp_path)[0] == 0
    assert "return 2" in (tmp_path / "a.py").read_text()


def test_only_the_checks_of_the_plan_have_to_be_there(tmp_path, service):
    service.checks(tests=["true"], other=["no-such-program"])

    assert ended("run", "--plan", "plan.md", "--yes", folder=tmp_path)[0] == 0
    (tmp_path / "a.py").write_text(FILE)
    code, _, err = ended("run", "a.py returns two", "--yes", folder=tmp_path)  # an architect may choose any
    assert (code, "check other cannot be started: no-such-program is not on PATH" in err) == (4, True)
    assert service.asked("architect") == []
    assert ended("run", "a.py returns two", "--until", "research", folder=tmp_path)[0] == 0


def test_a_program_in_the_root_is_looked_for_there(tmp_path, service):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a.py").write_text(FILE)
    (tmp_path / "tree" / "check").write_text("#!/bin/sh\ntest -e check\n")
    (tmp_path / "tree" / "check").chmod(0o755)
    service.checks(tests=["./check"])

    assert ended("run", "--plan", "plan.md", "--root", "tree", "--yes", folder=tmp_path)[0] == 0
