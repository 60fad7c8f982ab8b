"""Choices over several GPUs: the figures are those of the plan that each one stands for."""

import pytest
from msgspec.structs import replace

from aidx.cli._choices import choice_lines
from aidx.plan.choice import Terms
from aidx.plan.choose import choose
from aidx.plan.devices import Device, Machine
from aidx.plan.make import plan
from aidx.plan.need import Need
from aidx.plan.speed import Pace
from tests.unit.plan.test_choose import candidate
from tests.unit.plan.worlds import drive, engine

GIB = 1 << 30
AT_4K = Need(ctx_size=4096)


@pytest.mark.parametrize("sizes", [(4, 1), (1, 4), (2, 2, 2)])
def test_planned_is_the_sum_and_headroom_that_of_the_tightest(sizes):
    gpus = tuple(Device(f"gpu{number}", "gpu", size * GIB) for number, size in enumerate(sizes))
    machine, wish = Machine(Device("host", "host", 64 * GIB), gpus), Terms(AT_4K, every=True)
    found, _ = drive(choose([candidate()], wish, machine, Pace()), engine())

    text = choice_lines(found, wish, machine, "", width=100)
    assert found.choices
    for choice in found.choices:
        need = replace(AT_4K, cache_type_k=choice.cache_type_k, cache_type_v=choice.cache_type_v)
        planned, _ = drive(plan(candidate().build(choice.quantization), need, machine), engine())
        accounts = [account for account in planned.ledger.accounts if account.kind == "gpu"]
        tight = min(accounts, key=lambda account: account.headroom)
        assert choice.planned_bytes == sum(account.planned for account in accounts)
        assert choice.headroom_bytes == tight.headroom
        assert any(f" {tight.planned / GIB:.2f} {tight.headroom / GIB:.2f} {tight.name} " in line for line in text)
