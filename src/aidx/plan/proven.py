"""What is kept of a proof: enough to say of a plan that it was proved, how and when."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from msgspec import Struct

from aidx.budget.proof import Proof, Verdict
from aidx.plan.deployment.plan import owner, part
from aidx.plan.result import Plan

VECTORS = "embedder"


class Proven(Struct, frozen=True):
    """The verdict on one plan, its reason, the *day* (``2026-11-28``) and the engine's build."""

    verdict: Verdict
    reason: str
    day: str
    build: str


Proofs = Mapping[str | None, Proven | None]
NO_PROOFS: Proofs = MappingProxyType({})


def kept(proof: Proof, day: str) -> Proven:
    """What to keep of *proof*."""
    return Proven(proof.verdict, proof.reason, day, proof.evidence.build)


def provable(whole: Plan) -> Iterator[Plan]:
    """The plan of each process of *whole* that is proved by itself.

    What runs elsewhere takes nothing here, and what makes vectors holds no conversation that could fill its cache.
    """
    if [role.role for role in whole.roles] == [None]:
        yield whole
        return
    local = [str(role.role) for role in whole.roles if role.model.source != "cloud" and role.role != VECTORS]
    for name in dict.fromkeys(owner(whole, role) for role in local):
        yield part(whole, name)
