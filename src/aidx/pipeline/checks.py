"""What a check's end means, and what of its output is worth a model's tokens."""

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from aidx.errors import EngineError
from aidx.ports.programs import Ran

Judgement = Literal["passed", "findings", "infrastructure"]
# Exit statuses with which a tool says that it could not do its work: pytest 3 internal error, 4 usage, 5 no tests
# (docs.pytest.org, reference/exit-codes); pre-commit 3 unexpected error, with 1 for findings (its error_handler.py).
_TOOLS: dict[str, frozenset[int]] = {"pytest": frozenset({3, 4, 5}), "pre-commit": frozenset({3})}
_NOT_RUN = frozenset({126, 127})  # POSIX shells and env(1): not executable, not found
_ERROR = re.compile(r"(?:E +)?[\w.]*(?:Error|Exception)\b")  # as Python and pytest end a traceback
# Programs that run the script, or the program, which they are given; words before it that are neither.
_RUNNERS = re.compile(
    r"python[\d.]*|pypy[\d.]*|(?:ba|da|z|k|fi|a)?sh|node|nodejs|deno|bun|bunx|ruby|perl|php|lua|Rscript|pwsh|env|uv|uvx|run"
    r"|exec|command|if|then|else|do|while|until|!|poetry|pdm|hatch|pipx|npx|nice|ionice|time|timeout|xvfb-run|sudo|stdbuf|busybox|coverage|source|\."
)
_SKIPPED = re.compile(r"\d+[smh]?|\w+=.*")
_WITH_VALUE = re.compile(r"-[WXprn]|-[a-z]*o|--(?:python|with|group|extra|env-file)")
_SHELL_LINE = re.compile(r"-[a-z]*c")
_LINES = re.compile(r"[;&|\n(){}]+")
HEAD, TAIL = 500, 1000  # characters of an output that are fed back


def judge(argv: tuple[str, ...], ran: Ran) -> Judgement:
    """Whether the tree passed, has findings, or the check itself could not work."""
    if ran.status == 0:
        return "passed"
    if ran.status is not None and (ran.status in _NOT_RUN or ran.status in _TOOLS.get(_tool(argv), ())):
        return "infrastructure"
    return "findings"


def _tool(argv: tuple[str, ...]) -> str:
    """The program behind ``python -m pytest``, ``uv run pytest`` or a path."""
    names = [word.rpartition("/")[2] for word in argv]
    return next((name for name in names if name in _TOOLS), names[0])


def programs(argv: Iterable[str]) -> tuple[str, ...]:
    """The files that *argv* may run: its first word, and what programs that run others are given to run.

    A word that stands where a script may is one, whether it is or not: nobody but the file system knows.
    """
    words = iter(argv)
    for word in words:
        if word == "-m":
            module = next(words, "").replace(".", "/")
            return (f"./{module}.py", f"./{module}/__main__.py")
        if _SHELL_LINE.fullmatch(word):
            return tuple(
                file
                for line in _LINES.split(next(words, ""))
                for file in programs(line.replace('"', " ").replace("'", " ").split())
            )
        if _WITH_VALUE.fullmatch(word):
            next(words, None)
        elif _RUNNERS.fullmatch(word.rpartition("/")[2]):
            return (word, *(file if file.startswith("/") else f"./{file}" for file in programs(words)))
        elif not (word.startswith("-") or _SKIPPED.fullmatch(word)):
            return (word,)
    return ()


def must_start(names: Iterable[str], broken: Mapping[str, str]) -> None:
    """Raise ``EngineError`` for those of *names* that are *broken*, which says why: before anybody is paid."""
    if wrong := [f"check {name} cannot be started: {broken[name]}" for name in names if name in broken]:
        raise EngineError(
            "; ".join(wrong),
            hint="Install it, or correct its line under [checks] in aidx.toml.",
            code="check_missing",
        )


def must_work(name: str, argv: tuple[str, ...], ran: Ran) -> None:
    """Raise ``EngineError`` where the check could not work: that is nothing a model can mend."""
    if judge(argv, ran) == "infrastructure":
        raise EngineError(
            f"check {name} could not do its work (status {ran.status}): {_last_line(ran.output)}",
            hint=f"Run it yourself: {' '.join(argv)}. The tree is as before; go on with --resume.",
            code="check_broken",
        )


def said(name: str, ran: Ran) -> str:
    """The end of a check that was not passed, for a model and for a person."""
    how = "ran out of time" if ran.status is None else f"ended with status {ran.status}"
    return f"Check {name} {how}" + (f":\n{clipped(ran.output)}" if ran.output.strip() else " and said nothing")


def telling(findings: str) -> str:
    """The one line of *findings* that says most: the last that names an error, else the last."""
    lines = [line.strip() for line in findings.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.match(line)]
    return [*lines[-1:], *errors[-1:]][-1] if lines else ""


def clipped(output: str) -> str:
    """*output* without its middle, where it is long; what is missing is said."""
    text = output.strip()
    if len(text) <= HEAD + TAIL:
        return text
    return f"{text[:HEAD]}\n[… {len(text) - HEAD - TAIL} characters left out …]\n{text[-TAIL:]}"


def _last_line(output: str) -> str:
    lines = output.strip().splitlines()
    return lines[-1][:200] if lines else "it said nothing"
