"""The roles of a deployment, and whether a model is right for one.

Size alone does not decide: an agentic model may plan or edit, a thinking one checks a plan and does not carry it
out, a general one needs a reason.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from msgspec import Struct

from aidx.model.catalogue import Adherence, Standing, Tier, shown_size

Name = Literal["researcher", "gatekeeper", "embedder", "editor", "drafter", "verifier", "architect", "thinking"]
B = 1_000_000_000
QUANTS = ("Q8_0", "Q4_K_M")  # the two that the article weighs for a role
CTX, SMALL_CTX = 8192, 4096  # a plan with its files; a question with a list to choose from


class Band(Struct, frozen=True):
    """A tier of the role map: its *parameters* in words, what it *runs_on*."""

    tier: Tier
    parameters: str
    runs_on: str


class Role(Struct, frozen=True):
    """What a role *does*, and the parameters that it takes: at *least* so many, and no more than *most* for its tier.

    *needs* are the classes that may have it as they are.
    """

    name: Name
    tier: Tier
    does: str
    least: int
    most: int | None
    needs: tuple[Adherence, ...]

    @property
    def local(self) -> bool:
        """Whether it runs on the user's own machine."""
        return self.tier in {"micro", "editor"}


class Suits(Struct, frozen=True):
    """Whether a model is right for a role, and why, in a sentence."""

    role: Name
    suits: bool
    why: str


TIERS = (
    Band("micro", "125M-3B", "CPU or edge"),
    Band("editor", "7B-14B", "consumer GPU, 8-16 GB"),
    Band("architect", "70B+ or cloud", "cloud: 0 bytes of local VRAM"),
    Band("thinking", "cloud", "cloud: 0 bytes of local VRAM"),
)
_ANY: tuple[Adherence, ...] = ("agentic", "general")
_SMALL = (125_000_000, 5 * B)
ROLES: Mapping[str, Role] = MappingProxyType(
    {
        role.name: role
        for role in (
            Role("researcher", "micro", "finds what the Architect must see", *_SMALL, _ANY),
            Role("gatekeeper", "micro", "sends a request to the Editor or the Architect", *_SMALL, _ANY),
            Role("embedder", "micro", "turns text into vectors for the index", 20_000_000, 5 * B, ()),
            Role("editor", "editor", "carries out the plan, step by step", 6 * B, 16 * B, ("agentic",)),
            Role("drafter", "editor", "answers first, fast; a verifier checks it", 6 * B, 10 * B, _ANY),
            Role("verifier", "editor", "checks a draft against rules and a schema", 11 * B, 16 * B, _ANY),
            Role("architect", "architect", "writes the plan", 70 * B, None, ("agentic",)),
            Role("thinking", "thinking", "checks the plan before it is carried out", 6 * B, None, ("thinking",)),
        )
    }
)
_SIZES: Mapping[str, str] = MappingProxyType(
    {"drafter": "about 7B", "verifier": "about 14B", "thinking": "the size of cloud models"}
)


def suits(role: Role, standing: Standing, parameters: int | None) -> Suits:
    """Whether a model of *parameters* (``None``: of the cloud) is right for *role*."""
    wrong = _too_small(role, parameters) or _misplaced(role, parameters) or _wrong_class(role, standing, parameters)
    if wrong is not None:
        return Suits(role.name, suits=False, why=wrong)
    why = _reason(role, standing)
    if parameters is not None and role.most is not None and parameters > role.most:
        why += f"; {shown_size(parameters)} is above the tier's {_parameters(role)}"
    return Suits(role.name, suits=True, why=why)


def _too_small(role: Role, parameters: int | None) -> str | None:
    if parameters is None or parameters >= role.least:
        return None
    return f"{shown_size(parameters)} is too small: {role.name} takes {_parameters(role)}"


def _misplaced(role: Role, parameters: int | None) -> str | None:
    """A model of the cloud in a role that is local, or one that is larger than a small job is worth."""
    if parameters is None:
        here = f"runs in the cloud; {role.name} is a role on this machine, so that no request leaves it"
        return here if role.local else None
    if role.most is None or parameters <= role.most:
        return None
    if role.tier == "micro":
        return (
            f"{shown_size(parameters)} is more than the job needs ({_parameters(role)}) and takes the Editor's memory"
        )
    if role.name == "drafter":
        return f"{shown_size(parameters)} is more than a drafter needs ({_parameters(role)}): it has to be fast"
    return None


def _wrong_class(role: Role, standing: Standing, parameters: int | None) -> str | None:
    if role.name == "embedder":
        return "a language model: an embedder is trained to make vectors"
    adherence = standing.adherence
    if adherence in role.needs or (adherence == "general" and standing.reason and role.tier == "editor"):
        return None
    size = "big enough" if parameters is not None else "capable enough"
    if adherence == "unknown":
        return f"{size}, but its class is unknown: {standing.adherence_source}"
    if adherence == "thinking":
        return f"{size}, but of the wrong class: a thinking model checks a plan and does not carry it out"
    if role.name == "thinking":
        return f"{size}, but of the wrong class: {adherence}, and a plan is checked by a model that thinks"
    return f"{size}, but of the wrong class: {adherence}, and no reason is known why it would do here"


def _reason(role: Role, standing: Standing) -> str:
    if standing.adherence == "general" and standing.reason and role.tier == "editor":
        return f"general, {standing.reason}"
    said = standing.adherence_source.removeprefix("model card: ")
    return f"{standing.adherence}: {said}"


def _parameters(role: Role) -> str:
    return _SIZES.get(role.name) or next(band.parameters for band in TIERS if band.tier == role.tier)
