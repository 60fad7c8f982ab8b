"""Roles that share a process share its cells, its slots and its queue; each keeps its own bounds."""

import asyncio

import pytest
from msgspec.structs import replace

from aidx.gate.admit import Limits, RefusedError
from aidx.gate.drive import Gate, LoadingError
from tests.fakes.engine import FakeChat
from tests.fakes.requests import prompt

EDITOR = Limits(n_ctx=64, n_ctx_seq=64, slots=1, gate=60, max_tokens=4)
VERIFIER = replace(EDITOR, gate=12)


def run(scenario, **fake):
    async def inside():
        editor = Gate(EDITOR, asyncio.get_running_loop().time)
        verifier = editor.beside(VERIFIER)
        verifier.attach(FakeChat(**fake))
        return await asyncio.wait_for(scenario(editor, verifier), 10)

    return asyncio.run(inside())


def test_what_one_attaches_the_other_has():
    async def scenario(editor, verifier):
        assert editor.open
        assert verifier.open
        editor.detach()
        with pytest.raises(LoadingError):
            await verifier.admit(prompt("a"))

    run(scenario)


def test_each_refuses_by_its_own_gate():
    async def scenario(editor, verifier):
        text = "word " * 12
        (await editor.admit(prompt(text))).close()
        with pytest.raises(RefusedError) as over:
            await verifier.admit(prompt(text))
        assert over.value.numbers["gate"] == 12

    run(scenario)


def test_one_waits_for_the_other_s_slot_and_is_let_in_when_it_leaves():
    async def scenario(editor, verifier):
        first = await editor.admit(prompt("a"))
        assert verifier.reserved.requests == 1
        waits = asyncio.create_task(verifier.admit(prompt("b")))
        while editor.reserved.queued != 1:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0)
        first.close()
        (await waits).close()
        assert (editor.reserved.requests, editor.reserved.queued) == (0, 0)

    run(scenario)


def test_the_queue_is_bounded_for_all_together():
    async def scenario(editor, verifier):
        first = await editor.admit(prompt("a"))
        waiting = [asyncio.create_task(gate.admit(prompt("b"))) for gate in (editor, verifier) * (EDITOR.queue // 2)]
        while editor.reserved.queued != EDITOR.queue:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0)
        with pytest.raises(RefusedError) as full:
            await verifier.admit(prompt("c"))
        assert full.value.code == "kv_budget_exhausted"
        first.close()
        for task in waiting:
            (await task).close()

    run(scenario)
