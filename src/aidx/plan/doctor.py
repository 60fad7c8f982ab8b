"""What is said of this machine and this installation in a report for bug reports: facts in, lines out, no secrets."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from aidx.budget.sizes import amount, gib
from aidx.plan.calibration import Calibration, words
from aidx.plan.devices import Machine
from aidx.plan.inventory import Sight

Status = Literal["ok", "warning", "failed"]
SCHEMA = "aidx.doctor/1"
MARKS: Mapping[Status, str] = {"ok": "ok", "warning": "warn", "failed": "FAIL"}
_HIDDEN = ("key", "token", "secret", "password")


class Line(Struct, frozen=True):
    """One thing that was looked at: how it is, and what to do where it is not well."""

    name: str
    status: Status
    detail: str
    fix: str = ""


def engine(installed: str, pinned: str, loaded: str, wrong: str) -> Line:
    """The build, and whether it took what was planned (*loaded* says so) when the shipped model was started."""
    fix = f"Install xllamacpp=={pinned.rsplit(maxsplit=1)[-1]}."
    if wrong:
        return Line("engine", "failed", f"{installed}: {wrong}", fix)
    if installed.split("+", maxsplit=1)[0] != pinned:
        return Line("engine", "failed", f"{installed} is installed, and {pinned} is what plans are made for", fix)
    return Line("engine", "ok", f"{installed}: aidx-tiny starts and answers; {loaded}")


def asked(build: str, silence: str) -> Line:
    """Whether the engine can be asked what it would allocate."""
    if silence:
        fix = "Plans are made by closed forms here; compute is then a bound, and the first line of a plan says so."
        return Line("asking the engine", "warning", silence, fix)
    return Line("asking the engine", "ok", f"{build} says what it would allocate")


def memory(machine: Machine) -> Iterable[Line]:
    """The host and each GPU, with what others use; notes on how they were found are warnings."""
    for device in machine.devices:
        label = f"{device.label}: " if device.label else ""
        overhead = f"; {'driver' if device.kind == 'gpu' else 'engine process'} {amount(device.overhead)}"
        detail = f"{label}{gib(device.total)}, others use {gib(device.used)}{overhead} ({device.overhead_grade})"
        yield Line(device.name, "ok", detail)
    for note in machine.notes:
        yield Line("devices", "warning", note)


def sights(machine: Machine, seen: Sequence[Sight]) -> Iterable[Line]:
    """What each engine can compute on; one that is blind to a GPU of this machine is a warning."""
    for sight in seen:
        name = f"{sight.engine} sees"
        listed = ", ".join(f"{device.name} ({device.description})" for device in sight.devices)
        if sight.reason:
            yield Line(name, "failed", sight.reason, sight.fix)
        elif machine.gpus and not sight.gpus:
            yield Line(name, "warning", f"no GPU, and this machine has {len(machine.gpus)}: {listed}", sight.fix)
        else:
            yield Line(name, "ok", listed or "the CPU")


def ceiling(kind: str, why: str) -> Line:
    """Whether a plan can be proved here."""
    if kind:
        return Line("hard ceiling", "ok", f"{kind}: plans can be proved here")
    fix = "Run as root, or where systemd has delegated the memory controller to you; aidx stress says NOT PROVEN here."
    return Line("hard ceiling", "warning", why, fix)


def stores(counts: Mapping[str, int], damaged: Sequence[str]) -> Iterable[Line]:
    """How many models each store holds, and what cannot be read in them."""
    found = ", ".join(f"{name}: {count}" for name, count in counts.items())
    yield Line("stores", "ok", found or "no models of Ollama, Hugging Face, LM Studio or llama.cpp")
    for each in damaged:
        yield Line("stores", "warning", each, "aidx models says what to do.")


def folder(name: str, path: str | None, *, writable: bool) -> Line:
    """A folder of ours."""
    if path is None:
        return Line(name, "warning", "there is no home to keep it in", "Set HOME.")
    if not writable:
        return Line(name, "warning", f"{path} cannot be written", "Nothing is remembered: make it yours.")
    return Line(name, "ok", path)


def calibrations(found: Mapping[str, Calibration], proofs: int) -> Iterable[Line]:
    """What was measured here, one line each."""
    for key, each in found.items():
        drivers = "".join(f", driver of {label} {amount(size)}" for label, size in each.drivers.items())
        detail = f"{words(key)}: engine process {amount(each.process)}{drivers}, {each.n_ctx:,} cells, {each.day}"
        yield Line("calibration", "ok", detail)
    if not found:
        yield Line("calibration", "ok", "nothing was measured here yet: aidx stress MODEL measures")
    yield Line("proofs", "ok", f"{proofs} plan(s) have one on this machine")


def setting(path: Sequence[str], value: object, where: str) -> Line:
    """A value that is no default, and where it came from; what may be a secret is not shown."""
    name = ".".join(path)
    hidden = any(word in path[-1] for word in _HIDDEN) and not path[-1].endswith("_env") and "max_" not in path[-1]
    return Line(f"setting {name}", "ok", f"{'(not shown)' if hidden else value}, from {where}")


def as_json(lines: Sequence[Line]) -> dict[str, object]:
    """The object that ``aidx doctor --json`` prints; its schema is ``data/schemas/doctor.json``."""
    return {
        "schema": SCHEMA,
        "lines": [{"name": line.name, "status": line.status, "detail": line.detail, "fix": line.fix} for line in lines],
    }


def shown(lines: Sequence[Line]) -> list[str]:
    """The same for a person: what to do stands below what is not well."""
    wide = max(len(line.name) for line in lines)
    found = []
    for line in lines:
        found.append(f"{MARKS[line.status]:<5}{line.name:<{wide}}  {line.detail}")
        if line.fix:
            found.append(f"{'':<{wide + 7}}{line.fix}")
    return found
