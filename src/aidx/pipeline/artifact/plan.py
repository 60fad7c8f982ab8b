"""The plan as a value, and as the Markdown that a person would write."""

from typing import Literal

from msgspec import Struct

Action = Literal["edit", "create", "delete", "read"]
ACTIONS: tuple[Action, ...] = ("edit", "create", "delete", "read")


class PlannedFile(Struct, frozen=True):
    """A file that the plan names, and what may become of it."""

    path: str
    action: Action


class Step(Struct, frozen=True):
    """One task for the Editor in the file *path*; *symbol* (``Class.method``) narrows it down."""

    path: str
    symbol: str | None
    text: str

    @property
    def target(self) -> str:
        """``path`` or ``path::symbol``."""
        return self.path if self.symbol is None else f"{self.path}::{self.symbol}"


class ChangePlan(Struct, frozen=True):
    """What is to be done to a tree, and nothing else may be: *files* is the list of what may change."""

    title: str
    why: str
    files: tuple[PlannedFile, ...]
    steps: tuple[Step, ...]
    checks: tuple[str, ...] = ()
    commit: str | None = None

    def action(self, path: str) -> Action | None:
        """What the plan says about *path*; ``None`` where it does not name it."""
        return next((file.action for file in self.files if file.path == path), None)

    @property
    def changed(self) -> tuple[str, ...]:
        """The files that may change, in the plan's order."""
        return tuple(file.path for file in self.files if file.action != "read")


def render(plan: ChangePlan) -> str:
    """*plan* as Markdown; ``parse`` reads it back."""
    parts = [f"# Plan: {plan.title}"]
    if plan.why:
        parts.append(plan.why)
    parts.append("\n".join(["## Files", *(f"- `{file.path}` ({file.action})" for file in plan.files)]))
    if plan.steps:
        parts.append("\n".join(["## Steps", *(_step(number, step) for number, step in enumerate(plan.steps, 1))]))
    if plan.checks:
        parts.append("\n".join(["## Checks", *(f"- {name}" for name in plan.checks)]))
    if plan.commit is not None:
        parts.append(f"## Commit\n{plan.commit}")
    return "\n\n".join(parts) + "\n"


def _step(number: int, step: Step) -> str:
    mark = f"{number}. "
    first, *rest = step.text.split("\n")
    more = [" " * len(mark) + line if line else "" for line in rest]
    return "\n".join([f"{mark}`{step.target}`: {first}", *more])
