"""Laws of a deployment: what fits with less fits with more, the order of roles is nothing, the ledger is a sum."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.plan.worlds import drive, engine, model

from aidx.budget.ledger import OUTSIDE
from aidx.plan.deployment.members import Member
from aidx.plan.deployment.plan import deploy, part
from aidx.plan.devices import Device, Machine
from aidx.plan.need import Need

MIB = 1 << 20
SPECS = [model(blocks, context=context) for blocks, context in ((2, 4096), (4, 8192), (8, 32768))]
ROLES = ("editor", "drafter", "researcher")
MEMBER = st.tuples(
    st.sampled_from(SPECS), st.sampled_from([None, "max", 256, 1000, 5000]), st.booleans(), st.sampled_from([1, 3])
)


def members(drawn):
    return [
        Member(role, spec, Need(ctx_size=ctx, parallel=slots, fast=True), on_host=pinned)
        for role, (spec, ctx, pinned, slots) in zip(ROLES, drawn, strict=False)
    ]


def machine(gpu, ram):
    return Machine(
        Device("host", "host", ram * MIB, overhead=10 * MIB), (Device("gpu0", "gpu", gpu * MIB, overhead=20 * MIB),)
    )


def deployed(group, gpu, ram=2000):
    return drive(deploy(group, machine(gpu, ram)), engine())[0]


GROUPS = st.lists(MEMBER, min_size=1, max_size=3).map(members)
SIZES = st.integers(100, 1500)


@given(GROUPS, SIZES)
@settings(max_examples=25)
def test_the_devices_hold_exactly_what_the_processes_take(group, gpu) -> None:
    found = deployed(group, gpu)
    parts = {_owner(part(found, role.role)): part(found, role.role) for role in found.roles}
    for account in found.ledger.accounts:
        assert account.planned == sum(each.ledger.account(account.name).planned for each in parts.values())
    assert found.holds == all(account.headroom >= 0 for account in found.ledger.accounts)


def _owner(plan):
    (owner,) = {entry.role for a in plan.ledger.accounts for entry in a.entries if entry.what not in OUTSIDE}
    return owner


@given(GROUPS, SIZES, st.randoms(use_true_random=False))
@settings(max_examples=25)
def test_the_order_of_the_roles_changes_nothing(group, gpu, random) -> None:
    shuffled = list(group)
    random.shuffle(shuffled)
    one, other = deployed(group, gpu), deployed(shuffled, gpu)
    assert {r.role: (r.settings, r.max_ctx_size) for r in one.roles} == {
        r.role: (r.settings, r.max_ctx_size) for r in other.roles
    }
    assert one.verdict == other.verdict


@given(GROUPS, SIZES, st.integers(1, 800))
@settings(max_examples=25)
def test_what_fits_on_a_card_fits_on_a_larger_one(group, gpu, more) -> None:
    small, large = deployed(group, gpu), deployed(group, gpu + more)
    assert large.holds or not small.holds


@given(GROUPS, SIZES)
@settings(max_examples=25)
def test_a_context_that_was_named_is_kept(group, gpu) -> None:
    found = deployed(group, gpu)
    for member, role in zip(group, found.roles, strict=True):
        if isinstance(member.need.ctx_size, int):
            assert role.settings.ctx_size == member.need.ctx_size


@given(GROUPS, SIZES)
@settings(max_examples=15)
def test_a_way_out_that_is_said_to_be_enough_saves_at_least_what_is_missing(group, gpu) -> None:
    found = deployed(group, gpu)
    missing = max(-account.headroom for account in found.ledger.accounts)
    for other in found.alternatives:
        assert other.saves_bytes > 0
        if not other.cost.endswith("alone"):
            assert other.saves_bytes >= missing
