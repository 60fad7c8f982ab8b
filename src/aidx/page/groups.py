"""What a reader tells apart in a picture: the kinds of entry, named in words, and the five groups of them."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from aidx.budget.ledger import Account, Grade, What

Group = Literal["weights", "kv", "compute", "overhead", "in use"]

GROUPS: Mapping[Group, tuple[What, ...]] = {
    "in use": ("desktop", "reserve"),
    "weights": ("weights", "repack", "projector", "draft", "lora"),
    "kv": ("kv_cache", "recurrent_state", "checkpoints", "prompt_cache"),
    "compute": ("compute", "scratch", "output"),
    "overhead": ("driver", "engine_process"),
}

LABELS: Mapping[What, str] = {
    "weights": "Weights",
    "kv_cache": "KV cache",
    "recurrent_state": "Recurrent state",
    "compute": "Compute buffers",
    "scratch": "f16 scratch",
    "output": "Output buffer",
    "repack": "Repacked weights",
    "driver": "Driver context",
    "engine_process": "Engine process",
    "prompt_cache": "Prompt cache",
    "checkpoints": "Checkpoints",
    "projector": "Projector",
    "draft": "Draft model",
    "lora": "LoRA",
    "desktop": "Used by others",
    "reserve": "Kept back",
}

GRADES: Mapping[Grade, str] = {
    "exact": "header bytes, or a closed form proven equal to the engine's allocation",
    "engine": "the engine itself was asked",
    "modelled": "a formula that never errs low",
    "assumed": "a default",
    "measured": "read on this machine",
}


class Part(Struct, frozen=True):
    """So many *bytes* of one group."""

    group: Group
    bytes: int


def parts(account: Account) -> tuple[Part, ...]:
    """The groups of *account* that take any bytes, in the order in which a bar stacks them."""
    sums = (Part(group, sum(account.sum(what) for what in kinds)) for group, kinds in GROUPS.items())
    return tuple(part for part in sums if part.bytes)
