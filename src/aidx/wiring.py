"""Builds adapters and hands them to the flow; the only module that imports them, when they are needed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aidx.errors import BudgetError, CheckError, EngineError, InputError
from aidx.plan.beside import Beside, Files
from aidx.plan.devices import Machine
from aidx.plan.result import Plan
from aidx.ports import Deployment, Engine, Launch, Prober, Resolved, Source, Wanted, Workspace

if TYPE_CHECKING:
    from aidx.adapters.endpoint import Endpoint
    from aidx.adapters.hub.api import Hub
    from aidx.adapters.hub.pull import Tell
    from aidx.config import roles as configured_roles
    from aidx.config.merge import Settled
    from aidx.config.values import RoleTable
    from aidx.gate.admit import Limits, Overflow
    from aidx.gate.count import Own
    from aidx.model.spec import Header, Metadata, ModelSpec
    from aidx.model.stored import Damaged, Listed, Pulled
    from aidx.plan.cards import Card
    from aidx.plan.deployment.members import Member, Remote
    from aidx.plan.inventory import Sight
    from aidx.plan.need import Need
    from aidx.plan.wish import Wish


def resolve(reference: str, *, quant: str | None = None, imatrix: bool = False) -> Resolved:
    """The model that *reference* names: a path, a name of a local store or the catalogue, an address.

    Raises ``InputError`` for what is none of them, naming the nearest known names.
    """
    wanted = Wanted(reference, quant, imatrix)
    return next(found for source in _sources(wanted) if (found := source.find(wanted)) is not None)


def beside(files: Files, model: "ModelSpec") -> Beside:
    """What *files* are, found to suit *model*; ``InputError`` for a wrong kind and for one of another model."""
    from pathlib import Path

    from aidx.adapters.stores.file import read_header
    from aidx.model import companion

    def header(path: str) -> "Header":
        return read_header(path).header

    loras = tuple(companion.lora(header(path), name=Path(path).name, path=path) for path in files.lora)
    for adapter in loras:
        companion.check_lora(adapter, model)
    projector = None
    if files.mmproj is not None:
        projector = companion.projector(header(files.mmproj), name=Path(files.mmproj).name, path=files.mmproj)
        companion.check_projector(projector, model)
    draft = None
    if files.model_draft is not None:
        draft = resolve(files.model_draft).model
        companion.check_draft(draft, model, tokens=(_with_tokens(draft), _with_tokens(model)))
    return Beside(loras, projector, draft)


def _with_tokens(model: "ModelSpec") -> "Metadata":
    """The metadata of *model* with its tokenizer, where its file is here."""
    from aidx.adapters.stores.file import read_header

    return model.header.metadata if model.path is None else read_header(model.path, keep_tokenizer=True).header.metadata


def resolve_for(engine: str, reference: str, *, quant: str | None = None, imatrix: bool = False) -> Resolved:
    """``resolve``, at the type in which *engine* takes weights where neither *quant* nor the name says one."""
    from aidx.plan.engines import find

    found = resolve(reference, quant=quant, imatrix=imatrix)
    own = find(engine).weights
    if own is None or quant is not None or found.variant is None:
        return found
    named = found.model.quantization.lower() in reference.lower()
    return found if named else replace(found, model=found.variant(own))


def _sources(wanted: Wanted) -> Iterator[Source]:
    """Where a model is looked for, in this order; the last one answers or raises.

    Each is imported when those before it knew nothing: planning a file pays for no other, and the network
    is touched for its addresses only.
    """
    import os
    from pathlib import Path

    from aidx.adapters.sources.file import File
    from aidx.adapters.sources.shipped import Shipped

    yield from (Shipped(), File())
    from aidx.adapters.reference import parse
    from aidx.adapters.sources.local import Local, all_stores

    yield Local(all_stores(os.environ, Path.home()))
    if parse(wanted.reference) is not None:
        from aidx.adapters.sources.hub import HubSource
        from aidx.adapters.sources.web import WebSource
        from aidx.adapters.web.client import Web

        yield from (HubSource(hub), WebSource(Web))
    from aidx.adapters.sources.catalogue import Catalogue
    from aidx.adapters.stores.huggingface import HuggingFace

    yield Catalogue(HuggingFace(os.environ, Path.home()))


def hub() -> "Hub":
    """The hub that the environment names; raises ``EngineError`` where it says to stay offline."""
    import os
    from pathlib import Path

    from aidx.adapters.hub.api import hub_from

    return hub_from(os.environ, Path.home())


def pull(reference: str, *, quant: str | None, tell: "Tell") -> "Pulled":
    """Fetch the model that *reference* names into the hub's cache; *tell* hears how far it is."""
    import os
    from pathlib import Path

    from aidx.adapters.fetch import pull as fetch

    return fetch(Wanted(reference, quant), os.environ, Path.home(), tell)


def stored() -> "tuple[list[Listed], list[Damaged]]":
    """What the local stores hold, and what is damaged in them."""
    import os
    from pathlib import Path

    from aidx.adapters.sources.local import all_stores
    from aidx.adapters.stored import read_all

    return read_all(all_stores(os.environ, Path.home()))


def settings(file: str | None = None) -> "Settled":
    """The settings that hold here; *file* stands in for ``./aidx.toml``."""
    from aidx.config.read import load

    return load(file)


def any_settings() -> bool:
    """Whether there are any settings to read."""
    from aidx.config.places import anything

    return anything()


def engine_environment() -> tuple[tuple[str, str], ...]:
    """What engines are told by the environment: their own settings, as pairs."""
    import os

    return tuple(sorted(pair for pair in os.environ.items() if pair[0].startswith(("OLLAMA_", "LLAMA_ARG_"))))


@dataclass(frozen=True, slots=True)
class Configured:
    """The configured roles, resolved: those that run here, those that do not, and what must be said of the rest."""

    members: "tuple[Member, ...]"
    remotes: "tuple[Remote, ...]"
    notes: tuple[str, ...]


def configured(settled: "Settled", need: "Need", *, quant: str | None = None, imatrix: bool = False) -> Configured:
    """The roles of *settled*, with the flags that *need*, *quant* and *imatrix* carry.

    Raises ``InputError`` where no role is configured, and for models that are not known.
    """
    from aidx.config.roles import roles
    from aidx.plan.deployment.members import Member, Remote

    found = roles(settled, need)
    if not settled.config.roles:
        raise InputError(
            "no MODEL is given, and no aidx.toml here configures a role",
            hint='Give a MODEL, or write aidx.toml: a line [roles.editor] and a line model = "qwen2.5-coder:14b".',
        )
    members = []
    for each in found.here:
        here = _of_role(each, quant, imatrix=imatrix)
        members.append(
            Member(
                role=each.role,
                model=here.model,
                need=each.need,
                on_host=each.on_host,
                at_least=each.at_least,
                max_kv=each.max_kv,
                variant=here.variant,
                asked=each.asked,
            )
        )
    remotes = (Remote(role, table.model or "", table.engine, _context(table)) for role, table in found.others)
    return Configured(tuple(members), tuple(remotes), found.notes)


def _of_role(wanted: "configured_roles.Wanted", quant: str | None, *, imatrix: bool) -> Resolved:
    try:
        return resolve_for(
            wanted.need.engine, wanted.reference, quant=quant or wanted.quant, imatrix=imatrix or wanted.imatrix
        )
    except InputError as wrong:
        raise type(wrong)(f"roles.{wanted.role}: {wrong}", hint=wrong.hint) from None


def _context(table: "RoleTable") -> int:
    return table.ctx_size if isinstance(table.ctx_size, int) else 0


def prober(*, warm: bool = False) -> Prober:
    """The engine in a child process, which starts when it is first asked, or at once to be *warm*."""
    from aidx.adapters.llama.prober import EngineProber

    found = EngineProber()
    if warm:
        found.warm()
    return found


def machine(wish: "Wish | None" = None) -> Machine:
    """The machine to plan for: *wish* over what is here. Raises ``InputError`` for contradictions."""
    from aidx.adapters import detect
    from aidx.adapters.hardware import memory
    from aidx.plan.wish import Wish, granted

    return granted(wish or Wish(), here=detect.this_machine, ram=memory.read, cards=cards)


def cards() -> "tuple[Card, ...]":
    """The table of graphics cards."""
    from aidx.adapters.cards import read_cards

    return read_cards()


def sights() -> "tuple[Sight, ...]":
    """What each engine that is installed can compute on; blocks while they are asked."""
    from aidx.adapters.llama.sight import look

    return (look(),)


def start(plan: Plan, tell: Callable[[str], object] | None = None) -> Deployment:
    """Start the engine that *plan* decided on, with exactly its settings; blocks until it answers.

    Its own account of its buffers is compared with the plan, entry by entry; *tell* is handed the result. A plan
    that does not hold is never started (``BudgetError``), and an engine that took more than there is does not
    stay (``CheckError``). Raises ``EngineError`` for a model that is not on this machine and for an engine that
    fails.
    """
    from importlib import import_module
    from importlib.util import find_spec

    from aidx.adapters import engines
    from aidx.budget.compare import compare, overrun, sentence

    held(plan)
    role = plan.roles[0]
    if role.model.path is None:
        raise EngineError(
            f"{role.model.name} is known and not on this machine",
            hint=f"Fetch it with aidx pull {role.model.name}, or try aidx-tiny, which is always here.",
            code="model_not_here",
        )
    if not find_spec(name := f"{engines.__name__}.{role.engine.replace('-', '_')}"):
        raise EngineError(
            f"{role.engine} is planned, and aidx cannot start it yet",
            hint="Start it yourself with the planned settings, or use --engine embedded.",
        )
    if role.beside.projector is not None or role.beside.draft is not None:
        raise EngineError(
            "a projector or a draft model is planned, and the embedded engine is not started with one so far",
            hint="Leave out --mmproj and --model-draft, or start llama-server with the planned settings.",
        )
    engine: Engine = import_module(name).ENGINE
    loras = tuple(adapter.path for adapter in role.beside.loras)
    deployment = engine.start(Launch(role.model.path, role.model.name, role.settings, loras=loras))
    allocated = deployment.allocated()
    rows = compare(plan.ledger, allocated.devices, resolution=allocated.resolution)
    if beyond := overrun(plan.ledger, rows):
        deployment.stop()
        excess = ", ".join(f"{name} by {size:,} B" for name, size in beyond.items())
        raise CheckError(f"the engine took more than there is: {excess}; {sentence(rows)}", hint="Report the plan.")
    if tell is not None:
        tell(f"aidx: {role.model.name}: {sentence(rows)}")
    return deployment


def held(plan: Plan) -> Plan:
    """*plan*, or ``BudgetError`` with what is in the way and the cheapest way out."""
    if plan.holds:
        return plan
    enough = [other.change for other in plan.alternatives if "not enough alone" not in other.cost]
    see = f"aidx plan {plan.roles[0].model.name}" if len(plan.roles) == 1 else "aidx plan"
    hint = f"Try {enough[0]}." if enough else f"No single change is enough: see {see}."
    what = plan.roles[0].model.name if len(plan.roles) == 1 else "the deployment"
    raise BudgetError(f"{what} does not fit: {plan.binding}", hint=hint)


def limits(
    plan: Plan,
    *,
    max_tokens: int | None = None,
    gate: int | None = None,
    history: int | None = None,
    overflow: "Overflow" = "refuse",
) -> "Limits":
    """What the gate may let in: the cells and slots of *plan*, and the role's own bounds."""
    from aidx.gate.admit import limits as of

    role = plan.roles[0]
    length = role.model.context_length
    return of(role.settings, length, max_tokens=max_tokens, gate=gate, history=history, overflow=overflow)


def own_count(path: str) -> "Own | None":
    """What it takes to count the tokens of the model at *path* here; ``None`` where only the engine can."""
    from aidx.adapters.counting import own_count as of

    return of(path)


def endpoint(url: str, key: str | None = None) -> "Endpoint | None":
    """The aidx endpoint that runs at *url*, if one does."""
    from aidx.adapters.endpoint import find

    return find(url, key)


def variable(name: str) -> str:
    """The value of the environment variable that holds a key; ``InputError`` where it is not set."""
    import os

    value = os.environ.get(name, "")
    if not value:
        raise InputError(f"the variable {name} is not set", hint=f"Put the key into it: export {name}=…")
    return value


def write_report(path: str, plan: Plan) -> None:
    """Write *plan* as one HTML page, whole or not at all; ``InputError`` where *path* cannot be written."""
    from aidx.page.report import render

    write_page(path, render(plan))


def write_page(path: str, page: str) -> None:
    """Write *page*, whole or not at all; ``InputError`` where *path* cannot be written."""
    from aidx.adapters.write import write_text

    write_text(path, page)


def check_page(path: str) -> None:
    """``InputError`` where *path* can be no page: said before the work, not after it."""
    from aidx.adapters.write import check_target

    check_target(path)


def workspace(root: str) -> Workspace:
    """The tree at *root*, held until it is closed; ``InputError`` where it is no folder, ``CheckError`` where busy."""
    from aidx.adapters.workspace.held import HeldWorkspace

    return HeldWorkspace(root)


def held_out_tasks() -> str:
    """The edits that ``aidx-tiny`` was not trained on, as JSON."""
    from aidx.adapters.stores import shipped

    return shipped.tasks()


@dataclass(frozen=True, slots=True)
class Screen:
    """Where people read: columns, and whether it has ASCII only."""

    width: int
    plain: bool


def screen() -> Screen:
    """Standard output as it is: 100 columns where it is no terminal."""
    import shutil
    import sys

    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower()
    return Screen(shutil.get_terminal_size((100, 24)).columns, plain=not encoding.startswith("utf"))
