"""Several roles on several GPUs, and in memory that a GPU shares with the host."""

import pytest
from msgspec.structs import replace

from aidx.errors import InputError
from aidx.model.companion import Lora
from aidx.plan.beside import Beside
from aidx.plan.deployment.members import Member
from aidx.plan.deployment.plan import deploy
from aidx.plan.devices import Device, Machine
from aidx.plan.make import plan
from aidx.plan.need import Need
from tests.unit.plan.worlds import MIB, drive, engine, model

GIB = 1 << 30
HOST = Device("host", "host", 64 * GIB)


def roles(*specs, ctx=4096):
    return [Member(name, spec, Need(ctx_size=ctx)) for name, spec in zip(("editor", "drafter"), specs, strict=False)]


def test_two_roles_share_two_gpus_and_the_second_is_split_by_what_the_first_left():
    gpus = (Device("gpu0", "gpu", 2 * GIB), Device("gpu1", "gpu", 2 * GIB))
    found, _ = drive(deploy(roles(model(), model(4)), Machine(HOST, gpus)), engine())
    first, second = (role.settings.tensor_split for role in found.roles)
    assert found.verdict == "fits"
    assert first == (2048, 2048)
    assert second[0] < 2048
    for name in ("gpu0", "gpu1"):
        assert {entry.role for entry in found.ledger.account(name).entries} == {"editor", "drafter"}


@pytest.mark.parametrize("sizes", [(220, 295), (245, 245)])
def test_a_role_alone_on_several_gpus_gets_the_context_of_the_best_split(sizes):
    gpus = tuple(Device(f"gpu{number}", "gpu", size * MIB) for number, size in enumerate(sizes))
    for asked in (None, 4096):
        lone, _ = drive(deploy(roles(model(), ctx=asked), Machine(HOST, gpus)), engine())
        single, _ = drive(plan(model(), Need(ctx_size=asked), Machine(HOST, gpus)), engine())
        assert lone.roles[0].max_ctx_size == single.roles[0].max_ctx_size > 4096
        assert lone.roles[0].settings == single.roles[0].settings
        assert lone.holds


@pytest.mark.parametrize("sizes", [(500, 200), (200, 500), (400, 330)])
def test_the_longest_context_of_a_role_beside_another_holds_when_it_is_asked_for(sizes):
    gpus = tuple(Device(f"gpu{number}", "gpu", size * MIB) for number, size in enumerate(sizes))
    found, _ = drive(deploy(roles(model(), model(4), ctx=1024), Machine(HOST, gpus)), engine())
    assert found.holds
    for place, role in enumerate(found.roles):
        members = roles(model(), model(4), ctx=1024)
        longer = replace(members[place].need, ctx_size=role.max_ctx_size)
        members[place] = replace(members[place], need=longer)
        assert role.max_ctx_size >= 1024
        assert drive(deploy(members, Machine(HOST, gpus)), engine())[0].holds, role.role


def test_what_two_roles_take_of_shared_memory_is_counted_once():
    gpu = Device("gpu0", "gpu", 4 * GIB, unified=4 * GIB)
    found, _ = drive(deploy(roles(model(), model(4)), Machine(HOST, (gpu,))), engine())
    taken, host = found.ledger.accounts
    assert host.usable == host.total - taken.planned

    ram = taken.planned + host.planned
    tight = Machine(replace(HOST, total=ram - MIB), (gpu,))
    assert drive(deploy(roles(model(), model(4)), tight), engine())[0].verdict == "does_not_fit"
    enough = Machine(replace(HOST, total=ram), (gpu,))
    assert drive(deploy(roles(model(), model(4)), enough), engine())[0].verdict == "fits"


def test_files_beside_the_model_are_not_modelled_for_an_engine_with_its_own_arithmetic():
    beside = Beside(loras=(Lora("a", "a", "llama", ()),))
    machine = Machine(HOST, (Device("gpu0", "gpu", 8 * GIB),))
    with pytest.raises(InputError, match="are not modelled for vllm"):
        drive(plan(model(), Need(ctx_size=4096, engine="vllm"), machine, beside=beside), engine())
