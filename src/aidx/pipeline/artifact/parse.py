"""Reads ``plan.md``: strictly, so that nothing of a plan is overlooked, and every error names its line."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

from msgspec import Struct, field

from aidx.errors import InputError
from aidx.pipeline.artifact.plan import ACTIONS, Action, ChangePlan, PlannedFile, Step
from aidx.pipeline.artifact.trailing import without_talk
from aidx.pipeline.edit.document import split
from aidx.pipeline.edit.paths import checked, nested
from aidx.pipeline.edit.refusal import EditRefusedError

TITLE = re.compile(r"# Plan:[ \t]*(.*)")
_SECTION = re.compile(r"##[ \t]+(.*?)[ \t]*")
_FILE = re.compile(r"[-*] `([^`]+)` \((\w+)\)\s*")
_STEP = re.compile(r"([0-9]{1,4})\. `([^`]+)`:[ \t]*(.*)")
_CHECK = re.compile(r"[-*] `?([\w.:-]+)`?\s*")
SECTIONS = ("Files", "Steps", "Checks", "Commit")
_SYMBOL = re.compile(r"\w+(?:\.\w+)*")


class Problem(NamedTuple):
    """What is wrong in line *line* (from 1)."""

    line: int
    text: str


class PlanError(InputError):
    """A plan that is not taken; *problems* holds every one, not only the first."""

    code = "invalid_plan"

    def __init__(self, problems: Sequence[Problem], name: str) -> None:
        first, *rest = problems
        more = f" (and {len(rest)} more)" if rest else ""
        super().__init__(
            f"{name}, line {first.line}: {first.text}{more}",
            hint="Write '# Plan: …', '## Files', '## Steps', and where you like '## Checks' and '## Commit'.",
        )
        self.problems = tuple(problems)


class _Draft(Struct):
    """What was read so far."""

    title: str = ""
    why: str = ""
    files: list[PlannedFile] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)
    commit: str | None = None
    problems: list[Problem] = field(default_factory=list)


class _Line(NamedTuple):
    number: int
    text: str


def parse(text: str, name: str = "plan.md") -> ChangePlan:
    """The plan in *text*; *name* is what its errors call it.

    Raises ``PlanError`` for everything that is not the grammar, a path that no plan may name, a step whose file
    the plan does not let it change, and a file to be changed that no step is about.
    """
    lines = [_Line(number, line.text.rstrip()) for number, line in enumerate(split(text), 1)]
    draft = _Draft()
    head, sections = _cut(lines, draft)
    _read_head(head, draft)
    for section, heading, body in sections:
        _READERS[section](heading, body, draft)
    _check_whole(draft, sections, len(lines))
    if draft.problems:
        raise PlanError(sorted(draft.problems), name)
    return ChangePlan(draft.title, draft.why, tuple(draft.files), tuple(draft.steps), tuple(draft.checks), draft.commit)


def found_in(answer: str) -> str | None:
    """The plan in an Architect's *answer*: from the first ``# Plan:`` line on; what comes before is dropped.

    A code fence around it goes too, and the prose after it. ``None`` where there is no such line.
    """
    lines = [line.text for line in split(answer)]
    start = next((number for number, line in enumerate(lines) if TITLE.fullmatch(line)), None)
    if start is None:
        return None
    fenced = start > 0 and re.match(r"(`{3,}|~{3,})", lines[start - 1])
    kept = lines[start:]
    if fenced:
        end = next((number for number, line in enumerate(kept) if line.strip() == fenced[1]), len(kept))
        kept = kept[:end]
    return "\n".join(without_talk(kept)) + "\n"


_Section = tuple[str, int, list[_Line]]


def _cut(lines: list[_Line], draft: _Draft) -> tuple[list[_Line], list[_Section]]:
    """The lines before the first section, and each known section."""
    head: list[_Line] = []
    sections: list[_Section] = []
    body = head
    for line in lines:
        match = _SECTION.fullmatch(line.text)
        if match is None:
            body.append(line)
            continue
        body = []
        if match[1] not in SECTIONS:
            draft.problems.append(Problem(line.number, f"unknown section '{match[1]}' (known: {', '.join(SECTIONS)})"))
        elif match[1] in [name for name, _, _ in sections]:
            draft.problems.append(Problem(line.number, f"a second section '{match[1]}'"))
        elif sections and SECTIONS.index(match[1]) < SECTIONS.index(sections[-1][0]):
            draft.problems.append(Problem(line.number, f"section '{match[1]}' stands before '{sections[-1][0]}'"))
        else:
            sections.append((match[1], line.number, body))
    return head, sections


def _read_head(head: list[_Line], draft: _Draft) -> None:
    body = list(head)
    while body and not body[0].text:
        body.pop(0)
    match = TITLE.fullmatch(body[0].text) if body else None
    if match is None or not match[1].strip():
        draft.problems.append(Problem(body[0].number if body else 1, "a plan begins with '# Plan: ' and its title"))
        return
    draft.title = match[1].strip()
    for line in body[1:]:
        if TITLE.fullmatch(line.text):
            draft.problems.append(Problem(line.number, "a second '# Plan:' line"))
    draft.why = "\n".join(line.text for line in body[1:]).strip()


def _read_files(heading: int, body: list[_Line], draft: _Draft) -> None:
    del heading
    for line in body:
        if not line.text:
            continue
        match = _FILE.fullmatch(line.text)
        if match is None or match[2] not in ACTIONS:
            draft.problems.append(Problem(line.number, f"expected '- `path` ({'|'.join(ACTIONS)})'"))
            continue
        try:
            path = _path(match[1])
        except EditRefusedError as error:
            draft.problems.append(Problem(line.number, error.detail))
            continue
        if path in [file.path for file in draft.files]:
            draft.problems.append(Problem(line.number, f"{path} is named twice"))
        elif (other := next((file.path for file in draft.files if nested(path, file.path)), None)) is not None:
            draft.problems.append(Problem(line.number, f"{path} and {other} cannot both be files"))
        draft.files.append(PlannedFile(path, cast("Action", match[2])))


def _path(text: str) -> str:
    """The plan's own list allows a file by its name, so that a plan may name what other programs run."""
    plain = "/".join(part for part in text.split("/") if part not in {"", "."}) if not text.startswith("/") else text
    return checked(text, [plain])


def _read_steps(heading: int, body: list[_Line], draft: _Draft) -> None:
    del heading
    open_step: list[_Line] | None = None
    groups: list[list[_Line]] = []
    for line in body:
        if _STEP.fullmatch(line.text):
            open_step = [line]
            groups.append(open_step)
        elif open_step is not None and (not line.text or line.text[0] in " \t"):
            open_step.append(line)
        elif line.text:
            draft.problems.append(
                Problem(line.number, "expected 'N. `path`: what to do'; more lines of a step are indented")
            )
    for number, group in enumerate(groups, 1):
        _read_step(number, group, draft)


def _read_step(number: int, group: list[_Line], draft: _Draft) -> None:
    first = group[0]
    match = _STEP.fullmatch(first.text)
    assert match is not None
    if int(match[1]) != number:
        draft.problems.append(Problem(first.number, f"step {match[1]} should be step {number}"))
    path, _, symbol = match[2].partition("::")
    if "::" in match[2] and not _SYMBOL.fullmatch(symbol):
        draft.problems.append(Problem(first.number, f"'{symbol}' is no symbol such as function or Class.method"))
    path = path.removeprefix("./")
    action = next((file.action for file in draft.files if file.path == path), None)
    if action is None:
        draft.problems.append(Problem(first.number, f"{path} does not stand under '## Files'"))
    elif action in {"read", "delete"}:
        draft.problems.append(Problem(first.number, f"{path} is a file to {action}: no step changes it"))
    text = "\n".join([match[3], *_dedented([line.text for line in group[1:]], len(f"{number}. "))]).strip()
    if not text:
        draft.problems.append(Problem(first.number, f"step {number} does not say what to do"))
    draft.steps.append(Step(path, symbol or None, text))


def _dedented(lines: list[str], most: int) -> list[str]:
    """*lines* without the indentation that they share, *most* characters of it."""
    shared = min((len(line) - len(line.lstrip()) for line in lines if line), default=0)
    return [line[min(shared, most) :] for line in lines]


def _read_checks(heading: int, body: list[_Line], draft: _Draft) -> None:
    del heading
    for line in body:
        if not line.text:
            continue
        match = _CHECK.fullmatch(line.text)
        if match is None:
            draft.problems.append(Problem(line.number, "expected '- name', a name from [checks] in aidx.toml"))
        elif match[1] in draft.checks:
            draft.problems.append(Problem(line.number, f"check {match[1]} is named twice"))
        else:
            draft.checks.append(match[1])


def _read_commit(heading: int, body: list[_Line], draft: _Draft) -> None:
    draft.commit = "\n".join(line.text for line in body).strip()
    if not draft.commit:
        draft.problems.append(Problem(heading, "the section 'Commit' is empty"))


_READERS: dict[str, Callable[[int, list[_Line], _Draft], None]] = {
    "Files": _read_files,
    "Steps": _read_steps,
    "Checks": _read_checks,
    "Commit": _read_commit,
}


def _check_whole(draft: _Draft, sections: list[_Section], end: int) -> None:
    headings = {name: line for name, line, _ in sections}
    if not draft.files and draft.problems:
        return  # what was meant to stand there has been objected to
    if not draft.files:
        draft.problems.append(Problem(headings.get("Files", max(end, 1)), "no file stands under '## Files'"))
    elif all(file.action == "read" for file in draft.files):
        draft.problems.append(Problem(headings["Files"], "the plan changes no file"))
    stepped = {step.path for step in draft.steps}
    for file in draft.files:
        if file.action in {"edit", "create"} and file.path not in stepped:
            draft.problems.append(Problem(headings["Files"], f"no step is about {file.path} ({file.action})"))
