"""Speeds that were measured on this machine, in the user's cache: the last one of each model and settings."""

import msgspec

from aidx.adapters import cachedir
from aidx.plan.devices import Machine
from aidx.plan.result import RolePlan
from aidx.plan.speed import Timing, speed_key

NAME = "speeds.json"
MOST_BYTES = 1 << 20
MOST = 500
LEAST_TOKENS = 16  # fewer say more about the start than about the speed


class _Table(msgspec.Struct):
    version: int
    speeds: dict[str, Timing]


def read() -> dict[str, Timing]:
    """All that was measured, by key; none where nothing was, or where the file is damaged."""
    folder = cachedir.cache_dir()
    data = None if folder is None else cachedir.read(folder / NAME, MOST_BYTES)
    if data is None:
        return {}
    try:
        table = msgspec.json.decode(data, type=_Table)
    except (msgspec.MsgspecError, ValueError):
        return {}
    if table.version != 1:
        return {}
    return {key: timing for key, timing in table.speeds.items() if timing.tokens > 0 and 0 < timing.per_second < 1e6}


def keep(key: str, timing: Timing) -> bool:
    """Remember *timing* under *key*; false for one of too few tokens, and where nothing can be written.

    Of two processes that keep at the same time, the later one's table stands.
    """
    folder = cachedir.cache_dir()
    if folder is None or timing.tokens < LEAST_TOKENS or not timing.per_second > 0:
        return False
    speeds = {name: old for name, old in read().items() if name != key} | {key: timing}
    newest = dict(list(speeds.items())[-MOST:])
    return cachedir.keep(folder / NAME, msgspec.json.encode(_Table(1, newest)))


def keep_for(role: RolePlan, machine: Machine, timing: Timing | None) -> bool:
    """Remember how fast the model of *role* was on *machine*; false where it was not measured or is not here."""
    key = speed_key(role.model, role.settings, machine)
    return key is not None and timing is not None and keep(key, timing)
