"""Engines are kept running: started again when they die, fail to start or hang; one role does not wait for another."""

import asyncio
import threading
from contextlib import suppress

import pytest

from aidx.budget.settings import Settings
from aidx.errors import EngineError
from aidx.gate.admit import Limits
from aidx.gate.drive import Gate, LoadingError
from aidx.ports.chat import Patience
from aidx.ports.engine import Launch
from aidx.serve.memory import Memory
from aidx.serve.run.keep import Keepers, Process
from tests.fakes.engine import FakeDeployment
from tests.fakes.requests import prompt

LIMITS = Limits(n_ctx=128, n_ctx_seq=128, slots=2, gate=100, max_tokens=16)


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """The first start after a death comes at once."""
    monkeypatch.setattr("aidx.serve.lifecycle.FIRST_S", 0.001)


class Host:
    """Starts fake deployments, one after the other; an exception in *fails* is what a start ends with."""

    def __init__(self, *fails, pid=1):
        self.fails = list(fails)
        self.pid = pid
        self.started = []

    def start(self):
        wrong = self.fails.pop(0) if self.fails else None
        if wrong is not None:
            raise wrong
        self.started.append(FakeDeployment(Launch("x.gguf", "x", Settings(ctx_size=128))))
        self.started[-1].pid = self.pid
        return self.started[-1]


def offer(role, host, **more):
    return Process(role, host.start, 1, **more)


def keep(scenario, *offers, patient=None):
    told, restarts = [], []

    async def run():
        options = {} if patient is None else {"patient": lambda *_: patient}
        gates = [Gate(LIMITS, asyncio.get_running_loop().time, **options) for _ in offers]
        async with Keepers(told.append, restarts.append) as keepers:
            ready = [keepers.keep(one, gate) for one, gate in zip(offers, gates, strict=True)]
            await asyncio.wait_for(scenario(gates, ready), 10)

    asyncio.run(run())
    return told, restarts


async def until(condition):
    while not condition():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0.001)


def test_an_engine_that_dies_is_followed_by_another():
    host = Host()

    async def scenario(gates, ready):
        await ready[0]
        await until(lambda: gates[0].open)
        host.started[0].stop()
        await until(lambda: len(host.started) == 2 and gates[0].open)

    told, restarts = keep(scenario, offer("editor", host))
    assert told == ["aidx: editor: the engine ended with status 0; starting it again in 0.0 s"]
    assert restarts == ["editor"]
    assert all(one._end for one in host.started)  # none is left behind


def test_engines_end_at_the_same_time():
    together = threading.Barrier(3, timeout=5)  # broken, and raised, where one waits for another

    class Slow(FakeDeployment):
        def stop(self):
            super().stop()
            together.wait()

    def start():
        return Slow(Launch("x.gguf", "x", Settings(ctx_size=128)))

    async def scenario(gates, ready):
        await asyncio.gather(*ready)

    keep(scenario, *(Process(role, start) for role in ("editor", "drafter", "verifier")))
    assert not together.broken


def test_an_engine_that_hangs_is_ended_and_followed_by_another():
    host = Host()

    async def scenario(gates, ready):
        await ready[0]
        await until(lambda: gates[0].open)
        host.started[0]._chats[0].hangs = True
        grant = await gates[0].admit(prompt("hello", 3))
        with pytest.raises(EngineError):
            await anext(grant)
        grant.close()
        await until(lambda: len(host.started) == 2 and gates[0].open)
        assert host.started[0]._end
        assert gates[0].reserved.requests == 0
        async with await gates[0].admit(prompt("hello", 3)) as answered:
            assert [chunk async for chunk in answered]

    told, _ = keep(scenario, offer("editor", host), patient=Patience(0.01, 0.01))
    assert "the engine hangs" in told[0]


def test_an_engine_that_holds_too_much_is_ended_and_followed_by_another(monkeypatch):
    monkeypatch.setattr("aidx.serve.run.watch.LOOK_S", 0.001)
    host, sizes = Host(pid=7), iter([5, 10, 11])
    memory = Memory(8, 2, lambda pid: next(sizes, 0) if pid == 7 else None)

    async def scenario(gates, ready):
        await ready[0]
        await until(lambda: len(host.started) == 2 and gates[0].open)
        assert host.started[0]._end
        assert not host.started[1]._end

    told, restarts = keep(scenario, offer("editor", host, memory=memory))
    assert "the engine held" in told[0]
    assert told[0].endswith("; starting it again in 0.0 s")
    assert (restarts, memory.outgrown) == (["editor"], 1)


def test_one_that_is_not_ours_may_hold_what_it_likes(monkeypatch):
    monkeypatch.setattr("aidx.serve.run.watch.LOOK_S", 0.0)
    host, looks = Host(pid=None), []

    async def scenario(gates, ready):
        await ready[0]
        await until(lambda: gates[0].open)
        await asyncio.sleep(0.01)

    told, _ = keep(scenario, offer("editor", host, memory=Memory(0, 0, looks.append)))
    assert told == looks == []


def test_a_first_start_that_fails_is_the_caller_s_to_know():
    async def scenario(gates, ready):
        with pytest.raises(EngineError, match="no such file"):
            await ready[0]

    told, restarts = keep(scenario, offer("editor", Host(EngineError("no such file"))))
    assert told == restarts == []


def test_a_later_start_that_fails_is_tried_again():
    host = Host(None, EngineError("no memory"), EngineError("no memory"))

    async def scenario(gates, ready):
        await ready[0]
        await until(lambda: gates[0].open)
        host.started[0].stop()
        await until(lambda: len(host.started) == 2 and gates[0].open)

    told, restarts = keep(scenario, offer("editor", host))
    assert [line.split(";")[0].removeprefix("aidx: editor: ") for line in told] == [
        "the engine ended with status 0",
        "no memory",
        "no memory",
    ]
    assert restarts == ["editor"]  # starts that failed are none


@pytest.mark.parametrize("leaves", [False, True])
def test_an_engine_that_is_not_ours_is_looked_at_for_as_long_as_it_is_away(leaves, monkeypatch):
    monkeypatch.setattr("aidx.serve.lifecycle.LAST_LOOK_S", 0.001)
    monkeypatch.setattr("aidx.serve.lifecycle.WINDOW_S", 1e6)  # so long a child would be waited for
    host = Host(None, *[EngineError("nothing answers")] * 9, pid=None)

    async def scenario(gates, ready):
        await ready[0]
        await until(lambda: gates[0].open)
        host.started[0].stop()
        await until(lambda: len(host.started) == 2 and gates[0].open)

    told, _ = keep(scenario, offer("editor", host, leaves=leaves))
    assert told == [
        "aidx: editor: the engine ended with status 0; asking again until it answers",
        "aidx: editor: nothing answers; asking again until it answers",
    ]


def test_roles_stand_side_by_side():
    editor, drafter = Host(), Host()

    async def scenario(gates, ready):
        await asyncio.gather(*ready)
        await until(lambda: all(gate.open for gate in gates))
        editor.started[0].stop()
        await until(lambda: not gates[0].open)
        async with await gates[1].admit(prompt("hello", 2)) as answered:
            assert [chunk async for chunk in answered]
        with suppress(LoadingError):
            await gates[0].admit(prompt())

    keep(scenario, offer("editor", editor), offer("drafter", drafter))


def test_what_we_know_of_the_tokens_is_read_beside_the_start():
    read = []

    async def scenario(gates, ready):
        await ready[0]
        await until(lambda: read)

    keep(scenario, offer("editor", Host(), own=lambda: read.append(1)))
    assert read == [1]


def test_without_it_the_engine_counts_and_that_is_said():
    def broken():
        raise EngineError("cannot be read")

    async def scenario(gates, ready):
        await ready[0]
        await until(lambda: gates[0].open)
        async with await gates[0].admit(prompt("hello", 2)) as answered:
            assert [chunk async for chunk in answered]

    told, _ = keep(scenario, offer("editor", Host(), own=broken))
    assert told == ["aidx: editor: the engine counts all tokens: cannot be read"]
