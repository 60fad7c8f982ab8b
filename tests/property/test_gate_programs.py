"""The whole gate under any program: clients of two roles come and leave, answers end, engines die and come back."""

import asyncio
from collections import Counter
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.fakes.engine import FakeChat
from tests.fakes.requests import prompt

from aidx.errors import AidxError
from aidx.gate.admit import Limits
from aidx.gate.drive import Gate

LIMITS = Limits(n_ctx=64, n_ctx_seq=64, slots=2, gate=48, max_tokens=4)
NARROW = replace(LIMITS, gate=24)
ASK = st.tuples(st.just("ask"), st.integers(0, 1), st.integers(1, 60), st.integers(1, 30), st.booleans())
STEPS = st.one_of(
    ASK,
    ASK,
    st.tuples(st.just("cancel"), st.integers(0, 30)),
    st.tuples(st.sampled_from(["tick", "release", "die", "restart"])),
)


class World:
    """Two roles before one model; every request's end is written down."""

    def __init__(self):
        self.gates = [Gate(LIMITS, asyncio.get_running_loop().time)]
        self.gates.append(self.gates[0].beside(NARROW))
        self.ends = Counter()
        self.tasks = []
        self.attach()

    def attach(self):
        self.chat = FakeChat(hold=asyncio.Event())
        self.gates[0].attach(self.chat)

    def die(self):
        self.chat.dead = True
        self.chat.hold.set()
        self.gates[0].detach()

    def ask(self, role, words, tokens, stream):
        number = len(self.tasks)

        async def request():
            try:
                asked = prompt("w " * words, tokens, stream=stream)
                async with await self.gates[role].admit(asked) as grant:
                    async for _ in grant:
                        pass
                self.ends[number] += 1
            except (AidxError, asyncio.CancelledError):
                self.ends[number] += 1

        self.tasks.append(asyncio.create_task(request()))

    async def tick(self):
        for _ in range(4):
            await asyncio.sleep(0)

    async def step(self, name, *values):
        if name == "ask":
            self.ask(*values)
        elif name == "cancel" and self.tasks:
            self.tasks[values[0] % len(self.tasks)].cancel()
        elif name == "release":
            self.chat.hold.set()
            await self.tick()
            self.chat.hold.clear()
        elif name == "die":
            self.die()
        elif name == "restart":
            self.die()
            self.attach()
        await self.tick()
        self.check()

    def check(self):
        taken = self.gates[0].reserved
        assert taken == self.gates[1].reserved
        assert taken.cells <= LIMITS.n_ctx
        assert taken.requests <= LIMITS.slots
        assert taken.queued <= LIMITS.queue

    async def end(self):
        """Nobody starves: with an engine that answers, everybody is answered."""
        if not self.gates[0].open:
            self.attach()
        self.chat.hold.set()
        async with asyncio.timeout(2):
            for task in self.tasks:
                with suppress(asyncio.CancelledError):
                    await task
            while self.gates[0].reserved.requests:  # noqa: ASYNC110 - answers that were left are let go in the background
                await asyncio.sleep(0)
        taken = self.gates[0].reserved
        assert (taken.cells, taken.requests, taken.queued) == (0, 0, 0)
        assert self.gates[0].pool.idle
        never_begun = {number for number, task in enumerate(self.tasks) if task.cancelled()}
        assert self.ends == Counter(number for number in range(len(self.tasks)) if number not in never_begun)


@settings(max_examples=1000, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_every_request_has_one_end_and_everything_is_given_back(program):
    async def run():
        world = World()
        for step in program:
            await world.step(*step)
        await world.end()

    asyncio.run(run())
