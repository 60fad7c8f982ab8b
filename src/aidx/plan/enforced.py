"""What is kept of an answer that an engine wrote by the grammar of a schema: step 5 of the checklist rests on it."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from aidx.plan.deployment.members import ROLES
from aidx.plan.result import Plan, RolePlan

NAMED: Final = ("name", "architecture", "parameters", "quantization", "file_bytes")


class Enforced(Struct, frozen=True):
    """The *day* (``2026-11-28``), and the *engine* that wrote by the grammar."""

    day: str
    engine: str


def key(model: Mapping[str, Any]) -> str:
    """Names a *model* as a plan's JSON describes it."""
    named = "\n".join(str(model[name]) for name in NAMED)
    return hashlib.sha256(named.encode()).hexdigest()[:16]


def model_key(role: RolePlan) -> str:
    """The same for the model in *role*."""
    return key({name: getattr(role.model, name) for name in NAMED})


def counts(found: Enforced | None, role: RolePlan) -> Enforced | None:
    """*found* where it says something of *role*: another engine takes grammars in another way."""
    return found if found is not None and (role.auto or found.engine == role.engine) else None


def answering(plan: Plan) -> RolePlan | None:
    """Who is asked for structured output: the first that edits, else the first that answers here, else elsewhere."""
    order = {role: place for place, role in enumerate(ROLES)}
    speaking = [role for role in plan.roles if role.role != "embedder"]
    here = [role for role in speaking if role.model.source != "cloud"]
    return min(here or speaking, key=lambda role: order.get(role.role or "", 0), default=None)
