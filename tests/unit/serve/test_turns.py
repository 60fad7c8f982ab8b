"""Models take turns: a request waits for its model, and nobody is cut off to make room."""

import asyncio

import pytest

from aidx.budget.settings import Settings
from aidx.errors import EngineError
from aidx.gate.admit import Limits, RefusedError
from aidx.gate.drive import Gate, LoadingError
from aidx.ports.engine import Launch
from aidx.serve.evict import Turn
from aidx.serve.memory import Memory
from aidx.serve.run.keep import Keepers, Process
from aidx.serve.run.turns import Turns
from tests.fakes.engine import FakeDeployment
from tests.fakes.requests import prompt

LIMITS = Limits(n_ctx=128, n_ctx_seq=128, slots=1, gate=100, max_tokens=16)
ROOM = {"host": 10}


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """The first start after a death comes at once."""
    monkeypatch.setattr("aidx.serve.lifecycle.FIRST_S", 0.001)


class World:
    """Processes that take so many bytes of ten; what is loaded must hold at every moment."""

    def __init__(self, turns, sizes, memory=None):
        self.turns = turns
        self.gates = {}
        self.sizes = sizes
        self.loaded = {}
        self.most = 0
        self.fails = {}
        for role, size in sizes.items():
            gate = self.gates[role] = Gate(LIMITS, asyncio.get_running_loop().time)
            process = Process(role, lambda role=role: self.start(role), memory=memory)
            turns.add(process, Turn({"host": size}, ROOM), gate)

    def start(self, role):
        if role in self.fails:
            raise self.fails.pop(role)
        self.loaded[role] = FakeDeployment(Launch("x.gguf", role, Settings(ctx_size=128)))
        self.loaded[role].pid = 1  # a child of ours
        here = [name for name, one in self.loaded.items() if one._end is None]
        self.most = max(self.most, sum(self.sizes[name] for name in here))
        return self.loaded[role]

    @property
    def open(self):
        return {role for role, gate in self.gates.items() if gate.open}

    async def ask(self, role):
        async with await self.gates[role].admit(prompt("a b")) as grant:
            return b"".join([chunk async for chunk in grant])


def run(scenario, memory=None, **sizes):
    told, restarts = [], []

    async def inside():
        keepers = Keepers(told.append, restarts.append)
        async with keepers, Turns(keepers, told.append) as turns:
            world = World(turns, sizes, memory)
            await turns.begin()
            await asyncio.wait_for(scenario(world), 10)
        assert all(one._end is not None for one in world.loaded.values()), "an engine was left behind"
        assert world.most <= ROOM["host"]

    asyncio.run(inside())
    return told, restarts


async def until(condition):
    while not condition():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0.001)


def test_at_the_start_those_are_loaded_that_hold_together():
    async def scenario(world):
        assert world.open == {"editor", "embedder"}

    run(scenario, editor=6, verifier=6, embedder=4)


def test_a_request_waits_for_its_model_and_the_other_makes_room():
    async def scenario(world):
        assert await world.ask("verifier")
        assert world.open == {"verifier"}
        assert await world.ask("editor")
        assert world.open == {"editor"}

    told, _ = run(scenario, editor=6, verifier=6)
    assert told == ["aidx: editor makes room for verifier", "aidx: verifier makes room for editor"]


def test_who_has_to_go_ends_what_it_has_taken_on():
    async def scenario(world):
        grant = await world.gates["editor"].admit(prompt("a b"))
        queued = asyncio.create_task(world.ask("editor"))
        await until(lambda: world.gates["editor"].reserved.queued == 1)
        other = asyncio.create_task(world.ask("verifier"))
        await asyncio.sleep(0.01)
        assert world.open == {"editor"}
        late = asyncio.create_task(world.ask("editor"))  # comes after the verifier's, and has its turn after it
        assert b"".join([chunk async for chunk in grant])
        grant.close()
        assert await queued
        assert await other
        assert await late
        assert world.open == {"editor"}

    run(scenario, editor=6, verifier=6)


def test_many_at_once_are_all_answered():
    async def scenario(world):
        asked = [world.ask(role) for _ in range(4) for role in ("editor", "verifier", "drafter")]
        assert all(await asyncio.gather(*asked))

    run(scenario, editor=6, verifier=6, drafter=6)


def test_no_more_wait_for_a_model_than_for_cells():
    async def scenario(world):
        grant = await world.gates["editor"].admit(prompt("a b"))
        waiting = [asyncio.create_task(world.ask("verifier")) for _ in range(LIMITS.queue + LIMITS.slots)]
        await asyncio.sleep(0.01)
        with pytest.raises(RefusedError) as full:
            await world.ask("verifier")
        assert full.value.code == "kv_budget_exhausted"
        grant.close()
        assert all(await asyncio.gather(*waiting))

    run(scenario, editor=6, verifier=6)


def test_who_left_while_waiting_has_nothing_loaded():
    async def scenario(world):
        grant = await world.gates["editor"].admit(prompt("a b"))
        gone = asyncio.create_task(world.ask("verifier"))
        stays = asyncio.create_task(world.ask("drafter"))
        await asyncio.sleep(0.01)
        gone.cancel()
        grant.close()
        assert await stays
        await asyncio.sleep(0.01)
        assert world.open == {"drafter"}

    run(scenario, editor=6, verifier=6, drafter=6)


def test_an_engine_that_died_is_loaded_when_it_is_asked_for():
    async def scenario(world):
        world.loaded["editor"].stop()
        await until(lambda: not world.open)
        await asyncio.sleep(0.01)
        assert await world.ask("editor")

    told, restarts = run(scenario, editor=6)
    assert restarts == ["editor"]
    assert told == ["aidx: editor: the engine ended with status 0; loaded again when it is asked for"]


def test_an_engine_that_holds_too_much_is_ended_and_loaded_when_it_is_asked_for():
    async def scenario(world):
        await until(lambda: not world.open)
        assert await world.ask("editor")

    sizes = iter([11])
    told, restarts = run(scenario, memory=Memory(8, 2, lambda _: next(sizes, 0)), editor=6)
    assert restarts == ["editor"]
    assert told[0].endswith("borne; loaded again when it is asked for")


def test_one_that_cannot_be_loaded_is_an_answer_and_not_tried_at_once_again():
    async def scenario(world):
        world.fails["verifier"] = EngineError("out of memory")
        with pytest.raises(EngineError, match="out of memory"):
            await world.ask("verifier")
        world.turns._places[1].not_before += 60
        with pytest.raises(LoadingError) as again:
            await world.ask("verifier")
        assert again.value.retry_after >= 60
        assert await world.ask("editor")

    run(scenario, editor=6, verifier=6)
