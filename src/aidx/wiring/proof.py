"""What it takes to prove a plan, and what was measured on this machine before."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aidx.budget.proof import Evidence, Proof
    from aidx.budget.settings import Settings
    from aidx.budget.witness import Sampler
    from aidx.model.spec import ModelSpec
    from aidx.patterns.schema.shape import Shape
    from aidx.patterns.vocabulary import Answer
    from aidx.plan.devices import Machine
    from aidx.plan.enforced import Enforced
    from aidx.plan.need import Need
    from aidx.plan.proven import Proven
    from aidx.plan.result import Plan, RolePlan
    from aidx.ports.engine import Deployment
    from aidx.stress.load import Load
    from aidx.stress.run import Bench
    from aidx.stress.subject import Subject


def bench(plan: "Plan", load: "Load", tell: "Callable[[str], object]" = lambda _: None) -> "Bench":
    """What ``stress.run.prove`` needs to prove *plan* with *load*; raises as ``wiring.start`` does."""
    from msgspec.structs import replace

    from aidx.adapters.ceiling.find import find
    from aidx.stress.run import Bench
    from aidx.wiring.engines import launchable

    engine, launch = launchable(plan)

    def start(settings: "Settings", under: tuple[str, ...]) -> "Deployment":
        return engine.start(replace(launch, settings=settings, under=under))

    return Bench(start=start, see=sampler, ceiling=find, tell=tell, load=load)


def bench_at(
    plan: "Plan", url: str, key: str | None, load: "Load", tell: "Callable[[str], object]" = lambda _: None
) -> "Bench":
    """The same for an engine that runs already, at *url*: it is read back, and no ceiling can be set on it.

    On this machine its processes are found by the port that they listen on. Raises as ``wiring.start`` does.
    """
    from msgspec.structs import replace

    from aidx.adapters.sampling.listener import listening
    from aidx.adapters.talk.runcount import CountedDeployment
    from aidx.stress.run import Bench
    from aidx.wiring.engines import attachable

    engine, launch = attachable(plan)

    def start(settings: "Settings", _: tuple[str, ...]) -> "Deployment":
        found = engine.start(replace(launch, settings=settings, urls=(url,), key=key))
        return CountedDeployment(found, settings.n_ctx_seq)

    def ceiling(_: int) -> str:
        return "the engine runs already, and a limit can only be set where it is started"

    found = listening(url)
    return Bench(start=start, see=sampler, ceiling=ceiling, tell=tell, load=load, pids=lambda: found)


def is_endpoint(url: str) -> bool:
    """Whether an endpoint of aidx answers at *url*."""
    import asyncio

    from aidx.adapters.talk.endpoint import is_ours

    return asyncio.run(is_ours(url))


def endpoint_at(
    url: str, key: str | None, model: str | None, load: "Load", tell: "Callable[[str], object]" = lambda _: None
) -> "tuple[Subject, Bench]":
    """What is proved of the endpoint at *url*, and with what: the role or model *model*, by its own plan.

    On this machine its engines are the children of the process that listens. Raises as ``wiring.start`` does.
    """
    from aidx.adapters.sampling.listener import listening
    from aidx.adapters.sampling.tree import TreeSampler, children
    from aidx.adapters.talk.endpoint import Endpoint
    from aidx.stress.run import Bench
    from aidx.stress.subject import served

    there = Endpoint(url, key)
    subject = served(there.plan, model, there.gates)
    found = listening(url)

    def start(_: "Settings", __: tuple[str, ...]) -> "Deployment":
        return there.deployment(subject.name)

    def ceiling(_: int) -> str:
        return "the engine runs already, and a limit can only be set where it is started"

    def engines() -> tuple[int, ...]:
        return tuple(child for pid in found for child in children(pid))

    aside = TreeSampler(lambda: found, alone=True)
    return subject, Bench(start, sampler, ceiling, tell, load=load, pids=engines, aside=aside)


def sampler(roots: "Callable[[], Iterable[int]]") -> "Sampler":
    """Who sees the memory of the processes that *roots* names: RAM always, GPUs where their driver tells."""
    from aidx.adapters.sampling import drm, nvidia
    from aidx.adapters.sampling.tree import TreeSampler

    green = nvidia.use()
    return TreeSampler(roots, drm.use() if isinstance(green, nvidia.NoUse) else green)


def calibrated(machine: "Machine", model: "ModelSpec", need: "Need") -> "Machine":
    """*machine* with what was measured here of *model* with the settings of *need*, in place of what is assumed."""
    from aidx.adapters import statedir

    if not statedir.has_calibrations():  # nothing was ever measured: nobody pays for looking it up
        return machine
    from aidx.adapters import measured
    from aidx.plan.calibration import ENGINE, applied, here

    if not here(machine) or need.engine not in {ENGINE, "auto"}:
        return machine
    found = measured.calibrations()
    known = found.get(_key(machine, model, need)) if found else None
    return machine if known is None else applied(machine, known)


def calibrate(plan: "Plan", machine: "Machine", need: "Need", seen: "Evidence") -> bool:
    """Keep what *seen* measured, for later plans; false where it measured nothing, or where nothing can be kept."""
    from aidx.adapters import measured, speeds
    from aidx.plan.calibration import found, here
    from aidx.plan.speed import Timing

    known = found(plan, machine, seen, today())
    if known is None or not here(machine):
        return False
    if seen.tokens_per_second > 0:
        speeds.keep_for(plan.roles[0], machine, Timing(speeds.LEAST_TOKENS, seen.tokens_per_second))
    return measured.calibrate(_key(machine, plan.roles[0].model, need), known)


def keep_proof(proof: "Proof") -> bool:
    """Keep the verdict, for ``aidx checklist``; false where nothing can be written.

    One that could not be made does not take the place of one that was.
    """
    from aidx.adapters import measured
    from aidx.plan.proven import kept

    if proof.verdict == "NOT_PROVEN" and measured.proof(proof.plan_hash) is not None:
        return False
    return measured.keep_proof(proof.plan_hash, kept(proof, today()))


def proofs(plan: "Plan") -> "dict[str | None, Proven | None]":
    """The last proof of just this plan on this machine; of a deployment that of each process."""
    from aidx.adapters import measured
    from aidx.plan.proven import provable

    return {each.roles[0].role: measured.proof(each.plan_hash) for each in provable(plan)}


def enforced(plan: "Plan") -> "Enforced | None":
    """The last answer, on this machine, that the grammar of a schema shaped; of who answers in *plan*."""
    from aidx.adapters import measured
    from aidx.plan.enforced import answering, counts, model_key

    role = answering(plan)
    return None if role is None else counts(measured.enforced(model_key(role)), role)


def says_something(shape: "Shape", written: int, *, weakened: bool) -> bool:
    """Whether an answer that was *written* so often shows that the grammar of *shape* is taken, and taken in full."""
    return shape.schema not in ({}, True) and written == 1 and not weakened


def keep_enforced(role: "RolePlan", shape: "Shape | None", answer: "Answer") -> bool:
    """Keep that the model in *role* wrote *answer* by the grammar of *shape*; false where it says nothing of that."""
    if shape is None or not says_something(shape, answer.attempts, weakened=bool(answer.weakened)):
        return False
    from aidx.adapters import measured
    from aidx.plan.enforced import Enforced, model_key
    from aidx.wiring.auto import choose

    engine = choose(role) if role.auto else role.engine
    return measured.keep_enforced(model_key(role), Enforced(today(), engine))


def keep_enforced_at(url: str, key: str | None, name: str) -> bool:
    """Keep the same of *name*, a role or a model that the endpoint at *url* serves."""
    from aidx.adapters import measured
    from aidx.adapters.talk.endpoint import Endpoint
    from aidx.plan.enforced import Enforced
    from aidx.plan.enforced import key as model_key

    roles = Endpoint(url, key).plan["plan"]["roles"]
    names = [{each["role"] or "editor", each["model"]["name"]} for each in roles]  # one model alone is served so
    role = next((each for each, known in zip(roles, names, strict=True) if name in known), None)
    return role is not None and measured.keep_enforced(model_key(role["model"]), Enforced(today(), role["engine"]))


def today() -> str:
    """The date, as ``2026-11-28``."""
    from datetime import datetime

    return datetime.now().astimezone().date().isoformat()


def _key(machine: "Machine", model: "ModelSpec", need: "Need") -> str:
    import os

    from aidx.adapters.llama.wheel import version
    from aidx.plan.calibration import key

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return key(model, need, machine, cores=cores, build=version())


def text_of(path: str, most: int) -> str:
    """The text in the file at *path*; ``InputError`` for one of more than *most* bytes, and for what is no UTF-8."""
    from aidx.userfile import read_text

    return read_text(path, "a text file", most)
