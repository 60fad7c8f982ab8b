"""One suite for what any engine may change about a plan; the folder says which there are."""

import pytest
from msgspec.structs import fields
from tests.unit.plan.worlds import model

from aidx.plan.devices import Device, Machine
from aidx.plan.engines import AUTO, find, names
from aidx.plan.need import Need

NAMES = [name for name in names() if name != AUTO]
HERE = Machine(Device("host", "host", 64 << 30), (Device("gpu0", "gpu", 24 << 30),))
SETTINGS = ("ctx_size", "parallel", "cache_type_k", "cache_type_v", "ubatch_size", "batch_size", "cache_ram")


@pytest.mark.parametrize("name", NAMES)
def test_rules_are_named_like_their_file(name) -> None:
    assert find(name).name == name


@pytest.mark.parametrize("name", NAMES)
def test_what_is_settled_once_stays(name) -> None:
    once = find(name).settle(model(), Need(engine=name), HERE)
    again = find(name).settle(model(), once.need, once.machine)
    changed = [f.name for f in fields(Need) if getattr(once.need, f.name) != getattr(again.need, f.name)]
    assert changed == []
    assert once.need.checked() == once.need


@pytest.mark.parametrize("name", NAMES)
def test_what_the_user_chose_is_never_replaced(name) -> None:
    chosen = Need(engine=name, ctx_size=1024, parallel=2, ubatch_size=128, batch_size=256, cache_ram=7 << 20)
    settled = find(name).settle(model(), chosen, HERE).need
    assert {each: getattr(settled, each) for each in SETTINGS} == {each: getattr(chosen, each) for each in SETTINGS}
    named = Need(engine=name, given=frozenset(SETTINGS))
    settled = find(name).settle(model(), named, HERE).need
    assert {each: getattr(settled, each) for each in SETTINGS} == {each: getattr(named, each) for each in SETTINGS}


@pytest.mark.parametrize("name", NAMES)
def test_an_engine_only_takes_room_away(name) -> None:
    machine = find(name).settle(model(), Need(engine=name), HERE).machine
    assert [device.total for device in machine.devices] == [device.total for device in HERE.devices]
    assert all(device.reserve >= 0 for device in machine.devices)
