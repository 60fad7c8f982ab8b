"""The roles of a deployment with what fills each one, as the JSON object ``aidx.roles/1``."""

from collections.abc import Sequence

from msgspec import Struct

from aidx.model.catalogue import Standing
from aidx.plan.choice import Choice
from aidx.plan.rank import Nearest
from aidx.plan.roles import CTX, QUANTS, SMALL_CTX, TIERS, Role, Suits

Json = dict[str, object]


class Filled(Struct, frozen=True):
    """A *role* and the first *choices* for it on this machine; *note* says why there are none."""

    role: Role
    choices: tuple[Choice, ...]
    note: str = ""


class Judged(Struct, frozen=True):
    """One model, and whether it is right for each role. *ways* are the best that hold here, *nearest* where none does.

    *parameters* is ``None`` for a model of the cloud, which needs no way to hold.
    """

    name: str
    standing: Standing
    parameters: int | None
    roles: tuple[Suits, ...]
    ways: tuple[Choice, ...] = ()
    nearest: Nearest | None = None

    @property
    def fits(self) -> bool:
        """Whether it can run: here, or in the cloud."""
        return self.parameters is None or bool(self.ways)


def roles_json(filled: Sequence[Filled]) -> Json:
    """All tiers with their roles and what fills them."""
    return {
        "schema": "aidx.roles/1",
        "tried": {"quantizations": list(QUANTS), "cache_types": ["f16"], "ctx_size": CTX, "ctx_size_micro": SMALL_CTX},
        "tiers": [
            {
                "tier": band.tier,
                "parameters": band.parameters,
                "runs_on": band.runs_on,
                "roles": [_role(one) for one in filled if one.role.tier == band.tier],
            }
            for band in TIERS
        ],
    }


def _role(filled: Filled) -> Json:
    return {
        "role": filled.role.name,
        "does": filled.role.does,
        "candidates": [_candidate(choice) for choice in filled.choices],
        "note": filled.note,
    }


def _candidate(choice: Choice) -> Json:
    return {
        "model": choice.model,
        "quantization": choice.quantization,
        "class": choice.standing.adherence,
        "cloud": choice.settings is None,
        "planned_bytes": choice.planned_bytes,
        "headroom_bytes": choice.headroom_bytes,
        "max_ctx_size": choice.max_ctx_size,
        "tokens_per_second": None if choice.speed is None else round(choice.speed.tokens_per_second, 1),
        "why": choice.why,
    }


def model_json(judged: Judged) -> Json:
    """One model, and whether it is right for each role."""
    return {
        "schema": "aidx.roles/1",
        "model": {
            "name": judged.name,
            "parameters": judged.parameters,
            "cloud": judged.parameters is None,
            "tier": judged.standing.tier,
            "tier_source": judged.standing.tier_source,
            "class": judged.standing.adherence,
            "class_source": judged.standing.adherence_source,
            "fits": judged.fits,
            "ways": [_candidate(choice) for choice in judged.ways],
            "nearest": None if judged.nearest is None else judged.nearest.sentence,
            "roles": [{"role": one.role, "suits": one.suits, "why": one.why} for one in judged.roles],
        },
    }
