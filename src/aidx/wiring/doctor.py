"""Looks at this installation and this machine, for ``aidx doctor``; nothing it meets stops it."""

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from aidx.errors import AidxError
from aidx.plan import doctor
from aidx.plan.doctor import Line

if TYPE_CHECKING:
    from aidx.plan.devices import Machine

PROBE_CEILING = 64 << 20


def look(file: str | None = None) -> Iterator[Line]:
    """Each thing in turn, as it is found; *file* stands in for ``./aidx.toml``. Blocks about 2 s in all."""
    yield _versions()
    machine = _machine()
    yield from doctor.memory(machine)
    yield _engine(machine)
    yield _asked()
    from aidx import wiring

    yield from doctor.sights(machine, wiring.sights())
    yield from _programs()
    yield _ceiling()
    yield from _stores()
    yield from _settings(file)
    yield _environment()
    yield from _folders()


def clear() -> int:
    """Forget what was measured; how many figures that were."""
    from aidx.adapters import measured

    return measured.clear()


def _versions() -> Line:
    import os
    import platform

    from aidx import __version__

    system = f"{platform.system()} {platform.release()}, {platform.machine()}, {os.cpu_count()} CPUs"
    return Line("aidx", "ok", f"{__version__}, Python {platform.python_version()}, {system}")


def _machine() -> "Machine":
    from aidx import wiring

    return wiring.machine()


def _engine(machine: "Machine") -> Line:
    """Start the shipped model as planned, and have its account compared."""
    from msgspec.structs import replace

    from aidx import wiring
    from aidx.adapters.llama.wheel import PACKAGE, PINNED, version
    from aidx.advise import plan
    from aidx.plan.need import Need

    said: list[str] = []
    wrong = ""
    try:
        tiny = wiring.resolve("aidx-tiny").model
        found = plan(tiny, Need(ctx_size=256), replace(machine, gpus=()))
        wiring.start(found, said.append).stop()
    except AidxError as error:
        wrong = str(error)
    loaded = said[-1].rpartition(": ")[2] if said else ""
    return doctor.engine(version(), f"{PACKAGE} {PINNED}", loaded, wrong)


def _asked() -> Line:
    from aidx import wiring
    from aidx.budget.settings import Settings
    from aidx.plan.probe import Probe, Unanswered

    with closing(wiring.prober()) as prober:
        answer = prober.ask(Probe(wiring.resolve("aidx-tiny").model, Settings(256), ()))
    if isinstance(answer, Unanswered):
        return doctor.asked("", answer.reason)
    return doctor.asked(answer.build, "")


def _programs() -> Iterator[Line]:
    """Engines on PATH: none of them is needed."""
    import shutil

    for name in ("llama-server", "ollama", "vllm"):
        found = shutil.which(name)
        yield Line(name, "ok", "not installed (not needed)" if found is None else _short(found))


def _ceiling() -> Line:
    from aidx.adapters.ceiling.find import find

    made = find(PROBE_CEILING)
    if isinstance(made, str):
        return doctor.ceiling("", made)
    made.close()
    return doctor.ceiling(made.kind, "")


def _stores() -> Iterator[Line]:
    from aidx import wiring

    found, damaged = wiring.stored()
    counts: dict[str, int] = {}
    for each in found:
        counts[each.store] = counts.get(each.store, 0) + 1
    return iter(doctor.stores(counts, [f"{each.store}: {each.name}: {each.why}" for each in damaged]))


def _settings(file: str | None) -> Iterator[Line]:
    from aidx import wiring

    try:
        settled = wiring.settings(file)
    except AidxError as error:
        yield Line("settings", "failed", str(error), error.hint)
        return
    if settled.unread:
        yield Line(
            "settings", "warning", f"{settled.unread} may not be read, and is left out", "Check its permissions."
        )
    elif not settled.origins:
        yield Line("settings", "ok", "defaults only: no aidx.toml, no AIDX_ variable, no file of your own")
    for path, origin in settled.origins.items():
        value = settled.given(*path[:-1])[path[-1]] if len(path) > 1 and path[0] != "checks" else "…"
        yield doctor.setting(path, value, _short(origin.where))


def _environment() -> Line:
    """Names only: values may be anything."""
    import os

    told = sorted(name for name in os.environ if name.startswith(("AIDX_", "OLLAMA_", "LLAMA_", "CUDA_", "HF_")))
    return Line("environment", "ok", ", ".join(told) or "no variable that concerns aidx or an engine")


def _folders() -> Iterator[Line]:
    from aidx.adapters import measured
    from aidx.adapters.cachedir import cache_dir
    from aidx.adapters.statedir import state_dir
    from aidx.adapters.write import may_write

    for name, path in (("cache", cache_dir()), ("state", state_dir())):
        shown = None if path is None else _short(str(path))
        yield doctor.folder(name, shown, writable=path is not None and may_write(path))
    yield from doctor.calibrations(measured.calibrations(), measured.proofs())


def _short(path: str) -> str:
    """*path* without the name of its user."""
    from pathlib import Path

    home = str(Path.home())
    return f"~{path[len(home) :]}" if path.startswith(f"{home}/") else path
