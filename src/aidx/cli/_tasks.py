"""``aidx loss --tasks``: two files at the same small tasks."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from aidx.errors import InputError

if TYPE_CHECKING:
    from aidx.budget.paired import Paired
    from aidx.model.spec import ModelSpec
    from aidx.wiring.loss import Setup


class Wanted(NamedTuple):
    """How many tasks, made from which seed, and the *resolution* (a share) that is asked for."""

    tasks: int
    seed: int
    resolution: float


def run(
    model: "ModelSpec", setup: "Setup", reference: str | None, wanted: Wanted, tell: Callable[[int, int], object]
) -> dict[str, Any]:
    """``aidx.task-loss/1``: *model* against *reference*, or against itself where only its cache differs."""
    from aidx.budget.paired import paired
    from aidx.wiring import loss as wiring

    if reference is None and (setup.cache_type_k, setup.cache_type_v) == ("f16", "f16"):
        raise InputError("--tasks compares two files, and one is named", hint="Add --reference REF.")
    if reference is not None and wiring.read_fingerprint(reference) is not None:
        raise InputError("a fingerprint answers no tasks", hint="Name the model itself as --reference.")
    other = model if reference is None else wiring.file_of(reference)
    assert other.path is not None
    pairs = wiring.on_tasks(setup, other.path, wanted.tasks, wanted.seed, tell)
    return as_json(model.name, other.name, paired(pairs), wanted)


def as_json(model: str, reference: str, found: "Paired", wanted: Wanted) -> dict[str, Any]:
    """The contract."""
    from aidx.budget.paired import needed

    return {
        "schema": "aidx.task-loss/1",
        "model": model,
        "reference": reference,
        "seed": wanted.seed,
        "tasks": found.tasks,
        "accuracy": found.accuracy,
        "accuracy_reference": found.accuracy_reference,
        "lost": found.lost,
        "won": found.won,
        "difference": found.difference,
        "difference_ci95": list(found.difference_ci95),
        "flip_rate": found.flips,
        "flip_rate_ci95": list(found.flips_ci95),
        "p": found.p,
        "resolution": wanted.resolution,
        "tasks_needed": needed(wanted.resolution, (found.lost + found.won) / found.tasks),
    }


def lines(report: dict[str, Any]) -> list[str]:
    """For people."""
    low, high = report["difference_ci95"]
    flip_low, flip_high = report["flip_rate_ci95"]
    enough = "enough" if report["tasks"] >= report["tasks_needed"] else "not enough"
    return [
        f"{report['model']} against {report['reference']}: {report['tasks']:,} tasks, seed {report['seed']}",
        f"  right            {report['accuracy']:.2%}, reference {report['accuracy_reference']:.2%}",
        (
            f"  difference       {report['difference']:+.2%}  ({low:+.2%} to {high:+.2%}), "
            f"{report['lost']} lost and {report['won']} won, p = {report['p']:.3g}"
        ),
        f"  answers flipped  {report['flip_rate']:.2%}  ({flip_low:.2%} to {flip_high:.2%})",
        f"  to see {report['resolution']:.2%} with 80 % power: {report['tasks_needed']:,} tasks; this is {enough}",
    ]
