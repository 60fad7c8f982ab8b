"""What fills a role: an engine that is started for it, one that runs already, or a service elsewhere."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from aidx.budget.settings import Settings
from aidx.errors import BudgetError, CheckError, EngineError, InputError
from aidx.patterns.prompt import Counting
from aidx.plan.result import Plan, RolePlan
from aidx.ports.engine import Allocated, Deployment, Engine, Launch

if TYPE_CHECKING:
    from types import ModuleType

    from aidx.config.values import RoleTable
    from aidx.gate.admit import Limits, Overflow
    from aidx.gate.count import Own

Tell = Callable[[str], object]
EMBEDDER: Final = "embedder"
ELSEWHERE_SLOTS: Final = 8  # requests at a time to a service that says nothing of its own bounds
ELSEWHERE_TOKENS: Final = 8192  # of output there: a plan is long, and models that think write more than is read


class Bounds(Struct, frozen=True):
    """What a role may be asked: see ``gate.admit.Limits``; ``None`` leaves it to the role's table, then to the plan."""

    max_tokens: int | None = None
    gate: int | None = None
    history: int | None = None
    overflow: "Overflow | None" = None

    def over(self, table: "RoleTable | None") -> "Bounds":
        """These, and the table's where these leave it open."""
        if table is None:
            return self
        return Bounds(
            max_tokens=table.max_tokens if self.max_tokens is None else self.max_tokens,
            gate=table.gate if self.gate is None else self.gate,
            history=table.max_chat_history_tokens if self.history is None else self.history,
            overflow=self.overflow or table.overflow,
        )

    def of(self, settings: Settings, context_length: int) -> "Limits":
        """The limits of a model that runs with *settings* and was trained for *context_length* tokens."""
        from aidx.gate.admit import limits as of

        return of(
            settings,
            context_length,
            max_tokens=self.max_tokens,
            gate=self.gate,
            history=self.history,
            overflow=self.overflow or "refuse",
        )


class Filled(Struct, frozen=True):
    """A role and what fills it.

    *start* blocks until the model answers and raises as ``wiring.start`` does; *limits* are for its gate. *cell_bytes*
    are the bytes of one KV cell here (0: elsewhere), *path* is the model's file where that is known. With *embeds* it
    makes vectors and answers nothing else; with *leaves* requests leave this machine.
    """

    role: str
    model: str
    engine: str
    limits: "Limits"
    start: Callable[[], Deployment]
    cell_bytes: int = 0
    path: str | None = None
    embeds: bool = False
    leaves: bool = False

    def own(self) -> "Own | None":
        """What it takes to count its tokens here; ``None`` where only the engine can."""
        return None if self.path is None else own_count(self.path)


def fill(
    plan: Plan,
    table: "RoleTable | None" = None,
    *,
    tell: Tell | None = None,
    role: str = "editor",
    bounds: "Bounds | None" = None,
) -> Filled:
    """What fills the one role of *plan* (a ``part`` of a deployment, or the plan of one model, filling *role*).

    *table* is the role's own, if it has one: its bounds hold unless *bounds* give others, and its ``url`` is attached
    to instead of starting anything. *tell* is handed what starting it found.
    Raises ``BudgetError`` for a plan that does not hold, ``InputError`` for bounds that contradict it.
    """
    mine = plan.roles[0]
    name = mine.role or role
    if mine.model.source == "cloud":
        if table is None:
            raise InputError(f"{name} is not configured", hint=f"Configure [roles.{name}].")
        return elsewhere(name, table, bounds=bounds, tell=tell)
    held(plan)
    found = (bounds or Bounds()).over(table).of(mine.settings, mine.model.context_length)
    cache = sum(account.sum("kv_cache") for account in plan.ledger.accounts)
    return Filled(
        role=name,
        model=mine.model.name,
        engine=mine.engine,
        limits=found,
        start=partial(start, plan, tell, table=table),
        cell_bytes=cache // found.n_ctx,
        path=mine.model.path,
        embeds=name == EMBEDDER,
    )


def fill_all(whole: Plan, tables: "Mapping[str, RoleTable]", *, tell: Tell | None = None) -> tuple[Filled, ...]:
    """What fills each role of the deployment *whole*; raises as ``fill`` does."""
    from aidx.plan.deployment.plan import part

    held(whole)
    names = [role.role for role in whole.roles if role.role is not None]
    return tuple(fill(part(whole, name), tables.get(name), tell=tell) for name in names)


def elsewhere(
    role: str,
    table: "RoleTable",
    *,
    bounds: "Bounds | None" = None,
    tell: Tell | None = None,
    counting: Counting = "estimated",
) -> Filled:
    """What fills *role* on another machine, as its *table* says; nothing is asked before ``start``.

    Its prompts are counted as *counting* says. Raises ``InputError`` for a table that does not say enough.
    """
    if table.model is None:
        raise InputError(f"roles.{role} names no model", hint=f'Add model = "…" to [roles.{role}].')
    engine = "openai" if table.engine == "auto" else table.engine  # an embedder's url: /v1/embeddings is asked
    slots = table.parallel or ELSEWHERE_SLOTS
    context = _context(role, table)
    if tell is not None and (said := _proxy(engine, table)):
        tell(f"aidx: {role}: {said}")
    asked = (bounds or Bounds()).over(table)
    if asked.max_tokens is None:
        asked = replace(asked, max_tokens=min(ELSEWHERE_TOKENS, max(context // 4, 1)))
    settings = Settings(ctx_size=context * slots, parallel=slots)
    launch = Launch("", table.model, replace(settings, ctx_size=context), embedding=role == EMBEDDER, counting=counting)
    return Filled(
        role=role,
        model=table.model,
        engine=engine,
        limits=replace(asked.of(settings, context), trained=0),  # what it was trained for nobody says
        start=partial(_attach, engine, launch, table, tell),
        embeds=role == EMBEDDER,
        leaves=True,
    )


def _proxy(engine: str, table: "RoleTable") -> str:
    """What is to be said of a proxy that the environment names for where *table* leads; empty where there is none."""
    import os

    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return ""
    from aidx.adapters.talk.address import address
    from aidx.adapters.tunnel import named, proxy

    module = _module(engine)
    home = getattr(module, "HOME", "")
    places = [address(url) for url in table.urls or ((home,) if home else ())]
    for at in places:
        name = named(at.host, os.environ) if at.scheme == "https" else ""
        if name and not getattr(module, "OUTSIDE", False):
            return f"{name} is set and not used: {engine} is asked directly"
        if name and proxy(at.host, os.environ) is None:
            return f"{name} is set and not used, for it is no http:// address: services are asked directly"
        if name:
            return f"asked by the proxy that {name} names"
    return ""


def start(plan: Plan, tell: Tell | None = None, *, table: "RoleTable | None" = None) -> Deployment:
    """Start the engine that *plan* decided on, with exactly its settings; blocks until it answers.

    Where *table* has a ``url``, the engine there is attached to and read back instead. Its own account of its
    buffers is compared with the plan, entry by entry; *tell* is handed the result. A plan that does not hold is
    never started (``BudgetError``), and an engine that took more than there is does not stay (``CheckError``).
    Raises ``EngineError`` for a model that is not on this machine and for an engine that fails.
    """
    from aidx.budget.compare import compare, overrun, sentence

    held(plan)
    role = plan.roles[0]
    launch = _launch(role)
    name = _chosen(role, table, tell)
    if (table is not None and table.url is not None) or _runs_already(name):
        return _attach(name, launch, table, tell)
    _here(role)
    deployment = _engine(name).start(launch)
    allocated = deployment.allocated()
    rows = compare(plan.ledger, allocated.devices, resolution=allocated.resolution)
    if beyond := overrun(plan.ledger, rows):
        deployment.stop()
        excess = ", ".join(f"{name} by {size:,} B" for name, size in beyond.items())
        raise CheckError(f"the engine took more than there is: {excess}; {sentence(rows)}", hint="Report the plan.")
    if tell is not None:
        tell(f"aidx: {role.model.name}: {sentence(rows)}")
    return deployment


def launchable(plan: Plan) -> tuple[Engine, Launch]:
    """The engine that *plan* decided on, and what it is started with; raises as ``start`` does, and starts nothing."""
    held(plan)
    role = plan.roles[0]
    launch = _launch(role)
    _here(role)
    return _engine(_chosen(role, None, None)), launch


def attachable(plan: Plan) -> tuple[Engine, Launch]:
    """The engine that *plan* was made for, and what it has to have where it runs already."""
    held(plan)
    role = plan.roles[0]
    return _engine(role.engine), _launch(role)


def _here(role: RolePlan) -> None:
    for model in (role.model, role.beside.draft):
        if model is not None and model.path is None:
            raise EngineError(
                f"{model.name} is known and not on this machine",
                hint=f"Fetch it: {model.fetch}; or try aidx-tiny, which is always here.",
                code="model_not_here",
            )


def held(plan: Plan, see: str | None = None) -> Plan:
    """*plan*, or ``BudgetError`` with what is in the way and the cheapest way out; *see* shows all of them."""
    if plan.holds:
        return plan
    enough = [other.change for other in plan.alternatives if "not enough alone" not in other.cost]
    see = see or (f"aidx plan {plan.roles[0].model.name}" if len(plan.roles) == 1 else "aidx plan")
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
    role = plan.roles[0]
    return Bounds(max_tokens, gate, history, overflow).of(role.settings, role.model.context_length)


def own_count(path: str) -> "Own | None":
    """What it takes to count the tokens of the model at *path* here; ``None`` where only the engine can."""
    from aidx.adapters.counting import own_count as of

    return of(path)


def variable(name: str) -> str:
    """The value of the environment variable that holds a key; ``InputError`` where it is not set, or empty."""
    import os

    value = os.environ.get(name)
    if not value:
        why = "not set" if value is None else "empty"
        raise InputError(f"the variable {name} is {why}", hint=f"Put the key into it: export {name}=…")
    return value


def _chosen(role: RolePlan, table: "RoleTable | None", tell: Tell | None) -> str:
    """The engine's name; of ``auto`` the first that can use the planned devices, or llama-server at a ``url``."""
    if not role.auto:
        return role.engine
    if table is not None and table.url is not None:
        raise InputError(
            f"roles.{role.role}: a url is given, and engine is auto: what runs there?",
            hint='Add engine = "llama-server", "ollama" or "vllm" to its table.',
        )
    _here(role)
    from aidx.wiring.auto import choose

    found = choose(role)
    if tell is not None and role.settings.n_gpu_layers:
        tell(f"aidx: {role.model.name}: engine auto takes {found}")
    return found


def _module(name: str) -> "ModuleType | None":
    """The module of the engine called *name*: found by its name, and no list of them."""
    from importlib import import_module
    from importlib.util import find_spec

    from aidx.adapters import cloud, engines

    paths = (f"{package.__name__}.{name.replace('-', '_')}" for package in (engines, cloud))
    return next((import_module(path) for path in paths if find_spec(path)), None)


def _engine(name: str) -> Engine:
    found = _module(name)
    if found is None:
        raise EngineError(
            f"{name} is planned, and aidx cannot start it yet",
            hint="Start it yourself with the planned settings, or use --engine embedded.",
            code="engine_missing",
        )
    engine: Engine = found.ENGINE
    return engine


def _runs_already(name: str) -> bool:
    """Whether the engine is only attached to: aidx does not start it."""
    return bool(getattr(_module(name), "RUNS_ALREADY", False))


def _launch(role: RolePlan) -> Launch:
    path, embeds = role.model.path or "", role.role == EMBEDDER
    return Launch(
        path,
        role.model.name,
        role.settings,
        beside=role.beside.files,
        embedding=embeds,
        trained=role.model.context_length,
    )


def _attach(engine: str, launch: Launch, table: "RoleTable | None", tell: Tell | None) -> Deployment:
    """Attach to the engine at the table's address, or where that engine is by default."""
    if launch.beside.any and engine != "llama-server":
        raise EngineError(
            f"{engine} cannot be told to load adapters, a projector or a draft model beside {launch.name}",
            hint="Leave out --lora, --mmproj and --model-draft, or use --engine embedded or llama-server.",
        )
    key = variable(table.api_key_env) if table is not None and table.api_key_env is not None else None
    urls = () if table is None else table.urls
    name = launch.name if table is None or table.model is None else table.model
    found = _engine(engine).start(replace(launch, name=name, urls=urls, key=key))
    if tell is not None:
        tell(f"aidx: {name}: {_read_back(found.allocated())}")
    return found


def _read_back(said: Allocated) -> str:
    """What an engine that runs already says of itself, and what it does not say."""
    told = f"attached to {said.build}, a context of {said.n_ctx:,} tokens"
    return f"{told}; assumed to be as planned, for it does not say: {', '.join(said.assumed)}" if said.assumed else told


def _context(role: str, table: "RoleTable") -> int:
    """Tokens of one request there: as configured, or as published."""
    from aidx.wiring.models import cloud

    if isinstance(table.ctx_size, int):
        return table.ctx_size
    known = cloud(table.model or "")
    if known is None or known.context_length is None:
        raise InputError(
            f"roles.{role}: the context of {table.model} is not known",
            hint=f"Add ctx_size to [roles.{role}]: the tokens of prompt and answer that it takes.",
        )
    return known.context_length
