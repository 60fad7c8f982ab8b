"""Walks through the tour: plans, starts the small model, gives it work, and stops it whatever happens."""

import asyncio  # noqa: TID253 - this module is imported when the demo is run, and not before
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from msgspec import Struct

from aidx.budget.compare import compare
from aidx.demo import words
from aidx.demo.article import budget
from aidx.demo.carry import Place, carry_out
from aidx.demo.scratch import PLANS
from aidx.demo.task import Task, body, outcome, overlong, shown
from aidx.errors import CheckError, EngineError
from aidx.gate.admit import RefusedError, limits
from aidx.gate.drive import Gate
from aidx.gate.grant import Grant
from aidx.gate.reply import Reply
from aidx.page.story import Carried, Edit, Refusal, Running, Story
from aidx.pipeline.run import Seat
from aidx.plan.article import Evidence
from aidx.plan.result import Plan
from aidx.plan.speed import Timing
from aidx.ports.engine import Allocated, Deployment
from aidx.serve.wire import parse


class Tour(Struct, frozen=True):
    """What the tour needs of the rest of the house.

    *article* plans the card of the literature, *plan* the small model for this machine; *start* loads it as
    planned. *scratch* makes a repository for it to work on. *say* writes a part of the tour, *stream* a piece of an
    answer, *progress* a line about what is being done; *measured* is told how fast the model was. All of them may
    block. *plain* is for a screen of ASCII only, *plans* are what is carried out last.
    """

    article: Callable[[], Evidence]
    plan: Callable[[], Plan]
    start: Callable[[Plan], Deployment]
    scratch: Callable[[], AbstractContextManager[Place]]
    task: Task
    say: Callable[[str], None]
    stream: Callable[[str], None]
    progress: Callable[[str], None]
    measured: Callable[[Plan, Timing], object] = lambda _plan, _timing: None
    plain: bool = False
    plans: tuple[str, ...] = PLANS


def run(tour: Tour) -> Story:
    """Take the tour; raises what its stations raise, and leaves no engine behind."""
    tour.progress("1/5 planning a 12 GB card at four quantizations")
    card = budget(tour.article())
    _say(tour, words.budget_lines(card, plain=tour.plain))
    tour.progress("2/5 planning and starting the model that ships with aidx")
    plan = tour.plan()
    deployment = tour.start(plan)
    try:
        running = _compared(plan, deployment.allocated())
        _say(tour, words.running_lines(running, plain=tour.plain))
        edit, refusal = asyncio.run(_converse(tour, plan, deployment))
    finally:
        deployment.stop()
    return Story(card, running, edit, refusal, _carried_out(tour, plan))


def _carried_out(tour: Tour, plan: Plan) -> tuple[Carried, ...]:
    """Both plans, one after the other, in the same repository; the model is started for each, as for any run."""
    tour.progress("5/5 carrying out two plans in a scratch repository")
    role = plan.roles[0]
    seat = Seat.of(plan, limits(role.settings, role.model.context_length), lambda: tour.start(plan))
    found = []
    _say(tour, words.stage_lines())
    with tour.scratch() as place:
        for text in tour.plans:
            found.append(carry_out(text, place, {"editor": lambda: seat}))
            _say(tour, words.carried_lines(found[-1]))
    return tuple(found)


def _compared(plan: Plan, allocated: Allocated) -> Running:
    rows = compare(plan.ledger, allocated.devices, resolution=allocated.resolution)
    return Running(plan, rows, allocated.build, allocated.resident)


async def _converse(tour: Tour, plan: Plan, deployment: Deployment) -> tuple[Edit, Refusal]:
    """The two requests, through the same gate as every other request."""
    role = plan.roles[0]
    gate = Gate(limits(role.settings, role.model.context_length), time.monotonic)
    gate.attach(deployment.chat())
    name = plan.roles[0].model.name
    try:
        tour.progress("3/5 giving it an edit to make")
        edit, timing = await _edit(tour, gate, name)
        if timing is not None:
            tour.measured(plan, timing)
        _say(tour, words.edit_lines(edit))
        tour.progress("4/5 sending a prompt over its gate")
        refusal = await _over(gate, body(_too_much(tour, gate, edit), name))
        _say(tour, words.refusal_lines(refusal))
    finally:
        gate.detach()
    return edit, refusal


async def _edit(tour: Tour, gate: Gate, name: str) -> tuple[Edit, Timing | None]:
    content = shown(tour.task)
    _say(tour, words.task_lines(tour.task))
    async with await gate.admit(parse(body(content, name)).prompt) as grant:
        reply = await _answer(tour, grant)
        return outcome(tour.task, reply.text, grant.booking.prompt_tokens), reply.timing


async def _answer(tour: Tour, grant: Grant) -> Reply:
    """The answer, shown as it comes."""
    reply = Reply()
    tour.stream(words.INDENT)
    async for chunk in grant:
        tour.stream(reply.feed(chunk).replace("\n", f"\n{words.INDENT}"))
    tour.stream("\n")
    if not reply.complete:
        raise EngineError("the answer broke off", code="engine_failed")
    return reply


def _too_much(tour: Tour, gate: Gate, edit: Edit) -> str:
    return overlong(tour.task, gate.limits.gate, each=edit.prompt_tokens)


async def _over(gate: Gate, request: bytes) -> Refusal:
    """Send what is too long; that it is let through would be the end of the promise."""
    try:
        grant = await gate.admit(parse(request).prompt)
    except RefusedError as error:
        return Refusal(str(error), error.numbers)
    grant.close()
    raise CheckError(
        f"a prompt of {grant.booking.prompt_tokens} tokens passed a gate of {gate.limits.gate}",
        hint="This is a bug in aidx: run again with -v and report it.",
    )


def _say(tour: Tour, lines: list[str]) -> None:
    tour.say("\n".join((*lines, "")))
