"""What is proved: a plan of ours, or the one that a running endpoint of aidx says it was started with."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from aidx.budget.ledger import Account, Entry, Ledger
from aidx.budget.settings import Settings
from aidx.errors import EngineError
from aidx.gate.admit import Limits, limits
from aidx.plan.result import Plan
from aidx.stress.load import OUTPUT


class Subject(Struct, frozen=True):
    """The promises: *ledger* is what is compared, *limits* are what the engine takes, *name* is the model's.

    *context_length* is what the model was trained for, *gate* the longest prompt where a gate that is not ours stands
    before the engine.
    """

    name: str
    ledger: Ledger
    settings: Settings
    limits: Limits
    context_length: int
    plan_hash: str
    gate: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def host(self) -> Account:
        """The account of RAM, which a ceiling is made of."""
        return next(account for account in self.ledger.accounts if account.kind == "host")


def of(plan: Plan) -> Subject:
    """The one model of *plan*."""
    role = plan.roles[0]
    bounds = limits(role.settings, role.model.context_length, max_tokens=OUTPUT)
    trained = role.model.context_length
    return Subject(role.model.name, plan.ledger, role.settings, bounds, trained, plan.plan_hash, notes=plan.notes)


def served(told: Mapping[str, Any], model: str | None, gates: Mapping[str, int]) -> Subject:
    """The role or model called *model* (``None``: the first) in what ``GET /plan`` *told*.

    *gates* are the longest prompts by model, as ``GET /v1/models`` has them. Raises ``EngineError`` for an answer that
    is no plan, and for a model that it does not have.
    """
    try:
        plan = told["plan"]
        roles = {str(role["role"] or role["model"]["name"]): role for role in plan["roles"]}
        ledger = Ledger(tuple(map(_account, plan["devices"])))
        name, role = _chosen(roles, model)
        found = dict(role["settings"], tensor_split=tuple(role["settings"].get("tensor_split", ())))
        found.pop("n_ctx", None)
        settings = Settings(**found)
        trained = int(role["model"]["context_length"])
        bounds = limits(settings, trained, max_tokens=OUTPUT)
        gate, plan_hash = gates[name], str(plan["plan_hash"])
    except (KeyError, TypeError, ValueError, IndexError):
        raise EngineError("the endpoint does not say what it was planned with", hint="Update aidx there.") from None
    others = [each for each in roles if each != name]
    notes = (f"{', '.join(others)} is served there too, and not loaded: its peak is not reached",) if others else ()
    return Subject(name, ledger, settings, bounds, trained, plan_hash, gate, notes)


def _chosen(roles: Mapping[str, Any], model: str | None) -> tuple[str, Any]:
    """The role called *model*, or the one whose model is; models that make vectors have no conversation."""
    for name, role in roles.items():
        if model in {None, name, role["model"]["name"]} and name != "embedder":
            return name, role
    raise EngineError(
        f"the endpoint serves {', '.join(roles)}, and not {model}", hint="Name one of these.", code="model_not_there"
    )


def _account(device: Mapping[str, Any]) -> Account:
    entries = tuple(
        Entry(entry["what"], int(entry["bytes"]), str(entry["why"]), entry["grade"], entry["role"])
        for entry in device["entries"]
    )
    return Account(str(device["name"]), device["kind"], int(device["total_bytes"]), entries)
