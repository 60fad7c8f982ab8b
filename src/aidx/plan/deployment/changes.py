"""What would make a deployment hold, cheapest first; worded as ``aidx.toml`` is.

Cheap is what costs no quality (fewer prompts kept in host RAM), then what costs little: a quantized cache, a shorter
context where one was named, a role on the host, one model for two roles, a split, a smaller quantization.
"""

import json
from collections.abc import Generator, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from aidx.budget.loss import model_loss
from aidx.budget.placement import HOST
from aidx.errors import InputError
from aidx.plan.alternatives import saves
from aidx.plan.changes import CACHE_COST, SMALLER, Fewer, kept
from aidx.plan.deployment.arrange import grown, longest_kv, settled
from aidx.plan.deployment.members import Arrangement, Member, Process
from aidx.plan.devices import Machine
from aidx.plan.engines import Written
from aidx.plan.place import training_length
from aidx.plan.probe import Answer, Probe
from aidx.plan.result import Alternative
from aidx.plan.search import longest

MOST = 6  # shown
ENOUGH = 3  # that hold: then nobody reads on
WIDE = ("F32", "F16", "BF16")


class Change(Struct, frozen=True):
    """Other *members* instead of those with their roles; *words* say what to write, *cost* what is paid."""

    members: tuple[Member, ...]
    words: str
    cost: str

    def made(self, members: Sequence[Member]) -> tuple[Member, ...]:
        """*members* after the change."""
        changed = {member.role: member for member in self.members}
        return tuple(changed.get(member.role, member) for member in members)


Judged = Generator[Probe, Answer, Alternative | None]


def changes(
    members: Sequence[Member], machine: Machine, found: Arrangement
) -> Generator[Probe, Answer, tuple[Alternative, ...]]:
    """Single changes that are enough, cheapest first, then those that only help.

    Where no single one is enough: the fewest roles that have to go to the host together.
    """
    before = yield from settled(members, machine)
    shorter = yield from _shorter(found)
    hosts = list(_hosts(found))  # the role that the GPU is for goes last
    moves = (*hosts[:-1], *_shares(found), *hosts[-1:])
    enough: list[Alternative] = []
    helping: list[Alternative] = []
    for change in (*_kept(found), *_caches(found), *shorter, *moves, *_splits(found), *_quants(found)):
        judged = yield from _judged(change, members, machine, before)
        if judged is not None and judged.saves_bytes > 0:
            (helping if judged.cost.endswith("alone") else enough).append(judged)
        if len(enough) == ENOUGH:
            break
    if not enough:
        enough += yield from _together(members, machine, found, before)
    return (*enough, *helping)[:MOST]


def _judged(change: Change, members: Sequence[Member], machine: Machine, before: Arrangement) -> Judged:
    """What *change* saves on the devices that decide, contexts being equal; ``None`` where no engine takes it."""
    try:
        after = yield from settled(change.made(members), machine)
    except InputError:
        return None
    saved = saves(before.ledger, after.ledger)
    if not after.holds:
        return Alternative(change.words, saved, 0, f"{change.cost}; not enough alone")
    after = yield from grown(after)
    roles = {member.role for member in change.members}
    first = min(after.processes, key=lambda each: (not roles & {member.role for member in each.members}, each.rank))
    return Alternative(change.words, saved, (yield from _reach(after, first)), change.cost)


def _reach(found: Arrangement, process: Process) -> Generator[Probe, Answer, int]:
    """The longest context that *process* can have where it is."""
    desk = process.seat.on(found.left_to(process), settled=found.shared)
    cap = yield from longest_kv(process)
    reach = yield from longest(desk, process.settings, min(cap, training_length(desk)), desk.best)
    return min(reach, desk.model.context_length)


def _together(
    members: Sequence[Member], machine: Machine, found: Arrangement, before: Arrangement
) -> Generator[Probe, Answer, list[Alternative]]:
    """The first few roles on the host, one more at a time, until the rest holds."""
    pinned: list[Change] = []
    for change in _hosts(found):
        pinned.append(change)
        whole = Change(
            tuple(member for each in pinned for member in each.members),
            " and ".join(each.words for each in pinned),
            change.cost,
        )
        judged = yield from _judged(whole, members, machine, before)
        if judged is not None and not judged.cost.endswith("alone"):
            return [judged]
    return []


def _kept(found: Arrangement) -> Iterator[Change]:
    """Fewer prompts in host RAM where that is short: of one role, the GPU's own last, or of several."""
    missing = short = -found.ledger.account(HOST).headroom
    parts: list[Change] = []
    for process in reversed(_by_rank(found)):
        for fewer in kept(process.seat.desk, process.settings, short):
            yield _fewer(process, (fewer,))
        less = tuple(kept(process.seat.desk, process.settings, missing))
        if less:
            parts.append(_fewer(process, less))
            missing -= sum(fewer.saved for fewer in less)
    if len(parts) > 1:
        members = tuple(member for part in parts for member in part.members)
        yield Change(members, " and ".join(part.words for part in parts), parts[-1].cost)


def _fewer(process: Process, less: Sequence[Fewer]) -> Change:
    """*process* with *less* of what it keeps; in an engine's own variables where its defaults stand there."""
    first, rules = process.members[0].need, process.seat.rules
    made = {name: value for fewer in less for name, value in fewer.made.items()}
    need = replace(first, given=first.given | set(made), **made)
    writing = rules.writing(first.given)
    own = [f"{getattr(writing, fewer.field)}{fewer.left}" for fewer in less]
    keys = {fewer.field: fewer.left for fewer in less}
    plain = writing == Written()
    words = " and ".join(_words(member.role, **keys) for member in process.members) if plain else " ".join(own)
    return Change(
        tuple(replace(member, need=need) for member in process.members), words, "; ".join(fewer.cost for fewer in less)
    )


def _caches(found: Arrangement) -> Iterator[Change]:
    for process in _by_rank(found):
        settings, layers = process.settings, process.seat.desk.model.layers or ()
        whole_blocks = all(not layer.key_dim % 32 and not layer.value_dim % 32 for layer in layers)
        if settings.cache_type_k == settings.cache_type_v == "f16" and settings.flash_attn and whole_blocks:
            yield _set(process, CACHE_COST, cache_type_k="q8_0", cache_type_v="q8_0")


def _shorter(found: Arrangement) -> Generator[Probe, Answer, list[Change]]:
    """For each role that names its context, the longest that holds beside the others."""
    made = []
    for process in _by_rank(found):
        reach = yield from _reach(found, process)
        least = max(member.at_least for member in process.members)
        if isinstance(process.seat.need.ctx_size, int) and max(least, 1) <= reach < process.settings.ctx_size:
            made.append(_set(process, "a shorter context", ctx_size=reach))
    return made


def _hosts(found: Arrangement) -> Iterator[Change]:
    """Roles that could run on the CPU, those that the GPU is not for first."""
    for process in reversed(_by_rank(found)):
        if process.gpus:
            first = process.members[0]
            need = replace(first.need, n_gpu_layers="auto", n_cpu_moe="auto")
            free = {} if first.need.n_gpu_layers in {"auto", 0} else {"n_gpu_layers": "auto"}
            words = " and ".join(_words(member.role, device="host", **free) for member in process.members)
            moved = tuple(replace(member, on_host=True, need=need) for member in process.members)
            yield Change(moved, words, "slower: on the CPU")


def _shares(found: Arrangement) -> Iterator[Change]:
    """One model for two roles: the larger one where it holds."""
    ranked = [each for each in _by_rank(found) if all(member.role != "embedder" for member in each.members)]
    for process in reversed(ranked):
        for other in sorted(ranked, key=lambda each: -each.seat.desk.model.parameters):
            mine, theirs = process.members[0], other.members[0]
            if process is other or mine.on_host != theirs.on_host or not set(mine.asked) <= set(theirs.asked):
                continue
            keys = {key: value for key, value in theirs.asked.items() if mine.asked.get(key) != value}
            words = " and ".join(_words(member.role, **keys) for member in process.members)
            taken = tuple(replace(theirs, role=m.role, at_least=m.at_least, max_kv=m.max_kv) for m in process.members)
            larger = other.seat.desk.model.parameters > process.seat.desk.model.parameters
            yield Change(
                taken, words, f"{process.role} and {other.role} share it: {'slower' if larger else 'less able'}"
            )


def _splits(found: Arrangement) -> Iterator[Change]:
    for process in reversed(_by_rank(found)):
        if process.gpus and not process.chooses_layers:
            yield _set(process, "slower: a part of its layers on the host", n_gpu_layers="auto")


def _quants(found: Arrangement) -> Iterator[Change]:
    """Smaller types of the largest model, the largest of them first."""
    process = max(found.processes, key=lambda each: each.seat.desk.model.file_bytes, default=None)
    first = process.members[0] if process is not None else None
    if process is None or first is None or first.variant is None:
        return
    now = first.model.quantization
    if now.lower() in str(first.asked.get("model", "")).lower() and now not in WIDE:
        return  # its name says the type: another model would have to be named
    smaller = SMALLER if now in WIDE else SMALLER[SMALLER.index(now) + 1 :] if now in SMALLER else ()
    for name in smaller:
        model = first.variant(name)
        lost = model_loss(model)
        taken = tuple(replace(member, model=model) for member in process.members)
        words = " and ".join(_words(member.role, quant=name) for member in process.members)
        yield Change(taken, words, f"KLD {lost.kld_low:g} to {lost.kld_high:g}")


def _by_rank(found: Arrangement) -> list[Process]:
    return sorted(found.processes, key=lambda each: each.rank)


def _set(process: Process, cost: str, **keys: object) -> Change:
    """Other settings for all roles of *process*."""
    chosen = {**keys}
    need = replace(process.members[0].need, given=process.members[0].need.given | set(keys), **chosen)
    words = " and ".join(_words(member.role, **keys) for member in process.members)
    return Change(tuple(replace(member, need=need) for member in process.members), words, cost)


def _words(role: str, **keys: object) -> str:
    """``[roles.drafter] device = "host"``."""
    return f"[roles.{role}] {', '.join(f'{key} = {json.dumps(value)}' for key, value in keys.items())}"
