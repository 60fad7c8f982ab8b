"""A tour over a deployment that is a fake at the port: it answers what it is told to answer."""

import json
from contextlib import nullcontext

import pytest
from msgspec.structs import replace
from tests.fakes import plans
from tests.fakes.engine import FakeChat, FakeDeployment

from aidx.budget.ledger import Entry
from aidx.budget.settings import Settings
from aidx.demo.run import Tour
from aidx.demo.task import Task
from aidx.plan.article import Evidence
from aidx.ports.engine import Allocated, Launch

MIB = plans.MIB


class ScriptedChat(FakeChat):
    """Streams *script* instead of an echo, in pieces that respect neither events nor lines."""

    def __init__(self, script, end):
        super().__init__()
        self.script, self.end = script, end

    async def answer(self, body, *, slot, **options):
        async for _ in super().answer(body, slot=slot, **options):
            break  # it has been accepted and noted
        pieces = [self.script[start : start + 3] for start in range(0, len(self.script), 3)]
        events = [{"choices": [{"delta": {"role": "assistant", "content": None}}]}]
        events += [{"choices": [{"delta": {"content": piece}}]} for piece in pieces]
        data = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + self.end
        for start in range(0, len(data), 7):
            yield data[start : start + 7]


class Little(FakeDeployment):
    """A deployment that took *devices* and answers with *script*."""

    def __init__(self, script, devices):
        super().__init__(Launch("little.gguf", "little", Settings(ctx_size=1024)))
        self.script, self.devices, self.end = script, devices, b"data: [DONE]\n\n"
        self.stopped, self.opened = False, []

    def chat(self):
        self.opened.append(ScriptedChat(self.script, self.end))
        return self.opened[-1]

    def allocated(self):
        return Allocated(self.devices, 1024, "fake 1", MIB // 100, 150 * MIB)

    def stop(self):
        super().stop()
        self.stopped = True


@pytest.fixture
def task():
    return Task(
        "rename",
        "textwrap.py",
        "Rename the function f to g.",
        "def f(a):\n    return a",
        "def g(a):\n    return a",
    )


@pytest.fixture
def allocated():
    return {
        "host": (
            Entry("weights", 12 * MIB, "", "measured"),
            Entry("kv_cache", 6 * MIB, "", "measured"),
            Entry("compute", 9 * MIB, "", "measured"),
            Entry("output", 10_486, "", "measured"),
        )
    }


@pytest.fixture
def evidence():
    by_quant = {"F16": plans.too_big(), "Q4_K_M": plans.fitting()}
    return Evidence(
        by_quant={**by_quant, "Q8_0": plans.too_big(), "Q4_0": plans.fitting()},
        at_gate=plans.fitting(),
        at_window=plans.fitting(),
        at_window_q8=plans.fitting(),
    )


@pytest.fixture
def little(allocated):
    return Little("01|def g(a):", allocated)


@pytest.fixture
def told():
    return []


@pytest.fixture
def tour(task, evidence, little, told):
    return Tour(
        article=lambda: evidence,
        plan=plans.small,
        start=lambda _: little,
        scratch=nullcontext,
        plans=(),
        task=task,
        say=told.append,
        stream=told.append,
        progress=lambda _: None,
    )


@pytest.fixture
def with_answer(tour, allocated):
    """The tour with another answer or other buffers."""

    def change(answer="01|def g(a):", devices=allocated):
        little = Little(answer, devices)
        return replace(tour, start=lambda _: little), little

    return change
