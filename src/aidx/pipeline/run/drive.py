"""Drives the pipeline: carries out each effect, or finds its answer in the record of an earlier attempt."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from msgspec import DecodeError, Struct
from msgspec.json import decode, encode

from aidx.errors import AidxError
from aidx.gate.reply import Reply
from aidx.patterns.vocabulary import Said
from aidx.pipeline.cascading import TRAIL
from aidx.pipeline.checks import judge
from aidx.pipeline.contract import Finished, Json, PhaseRun, Request, ending, is_request
from aidx.pipeline.effects import (
    Ask,
    Commit,
    Confirm,
    Consult,
    Count,
    Effect,
    Enter,
    Find,
    Flow,
    Guard,
    Hand,
    Keep,
    Look,
    Phase,
    Read,
    Ready,
    Recall,
    Save,
    Tell,
    Try,
)
from aidx.pipeline.ending import NotConfirmedError, PlannedFilesGoneError
from aidx.pipeline.flow import Outcome
from aidx.pipeline.planning import worth_keeping
from aidx.pipeline.replay import Replay, key, line, record
from aidx.pipeline.research.choose import Candidate
from aidx.pipeline.run.arriving import Arriving
from aidx.pipeline.run.bench import Bench, Workbench
from aidx.pipeline.run.held import otherwise, within
from aidx.pipeline.run.models import Models, Seat, text_of
from aidx.pipeline.run.planfile import PLAN, PlanFile
from aidx.pipeline.run.trial import Trial
from aidx.ports.programs import Checker, Ran, Repository, Worked
from aidx.ports.workspace import Grounds, Records, Workspace

ANSWERS, LEDGER, GROUNDS, SEEN = "answers.jsonl", "ledger.jsonl", "grounds.json", "seen.json"
TREE, TRYING, KEPT = "tree", b"trying\n", b"kept\n"  # while edits that no check has passed yet are in it; afterwards

_Kind = TypeVar("_Kind")


class World(Struct, frozen=True):
    """What a run works with; without *records* (a dry run) nothing is kept.

    *commands* are the configured checks. *confirm* asks a person about a plan and its hash, and says ``None``
    where nobody can be asked. *find* is the index: it proposes for a query so many parts of files. *bench* is where a
    program edits, if one does. *guard* says why no plan may change some of the files that it is given.
    """

    workspace: Workspace
    seats: Mapping[str, Callable[[], Seat]]
    records: Records | None
    checker: Checker
    commands: Mapping[str, tuple[str, ...]]
    repository: Repository
    confirm: Callable[[str, str], bool | None]
    tell: Callable[[str], object]
    find: Callable[[str, int], tuple[Candidate, ...]] = lambda query, limit: ()  # noqa: ARG005 - no index
    bench: Bench | None = None
    guard: Callable[[tuple[str, ...]], Mapping[str, str]] = lambda paths: {}  # noqa: ARG005 - nothing is closed


def drive(flow: Flow, world: World) -> Finished:
    """Drive *flow* to its end; errors of our own tree become part of what is returned.

    Whatever ends it, the tree is as planned or as before, and no engine is left behind.
    """
    return _Drive(world).run(flow)


class _Drive:
    def __init__(self, world: World) -> None:
        self._world = world
        self._models = Models(world.seats, world.tell, dry=world.records is None)
        self._aside = "" if world.records is None else f".aidx/runs/{world.records.name}/aside"
        tree = None if world.records is None else world.records.read(TREE)
        self._was_on_trial, self._was_applied = tree == TRYING, tree in {TRYING, KEPT}
        self._plan = PlanFile(world.records)
        self._trial = Trial(
            world.workspace, self._aside, world.tell, on_trial=self._was_on_trial, seen=self._seen_before()
        )
        self._replay = Replay(self._lines(ANSWERS))
        self._arriving = Arriving(world.records, self._lines(ANSWERS))
        self._bench = Workbench(world.bench, self._models.trust)
        self._tried = ""
        self._around: Grounds | None = None
        self._requests: list[Json] = []
        self._came_before = False
        self._phases: list[PhaseRun] = []
        self._phase: tuple[Phase, float] | None = None
        self._forecasts: dict[str, list[Json]] = {}
        self._mend_records()

    def run(self, flow: Flow) -> Finished:
        outcome, error = Outcome(), None
        try:
            outcome = self._to_its_end(flow)
        except AidxError as wrong:
            error = wrong
        self._leave(error)
        name = "" if self._world.records is None else self._world.records.name
        requests = tuple(each for forecasts in self._forecasts.values() for each in forecasts)
        trail: tuple[Json, ...] = ()
        try:
            requests, trail = (*self._ledger(), *requests), self._trail()
        except AidxError as wrong:  # a check did away with the records; what went before is worse
            error = error or wrong
        return Finished(name, tuple(self._phases), requests, self._models.kv_bytes, outcome, error, trail)

    def _to_its_end(self, flow: Flow) -> Outcome:
        """Feed it; what cannot be put back afterwards matters more than how it ended, or was interrupted."""
        try:
            return self._feed(flow)
        finally:
            self._bench.close()
            self._models.close()
            # What an earlier process left on trial, and this one could not take back, is on trial still.
            if self._trial.undo(self._grounds()) or not self._was_on_trial:
                self._settle()

    def _feed(self, flow: Flow) -> Outcome:
        reply: Any = None
        error: AidxError | None = None
        while True:
            try:
                effect = flow.send(reply) if error is None else flow.throw(error)
            except StopIteration as stop:
                outcome: Outcome = stop.value
                return outcome
            reply, error = None, None
            try:
                reply = self._answered(effect)
            except AidxError as wrong:
                error = wrong

    def _answered(self, effect: Effect) -> Any:  # noqa: ANN401 - each effect has an answer of its own
        if isinstance(effect, Try):
            self._trial.propose(effect.changes, effect.before)
            self._tried = effect.plan
        found = self._replay.find(effect)
        if found is not None:
            return found[0]
        self._requests, self._came_before = [], False
        try:
            answer = self._carried_out(effect)
        except AidxError:
            self._note()  # what is of no use was paid for, too
            raise
        text = line(effect, answer, self._requests)
        if text is not None and not (isinstance(effect, Try) and self._broken(effect, answer)):
            self._append(ANSWERS, text)
            self._arriving.taken(key(effect))
        self._note()
        return answer

    def _note(self) -> None:
        """Write the requests of this effect into the ledger, but for one that stood in it when the run was begun."""
        for request in self._requests:
            if not (self._came_before and request in self._ledger()):
                self._append(LEDGER, json.dumps(request).encode() + b"\n")
                self._models.learn(request)

    def _carried_out(self, effect: Effect) -> Any:  # noqa: ANN401
        doers: dict[type, Callable[[Any], Any]] = {
            Enter: self._enter,
            Tell: lambda effect: self._world.tell(effect.line),
            Read: lambda effect: {path: self._world.workspace.read(path) for path in effect.paths},
            Guard: lambda effect: self._world.guard(effect.paths),
            Ready: lambda effect: self._world.repository.check(effect.paths),
            Look: lambda effect: {path: self._world.workspace.read(path) for path in effect.paths},
            Find: lambda effect: self._world.find(effect.query, effect.limit),
            Recall: lambda _: self._plan.recall(applied=self._was_applied),
            Save: self._save,
            Count: self._count,
            Ask: self._ask,
            Consult: self._consult,
            Hand: self._hand,
            Confirm: self._confirm,
            Try: self._try,
            Keep: self._keep,
            Commit: lambda effect: self._world.repository.commit(effect.message, effect.paths),
        }
        return doers[type(effect)](effect)

    def _count(self, effect: Count) -> object:
        counted = self._models.count(effect.role, effect.prompts, effect.beside)
        if self._world.records is None:
            self._forecasts[effect.role] = [
                self._models.forecast(effect.phase, effect.role, each).json for each in counted
            ]
        return counted

    def _ask(self, ask: Ask) -> str:
        return self._worth_keeping(ask, text_of(*self._answer(ask, ask, None), self._models.limits(ask.role)))

    def _consult(self, consult: Consult) -> Said:
        reply, request = self._answer(consult, consult.ask, consult.max_tokens)
        text = self._worth_keeping(consult.ask, reply.text)
        return Said(text, reply.finish_reason or "stop", request.prompt_tokens, request.completion_tokens)

    def _worth_keeping(self, ask: Ask, text: str) -> str:
        kept = worth_keeping(ask, text)
        if dropped := len(text.split()) - len(kept.split()):
            self._world.tell(f"{ask.phase}: {dropped} words before and after the plan are dropped")
        return kept

    def _answer(self, effect: Ask | Consult, ask: Ask, max_tokens: int | None) -> tuple[Reply, Request]:
        """What a model answers, or had answered when the run was killed before it took the answer."""
        found = self._arriving.found(effect)
        if found is None:
            again = f", attempt {ask.attempt}" if ask.attempt > 1 else ""
            self._world.tell(f"{ask.phase}: asking the {ask.role}{again}")
            found = self._models.ask(ask, self._arriving.begin(effect), max_tokens)
        else:
            self._came_before = True
            self._world.tell(f"{ask.phase}: the {ask.role}'s answer had come before")
        reply, request = found
        self._requests = [request.json]
        size = f"{request.prompt}, {request.completion_tokens} written"
        self._world.tell(f"{request.phase}: {request.model} answered: {size}")
        if said := otherwise(request.json):
            self._world.tell(f"{request.phase}: {said}")
        within(request.json, self._models.limits(ask.role).gate)
        return reply, request

    def _hand(self, hand: Hand) -> Worked:
        assert self._world.bench is not None
        again = f", attempt {hand.attempt}" if hand.attempt > 1 else ""
        self._models.release("editor")
        self._world.tell(f"{hand.phase}: {self._world.bench.name} works on {hand.errand.path}{again}")
        worked, requests = self._bench.work(hand)
        self._requests = [request.json for request in requests]
        sizes = ", ".join(str(request.prompt_tokens) for request in requests) or "none"
        self._world.tell(f"{hand.phase}: {self._world.bench.name} is done; prompt tokens of its requests: {sizes}")
        for request in self._requests:
            within(request, request["gate"])
        return worked

    def _confirm(self, effect: Confirm) -> bool:
        said = self._world.confirm(effect.plan_hash, effect.text)
        if said is None:
            assert self._world.records is not None
            raise NotConfirmedError(
                f"nobody has agreed to plan {effect.plan_hash}, and here is no terminal to ask at; nothing was changed",
                hint=f"Read it, then: aidx run --resume {self._world.records.name} --yes",
            )
        return said

    def _try(self, effect: Try) -> tuple[Ran, ...]:
        """Put the changes in and run the checks; the first that cannot work ends them."""
        records = self._world.records
        assert records is not None
        if records.read(TREE) != TRYING:
            self._plan.try_(effect.plan)
            self._around = self._world.workspace.grounds(effect.changes)
            records.write(GROUNDS, encode(self._around))
        records.write(TREE, TRYING)
        self._trial.settle(self._grounds())
        found: list[Ran] = []
        for name in effect.checks:
            self._world.tell(f"check: {name}")
            try:
                found.append(self._world.checker.run(self._world.commands[name]))
            finally:  # one that was interrupted may have formatted files, too
                wrong = self._trial.look()
                records.write(SEEN, encode(self._trial.looked))
            if wrong:
                raise PlannedFilesGoneError(name, wrong, self._aside)
            if judge(self._world.commands[name], found[-1]) == "infrastructure":
                break
        return (*found, *[Ran(0, "")] * (len(effect.checks) - len(found)))

    def _keep(self, _: Keep) -> None:
        self._plan.try_(self._tried)
        self._trial.keep(self._grounds())

    def _broken(self, effect: Try, results: tuple[Ran, ...]) -> bool:
        """A check that could not work says nothing about the tree: it is run again by ``--resume``."""
        commands = (self._world.commands[name] for name in effect.checks)
        return any(judge(argv, ran) == "infrastructure" for argv, ran in zip(commands, results, strict=True))

    def _settle(self) -> None:
        """The tree is as planned or as before: nothing of this run is on trial in it any more."""
        records = self._world.records
        if records is not None and records.read(TREE) == TRYING:
            records.write(TREE, KEPT if self._trial.kept else b"settled\n")

    def _seen_before(self) -> dict[str, bytes | None] | None:
        """What the last check of an earlier process had made of the files that are on trial still."""
        kept = self._world.records.read(SEEN) if self._world.records is not None and self._was_on_trial else None
        return None if kept is None else _read_as(dict[str, bytes | None], kept)

    def _grounds(self) -> Grounds:
        """What was around the files when the run first changed the tree."""
        if self._around is not None:
            return self._around
        kept = None if self._world.records is None else self._world.records.read(GROUNDS)
        return (None if kept is None else _read_as(Grounds, kept)) or Grounds()

    def _save(self, effect: Save) -> None:
        records, text = self._world.records, effect.text.encode()
        if effect.name == PLAN:
            self._plan.save(effect.text)
        elif records is not None and records.read(effect.name) != text:
            records.write(effect.name, text)

    def _enter(self, effect: Enter) -> None:
        self._leave(None)
        self._phase = (effect.phase, time.monotonic())

    def _leave(self, error: AidxError | None) -> None:
        if self._phase is not None:
            name, begun = self._phase
            self._phases.append(PhaseRun(name, ending(error), round(time.monotonic() - begun, 3)))
            self._phase = None

    def _mend_records(self) -> None:
        """End a line that was cut off, and tell the ledger of an answer that it had not heard of."""
        for name in (ANSWERS, LEDGER):
            data = None if self._world.records is None else self._world.records.read(name)
            if data and not data.endswith(b"\n"):
                self._append(name, b"\n")
        told = list(self._ledger())
        for request in told:
            self._models.learn(request)
        for request in self._replay.requests:
            if request in told:
                told.remove(request)
            else:
                self._append(LEDGER, json.dumps(request).encode() + b"\n")

    def _ledger(self) -> tuple[Json, ...]:
        found = (record(text) for text in self._lines(LEDGER))
        return tuple(each for each in found if each is not None and is_request(each))

    def _trail(self) -> tuple[Json, ...]:
        """What became of each answer and verdict of a cascade, as it was kept."""
        kept = None if self._world.records is None else self._world.records.read(TRAIL)
        return (None if kept is None else _read_as(tuple[Json, ...], kept)) or ()

    def _append(self, name: str, text: bytes) -> None:
        if self._world.records is not None:
            self._world.records.append(name, text)

    def _lines(self, name: str) -> list[bytes]:
        data = None if self._world.records is None else self._world.records.read(name)
        return [] if data is None else data.splitlines()


def _read_as(kind: type[_Kind], data: bytes) -> _Kind | None:
    """A file of the run's own; ``None`` for one that was damaged: nothing that it says is worth more than the files."""
    try:
        return decode(data, type=kind)
    except DecodeError:
        return None
