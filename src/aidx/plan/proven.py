"""What is kept of a proof: enough to say of a plan that it was proved, how and when."""

from msgspec import Struct

from aidx.budget.proof import Proof, Verdict


class Proven(Struct, frozen=True):
    """The verdict on one plan, its reason, the *day* (``2026-11-28``) and the engine's build."""

    verdict: Verdict
    reason: str
    day: str
    build: str


def kept(proof: Proof, day: str) -> Proven:
    """What to keep of *proof*."""
    return Proven(proof.verdict, proof.reason, day, proof.evidence.build)
