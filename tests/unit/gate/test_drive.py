"""The gate around a fake model: counted, bounded, released, in order."""

import asyncio
import json

import pytest
from msgspec.structs import replace

from aidx.errors import EngineError, InputError
from aidx.gate.admit import Limits, RefusedError, Reserved
from aidx.gate.drive import Gate, LoadingError, patience
from aidx.gate.prompt import Prompt
from aidx.ports.chat import Patience
from tests.fakes.engine import FakeChat
from tests.fakes.requests import prompt

LIMITS = Limits(n_ctx=128, n_ctx_seq=128, slots=2, gate=100, max_tokens=16)
EMPTY = Reserved(cells=0, requests=0, queued=0)


def drive(scenario, limits=LIMITS, gate=None, **fake):
    """Run *scenario* with a gate before a fake chat; everything is released afterwards."""

    async def run():
        before = Gate(limits, asyncio.get_running_loop().time, **(gate or {}))
        chat = FakeChat(**fake)
        before.attach(chat)
        await asyncio.wait_for(scenario(before, chat), 10)
        await settle()
        assert before.reserved == EMPTY
        assert chat.held == set()

    asyncio.run(run())


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


async def read(grant):
    async with grant:
        return b"".join([chunk async for chunk in grant])


def test_what_is_reserved_is_prompt_and_output_and_the_engine_is_told_the_bound():
    async def scenario(gate, chat):
        grant = await gate.admit(prompt("hello", 9))
        assert grant.booking.prompt_tokens == await chat.count(prompt("hello").body)
        assert gate.reserved == Reserved(cells=grant.booking.prompt_tokens + 9, requests=1, queued=0)
        await read(grant)
        assert json.loads(chat.seen[0])["max_tokens"] == 9

    drive(scenario)


def test_without_a_bound_the_engine_gets_the_role_s():
    async def scenario(gate, chat):
        await read(await gate.admit(prompt()))
        assert json.loads(chat.seen[0])["max_tokens"] == 16

    drive(scenario)


def test_a_prompt_over_the_gate_never_reaches_the_engine():
    async def scenario(gate, chat):
        text = "one " * 95
        asked = prompt(text, 1)
        over = await chat.count(asked.body) - 100
        with pytest.raises(RefusedError) as refused:
            await gate.admit(asked)
        assert refused.value.numbers["over_by"] == over > 0
        assert chat.seen == []

    drive(scenario)


def test_a_prompt_whose_bytes_cannot_fit_is_not_even_counted():
    async def scenario(gate, chat):
        chat.dead = True  # it would fail to count
        with pytest.raises(RefusedError, match="at least"):
            await gate.admit(prompt("x" * 1000))
        chat.dead = False

    drive(scenario)


def test_requests_take_turns_in_the_order_of_arrival():
    async def scenario(gate, chat):
        order = []

        async def one(number):
            grant = await gate.admit(prompt("hello", 90))  # only one of them fits at a time
            order.append(number)
            await read(grant)

        await asyncio.gather(*(one(number) for number in range(5)))
        assert order == [0, 1, 2, 3, 4]
        assert len(chat.seen) == 5

    drive(scenario)


def test_a_full_queue_says_when_to_come_again():
    async def scenario(gate, chat):
        running = [await gate.admit(prompt("hello", 10)) for _ in range(2)]
        waiting = [asyncio.create_task(gate.admit(prompt("hello", 10))) for _ in range(8)]
        await settle()
        with pytest.raises(RefusedError) as refused:
            await gate.admit(prompt("hello", 10))
        assert refused.value.code == "kv_budget_exhausted"
        assert 1 <= refused.value.numbers["retry_after"] <= 60
        for grant in running:
            grant.close()
        for task in waiting:
            (await task).close()

    drive(scenario)


def test_those_who_are_being_counted_stand_in_line_as_well():
    counting = asyncio.Event()

    async def scenario(gate, chat):
        tasks = [asyncio.create_task(gate.admit(prompt("hello", 10))) for _ in range(50)]
        await settle()
        refused = [task for task in tasks if task.done()]
        assert len(refused) == 50 - 8 - 2
        assert {task.exception().code for task in refused} == {"kv_budget_exhausted"}
        counting.set()
        for task in tasks:
            if task not in refused:
                (await task).close()

    drive(scenario, counting=counting)


def test_who_leaves_the_queue_gives_up_its_place():
    async def scenario(gate, chat):
        first = await gate.admit(prompt("hello", 90))
        second = asyncio.create_task(gate.admit(prompt("hello", 90)))
        third = asyncio.create_task(gate.admit(prompt("hello", 90)))
        await settle()
        second.cancel()
        await settle()
        assert gate.reserved.queued == 1
        first.close()
        (await third).close()

    drive(scenario)


def test_who_leaves_in_the_moment_of_admission_gives_back_what_it_got():
    async def scenario(gate, chat):
        first = await gate.admit(prompt("hello", 90))
        second = asyncio.create_task(gate.admit(prompt("hello", 90)))
        await settle()
        first.close()  # admits the second, whose task has not run yet
        second.cancel()
        await settle()
        assert gate.reserved == EMPTY

    drive(scenario)


def test_an_answer_that_is_left_early_is_released_when_the_engine_lets_go():
    hold = asyncio.Event()

    async def scenario(gate, chat):
        async with await gate.admit(prompt("hello", 5, stream=True)) as grant:
            await anext(grant)
            assert chat.held == {grant.booking.admitted.slot}
        assert gate.reserved.requests == 1  # not before the engine is done with it
        await settle()
        assert gate.reserved == EMPTY

    drive(scenario, hold=hold)


def test_a_grant_that_is_never_read_is_released():
    async def scenario(gate, chat):
        async with await gate.admit(prompt()):
            pass
        assert gate.reserved == EMPTY
        assert chat.seen == []

    drive(scenario)


def test_closing_twice_releases_once():
    async def scenario(gate, chat):
        one, other = await gate.admit(prompt("a", 5)), await gate.admit(prompt("b", 6))
        one.close()
        one.close()
        assert gate.reserved.requests == 1
        other.close()

    drive(scenario)


def test_an_engine_that_dies_fails_the_answer_and_frees_the_cells():
    async def scenario(gate, chat):
        with pytest.raises(EngineError, match="signal 9"):
            await read(await gate.admit(prompt("a b c", 5, stream=True)))

    drive(scenario, fail_after=2)


def test_without_an_engine_everybody_is_told_to_come_again():
    async def scenario(gate, chat):
        running = await gate.admit(prompt("hello", 90))
        waiting = [asyncio.create_task(gate.admit(prompt("hello", asked))) for asked in (90, 10, 90)]
        await settle()
        gate.detach()
        for one in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(one, EngineError)
            assert one.code == "engine_loading"
        with pytest.raises(EngineError):
            await gate.admit(prompt())
        with pytest.raises(EngineError):
            await read(running)
        assert not gate.open

        gate.attach(FakeChat())
        assert b"chat.completion" in await read(await gate.admit(prompt()))

    drive(scenario)


def test_what_the_template_refuses_is_wrong_input_and_reserves_nothing():
    async def scenario(gate, chat):
        with pytest.raises(InputError):
            await gate.admit(Prompt(fields=b'"stream":1', max_tokens=1, kind="text", texts=("x",)))

    drive(scenario)


def test_tools_are_refused_where_the_template_would_drop_them():
    async def scenario(gate, chat):
        with pytest.raises(InputError, match="says nothing of tools") as refused:
            await gate.admit(prompt("hello", tools=True))
        assert refused.value.code == "tools_not_supported"
        assert chat.counts == 0

    drive(scenario)


def test_tools_pass_where_the_template_shows_them():
    async def scenario(gate, chat):
        await read(await gate.admit(prompt("hello", 1, tools=True)))

    drive(scenario, tools=True)


def test_the_engine_s_own_account_is_compared_with_the_count():
    lines = []

    async def scenario(gate, chat):
        for stream in (True, False):
            await read(await gate.admit(prompt("hello", 3, stream=stream)))
        assert gate.counter.drifts == 2

    drive(scenario, gate={"tell": lines.append}, drift=2)
    assert len(lines) == 1
    assert "is off by 2" in lines[0]


def test_the_wait_follows_from_what_those_who_run_have_left_to_say():
    async def scenario(gate, chat):
        gate.speed.note(100, 10.0)
        running = [await gate.admit(prompt("hello", asked, stream=True)) for asked in (50, 30)]
        waiting = [asyncio.create_task(gate.admit(prompt("hello", 10))) for _ in range(8)]
        await settle()
        with pytest.raises(RefusedError) as refused:
            await gate.admit(prompt("hello", 10))
        assert refused.value.numbers["retry_after"] == 3  # 30 tokens at 10 a second
        await anext(running[1])
        for grant in running:
            grant.close()
        for task in waiting:
            (await task).close()

    drive(scenario)


def test_an_engine_that_is_silent_for_too_long_hangs():
    async def scenario(gate, chat):
        with pytest.raises(EngineError) as silent:
            await read(await gate.admit(prompt("hello", 3)))
        assert silent.value.code == "engine_silent"
        assert gate.hung.is_set()
        gate.detach()
        gate.attach(FakeChat())
        assert not gate.hung.is_set()

    drive(scenario, gate={"patient": lambda *_: Patience(0.01, 0.01)}, hangs=True)


class Sticking(FakeChat):
    """It tries the patience of who leaves."""

    async def answer(self, body, **more):
        try:
            async for event in super().answer(body, **more):
                yield event
        except GeneratorExit:
            self.held.clear()
            raise EngineError("no answer", code="engine_silent") from None


def test_an_engine_that_does_not_let_go_of_who_left_hangs():
    """Else nobody would know of it where everybody leaves before their patience is over."""

    async def scenario(gate, _):
        gate.attach(Sticking())
        grant = await gate.admit(prompt("hello", 9, stream=True))
        await anext(grant)
        grant.close()
        await settle()
        assert gate.hung.is_set()

    drive(scenario)


@pytest.mark.parametrize("stream", [True, False])
def test_patience_grows_with_the_work(stream):
    little, much = (patience(prompt("x", stream=stream), tokens, 100) for tokens in (10, 10_000))

    assert much.first_s > little.first_s + 500
    assert little.between_s >= 60
    assert patience(prompt("x", stream=False), 10, 100).first_s > patience(prompt("x", stream=True), 10, 100).first_s


def test_how_long_an_answer_in_one_piece_may_take_goes_by_the_speed_of_the_latest():
    slow, fast = (patience(prompt("x", stream=False), 50, 100, speed).lasts_s for speed in (11.0, 1100.0))

    assert (slow, fast) == (10.0, 0.1)
    assert patience(prompt("x", stream=True), 50, 100, 1.0).lasts_s == 0.0


def test_who_comes_while_the_model_loads_is_told_when_it_should_be_there():
    async def scenario(gate, chat):
        gate.detach()
        gate.expect(7.5, "out of memory")
        with pytest.raises(LoadingError) as loading:
            await gate.admit(prompt())
        assert loading.value.retry_after == 8
        assert "out of memory" in str(loading.value)

    drive(scenario)


def test_a_conversation_that_was_made_to_fit_is_sent_without_what_was_left_out():
    async def scenario(gate, chat):
        before = [("user", "x" * 80), ("assistant", "y" * 80)] * 5
        await read(await gate.admit(prompt("hello", 4, before=before)))
        assert [message["role"] for message in json.loads(chat.seen[0])["messages"]] == ["user", "assistant", "user"]

    drive(scenario, limits=replace(LIMITS, overflow="compact"))


def test_an_engine_that_is_another_by_now_does_not_get_the_old_one_s_requests():
    counting = asyncio.Event()

    async def scenario(gate, chat):
        task = asyncio.create_task(gate.admit(prompt()))
        await settle()
        gate.detach()
        gate.attach(FakeChat())
        counting.set()
        with pytest.raises(LoadingError):
            await task

    drive(scenario, counting=counting)
