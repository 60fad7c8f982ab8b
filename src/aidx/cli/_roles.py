"""Roles as lines for a person."""

from collections.abc import Sequence

from aidx.budget.sizes import gib
from aidx.cli._text import folded as fold
from aidx.model.catalogue import shown_size
from aidx.plan.choice import Choice
from aidx.plan.devices import Machine
from aidx.plan.filled import Filled, Judged
from aidx.plan.roles import CTX, QUANTS, SMALL_CTX, TIERS


def role_lines(filled: Sequence[Filled], machine: Machine, width: int) -> list[str]:
    """The tiers with their roles, and the first models for each."""
    devices = ", ".join(f"{device.name} {gib(device.total)}" for device in machine.devices)
    lines = [f"on {devices}; the Micro tier on the CPU alone"]
    lines.append(f"tried at {' and '.join(QUANTS)} alone, KV f16, {CTX:,} tokens, for Micro {SMALL_CTX:,}")
    for band in TIERS:
        lines += ["", f"{band.tier.capitalize()}: {band.parameters}; {band.runs_on}"]
        for one in (one for one in filled if one.role.tier == band.tier):
            lines.append(f"  {one.role.name}: {one.role.does}")
            lines += [f"    {line}" for line in fold(one.note, width - 4)]
            for choice in one.choices:
                lines += _candidate(choice, width)
    return [
        *lines,
        "",
        "aidx choose --role ROLE tries all types and caches; aidx roles MODEL says why a model is right or not",
    ]


def _candidate(choice: Choice, width: int) -> list[str]:
    if choice.settings is None:
        head = f"{choice.model}: {choice.placement}"
    else:
        head = f"{choice.model} {choice.quantization}: {_way(choice)}"
    return [f"    {head}", *(f"      {line}" for line in fold(choice.standing_said, width - 6))]


def _way(choice: Choice) -> str:
    speed = choice.speed
    mark = "" if speed is None or speed.grade == "measured" else "~"
    rate = "" if speed is None else f", {mark}{speed.tokens_per_second:.0f} tokens/s"
    return f"{gib(choice.planned_bytes)}, context up to {choice.max_ctx_size:,}, {choice.placement}{rate}"


def model_lines(judged: Judged, width: int) -> list[str]:
    """What one model is for, and whether it runs here."""
    standing = judged.standing
    size = "in the cloud: 0 bytes here" if judged.parameters is None else f"{shown_size(judged.parameters)} parameters"
    lines = [
        f"{judged.name}: {size}",
        f"tier: {standing.tier} ({standing.tier_source})",
        f"class: {standing.adherence} ({standing.adherence_source})",
    ]
    lines += [f"holds here: {choice.quantization} {choice.cache_type_k}, {_way(choice)}" for choice in judged.ways]
    if judged.nearest is not None:
        lines.append(f"does not hold here: {judged.nearest.sentence}")
    folded = [part for line in lines for part in fold(line, width, indent="  ")]
    longest = max(len(one.role) for one in judged.roles)
    for one in judged.roles:
        head = f"{'yes' if one.suits else 'no':<3} {one.role:<{longest}}  "
        folded += fold(one.why, width, head=head, indent=" " * len(head))
    return folded
