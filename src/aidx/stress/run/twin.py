"""Runs the unplanned twin: what the plan avoids, seen to happen."""

import asyncio  # noqa: TID253 - this module is imported when something is proved, and not before

from msgspec.structs import replace

from aidx.budget.proof import Twin
from aidx.budget.settings import Settings
from aidx.errors import EngineError, InputError
from aidx.gate.admit import Limits, limits
from aidx.ports.engine import Deployment
from aidx.stress.load import OUTPUT, TURNS_EACH, shape
from aidx.stress.run import KILLED, Bench, Scene, end_of
from aidx.stress.run.client import Clients
from aidx.stress.subject import Subject
from aidx.stress.twin import described
from aidx.stress.twin import unplanned as defaults

LONGER = 4  # times the turns of the plan, before the twin is said to live


def unplanned(bench: Bench, subject: Subject, ceiling: int) -> Twin:
    """The same model as the engine starts it by itself, under the same *ceiling* and a longer conversation.

    It converses until it dies, at most `LONGER` times as long as the plan did. Raises ``EngineError`` where there is no
    ceiling to die by.
    """
    settings = defaults(subject.settings, subject.context_length)
    wall = bench.ceiling(ceiling)
    if isinstance(wall, str):
        raise EngineError(f"there is no hard ceiling: {wall}", code="no_ceiling")
    bench.tell("starting the unplanned twin under the same ceiling")
    scene = Scene(bench, wall)
    with scene.watch:
        try:
            died, what, answered = _lived(scene, settings, subject.context_length)
        finally:
            wall.close()
    return Twin(died, what, answered, scene.watch.peak, described(settings))


def _lived(scene: Scene, settings: Settings, context_length: int) -> tuple[bool, str, int]:
    """Whether it died, how or that it did not, and how many answers it gave before."""
    try:
        deployment = scene.started(settings)
    except EngineError as error:
        if not (scene.kills or KILLED in str(error)):
            raise
        return True, f"the ceiling killed it while it loads: {error}", 0
    try:
        bench, _ = scene.bench, scene.held
        bounds = limits(settings, context_length, max_tokens=OUTPUT)
        turns = LONGER * bench.load.turns
        done, ended = asyncio.run(_conversation(bench, deployment, bounds, turns))
    finally:
        deployment.stop()
    if scene.kills:
        return True, f"the ceiling killed it at turn {done + 1} of a conversation", done
    if ended:
        return True, f"at turn {done + 1} of a conversation: {ended}", done
    return False, f"it answered all {done} turns", done


async def _conversation(bench: Bench, deployment: Deployment, bounds: Limits, turns: int) -> tuple[int, str]:
    """Whole conversations, each as long as the context of one sequence; the turns done, and how the engine ended."""
    form = shape(bounds)
    death = asyncio.ensure_future(deployment.ended())
    clients = Clients(deployment.chat(), bounds, replace(form, share=form.context), bench.patient, anywhere=True)
    done: list[int] = []

    def each(turn: int) -> None:
        done.append(turn)
        if turn % TURNS_EACH == 0:
            bench.tell(f"unplanned: turn {turn} of at most {turns}")

    why = ""
    try:
        await clients.converse(100, turns, each)
    except (EngineError, InputError) as error:
        why = str(error)
    finally:
        clients.close()
        lost = next((found.why for found in clients.outcomes if found.how == "lost"), why)
        ended = await end_of(death, lost=bool(lost))
    return len(done), ended or lost
