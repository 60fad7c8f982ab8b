"""The deterministic pre-flight: everything that can be said about a plan before anything is asked or written."""

from collections.abc import Collection, Iterator, Mapping
from typing import Literal

from msgspec import Struct

from aidx.errors import InputError
from aidx.pipeline.artifact.plan import ChangePlan, PlannedFile, Step
from aidx.pipeline.commit import objection
from aidx.pipeline.context.symbols import find
from aidx.pipeline.edit.document import read
from aidx.pipeline.edit.paths import checked
from aidx.pipeline.edit.refusal import EditRefusedError

Kind = Literal["file", "symbol", "check", "commit", "text"]


class Finding(Struct, frozen=True):
    """What is wrong with a plan for this tree, and what it is about."""

    kind: Kind
    about: str
    text: str


def lint(
    plan: ChangePlan, files: Mapping[str, bytes | None], checks: Collection[str], closed: Mapping[str, str]
) -> tuple[Finding, ...]:
    """Every finding; *files* holds the bytes of each file that *plan* names, *checks* the names that are configured.

    *closed* says why files may not be changed in this tree, whatever their names.
    A symbol is looked for in the file as it is, unless an earlier step works on the same file and may make it.
    """
    return (
        *(finding for file in plan.files for finding in _file(file, files.get(file.path))),
        *(
            Finding("file", path, f"{path} {closed[path]}; no plan may change it")
            for path in plan.changed
            if path in closed
        ),
        *(finding for number, step in enumerate(plan.steps) for finding in _step(plan, number, step, files)),
        *(
            Finding("check", name, f"check {name} does not stand under [checks] in aidx.toml{_known(checks)}")
            for name in plan.checks
            if name not in checks
        ),
        *_commit(plan),
    )


def _known(checks: Collection[str]) -> str:
    return f" (known: {', '.join(sorted(checks))})" if checks else ", which has none"


def _file(file: PlannedFile, data: bytes | None) -> Iterator[Finding]:
    if file.action != "read":
        try:
            checked(file.path)
        except EditRefusedError as error:
            yield Finding("file", file.path, f"{error.detail}; no plan may change it")
    if data is None and file.action != "create":
        yield Finding("file", file.path, f"{file.path} is to {file.action}, and there is no such file")
    if data is not None and file.action == "create":
        yield Finding("file", file.path, f"{file.path} is to create, and it is already there")
    if data is not None and file.action in {"edit", "read"}:
        try:
            read(data)
        except EditRefusedError as error:
            yield Finding("text", file.path, f"{file.path}: {error.detail}")


def _step(plan: ChangePlan, number: int, step: Step, files: Mapping[str, bytes | None]) -> Iterator[Finding]:
    data = files.get(step.path)
    earlier = any(before.path == step.path for before in plan.steps[:number])
    if step.symbol is None or data is None:
        if step.symbol is not None and not earlier:
            yield Finding(
                "symbol", step.target, f"step {number + 1} names {step.symbol} in a file that is not there yet"
            )
        return
    try:
        find(step.path, read(data).text, step.symbol)
    except InputError as error:
        if not (earlier and "has no symbol" in str(error)):
            yield Finding("symbol", step.target, f"step {number + 1}: {error}. {error.hint}")
    except EditRefusedError:
        return  # told with the file


def _commit(plan: ChangePlan) -> Iterator[Finding]:
    told = None if plan.commit is None else objection(plan.commit)
    if told is not None:
        yield Finding("commit", "Commit", told)
