"""plan.md: what is read, and every line that is not."""

import pytest

from aidx.pipeline.artifact.parse import PlanError, found_in, parse
from aidx.pipeline.artifact.plan import ChangePlan, PlannedFile, Step, render

TEXT = """# Plan: add a currency to report totals

Why, constraints,
anything worth knowing.

## Files
- `app/report.py` (edit)
- `app/money.py` (create)
- `app/settings.py` (read)

## Steps
1. `app/money.py`: Create a frozen dataclass `Money(amount, currency)`.
2. `app/report.py::Report.total`: Return `Money` instead of a float.
   More lines of the same step are indented.

   - even lists

## Checks
- tests

## Commit
feat(report): give totals a currency
"""


def test_a_plan_is_read():
    assert parse(TEXT) == ChangePlan(
        title="add a currency to report totals",
        why="Why, constraints,\nanything worth knowing.",
        files=(
            PlannedFile("app/report.py", "edit"),
            PlannedFile("app/money.py", "create"),
            PlannedFile("app/settings.py", "read"),
        ),
        steps=(
            Step("app/money.py", None, "Create a frozen dataclass `Money(amount, currency)`."),
            Step(
                "app/report.py",
                "Report.total",
                "Return `Money` instead of a float.\nMore lines of the same step are indented.\n\n- even lists",
            ),
        ),
        checks=("tests",),
        commit="feat(report): give totals a currency",
    )


def test_a_plan_is_written_as_it_was_read():
    assert render(parse(TEXT)) == TEXT


def test_windows_line_endings_are_read():
    assert parse(TEXT.replace("\n", "\r\n")) == parse(TEXT)


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("# Plan: add", "# add", 1, "begins with '# Plan: '"),
        ("## Files", "## File", 6, "unknown section 'File'"),
        ("(edit)", "(change)", 7, "expected '- `path` (edit|create|delete|read)'"),
        ("app/money.py` (create)", "app/report.py` (create)", 8, "named twice"),
        ("`app/settings.py`", "`../settings.py`", 9, "climbs with .."),
        ("`app/settings.py`", "`.git/config`", 9, "no edit may touch"),
        ("`app/settings.py`", "`/etc/passwd`", 9, "not below the root"),
        ("2. `app", "3. `app", 13, "step 3 should be step 2"),
        ("1. `app/money.py`", "1. `app/other.py`", 12, "does not stand under '## Files'"),
        ("1. `app/money.py`", "1. `app/settings.py`", 12, "a file to read: no step changes it"),
        ("Report.total", "Report total", 13, "is no symbol"),
        ("   More", "More", 14, "more lines of a step are indented"),
        ("- tests", "run the tests", 19, "expected '- name'"),
        ("- tests", "- tests\n- tests", 20, "named twice"),
        ("feat(report): give totals a currency", "", 21, "'Commit' is empty"),
        ("## Checks", "## Files", 18, "a second section 'Files'"),
        (": Create a frozen dataclass `Money(amount, currency)`.", ":", 12, "does not say what to do"),
    ],
)
def test_an_error_names_its_line(old, new, line, told):
    with pytest.raises(PlanError) as caught:
        parse(TEXT.replace(old, new, 1))

    assert any(problem.line == line and told in problem.text for problem in caught.value.problems)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_sections_have_an_order():
    with pytest.raises(PlanError, match="'Checks' stands before 'Commit'"):
        parse("# Plan: x\n## Files\n- `a` (delete)\n## Commit\nfix: x\n## Checks\n- t\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "line 1: a plan begins"),
        ("# Plan: x\n", "no file stands"),
        ("# Plan: x\n## Files\n- `a` (read)\n", "changes no file"),
        ("# Plan: x\n## Files\n- `a` (edit)\n", "no step is about a"),
        ("# Plan: x\n# Plan: y\n## Files\n- `a` (delete)\n", "a second '# Plan:' line"),
    ],
)
def test_a_plan_is_complete(text, told):
    with pytest.raises(PlanError, match=told):
        parse(text)


def test_files_are_deleted_without_a_step():
    assert parse("# Plan: x\n## Files\n- `a` (delete)\n").changed == ("a",)


def test_every_problem_is_kept():
    with pytest.raises(PlanError, match="and 1 more") as caught:
        parse("# Plan: x\n## Files\n- `a` (edit)\n- b\n")

    assert [problem.line for problem in caught.value.problems] == [2, 4]


@pytest.mark.parametrize("before", ["", "Let me think.\n\n", "<think>\nsecret\n</think>\n"])
def test_what_comes_before_a_plan_is_dropped(before):
    assert found_in(before + TEXT) == TEXT


def test_a_fence_around_a_plan_is_dropped():
    assert found_in(f"Here it is:\n```markdown\n{TEXT}```\nDone!") == TEXT


BARE = TEXT.partition("\n## Checks")[0]


@pytest.mark.parametrize("plan", [TEXT, TEXT.partition("\n## Commit")[0], BARE])
@pytest.mark.parametrize("talk", ["Let me know!", "**Note:** untested.\nSo test it.\n\n---\n\nLet me know!\n"])
def test_prose_after_a_model_s_plan_is_dropped_and_after_a_person_s_it_is_not(plan, talk):
    assert found_in(f"{plan}\n{talk}") == plan
    if plan == TEXT:
        assert parse(f"{plan}\n{talk}").commit != parse(plan).commit  # a person's message has a body
    else:
        with pytest.raises(PlanError, match="expected '"):
            parse(f"{plan}\n{talk}")


@pytest.mark.parametrize(
    ("plan", "more"),
    [
        (TEXT, "- keeps old totals\n"),
        (TEXT, "Totals change.\n\nBREAKING CHANGE: totals are no floats\nRefs: #7\n"),
        (TEXT, "Co-authored-by: A <a@b.c>\n"),
        (BARE, "3. `app/other.py`: Go on.\n"),
        (BARE, "   More of the last step.\n"),
        (BARE, "- tests\n"),
        (BARE, "## Notes\nnothing\n"),
    ],
)
def test_what_may_belong_to_a_plan_is_left_to_the_grammar(plan, more):
    assert found_in(f"{plan}\n{more}") == f"{plan}\n{more}"


@pytest.mark.parametrize("plan", ["# Plan: x\n\nWhy.\n\nAnd more.\n", "# Plan: x\n\n## Checks\n\nrun them\n"])
def test_what_stands_alone_is_not_taken_for_talk(plan):
    assert found_in(plan) == plan


def test_no_plan_is_none():
    assert found_in("I cannot.") is None
