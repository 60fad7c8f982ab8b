"""Choices as the JSON object of the contract ``aidx.choose/1``, and as the command that plans one of them."""

import shlex

from aidx.budget.settings import Settings
from aidx.plan.choice import Choice, Chosen

Json = dict[str, object]


def as_json(found: Chosen) -> Json:
    """The object that ``aidx choose --json`` prints; its schema is ``data/schemas/choose.json``."""
    made: Json = {"schema": "aidx.choose/1", "choices": [_choice(choice) for choice in found.choices]}
    if found.nearest is not None:
        nearest = found.nearest
        made["nearest"] = {
            "model": nearest.model,
            "quantization": nearest.quantization,
            "lacks_bytes": nearest.lacks,
            "why": nearest.sentence,
        }
    if found.notes:
        made["notes"] = list(found.notes)
    return made


def _choice(choice: Choice) -> Json:
    return {
        "model": choice.model,
        "quantization": choice.quantization,
        "cache_type_k": choice.cache_type_k,
        "cache_type_v": choice.cache_type_v,
        "ctx_size": choice.ctx_size,
        "max_ctx_size": choice.max_ctx_size,
        "planned_bytes": choice.planned_bytes,
        "headroom_bytes": choice.headroom_bytes,
        "kld_low": choice.loss.kld_low,
        "kld_high": choice.loss.kld_high,
        "quality": choice.loss.quality,
        "tokens_per_second": None if choice.speed is None else round(choice.speed.tokens_per_second, 1),
        "class": choice.standing.adherence,
        "suits_role": None if choice.suits is None else choice.suits.suits,
        "why": choice.why,
    }


def plan_command(choice: Choice, machine: str) -> str:
    """The command that plans *choice* on the machine that the options *machine* describe."""
    settings = choice.settings
    if settings is None:
        return shlex.join(["aidx", "roles", choice.model])
    named = [choice.model, "--quant", choice.quantization] if choice.path is None else [choice.path]
    words = ["aidx", "plan", *named, "-c", str(choice.ctx_size), *_settings(settings)]
    return " ".join(part for part in (shlex.join(words), machine) if part)


def _settings(settings: Settings) -> list[str]:
    words = []
    if (settings.cache_type_k, settings.cache_type_v) != ("f16", "f16"):
        words += ["-ctk", settings.cache_type_k, "-ctv", settings.cache_type_v]
    if settings.parallel != 1:
        words += ["-np", str(settings.parallel)]
    return words
