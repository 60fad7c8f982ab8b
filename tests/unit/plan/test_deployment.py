"""Several roles on the same devices; the engine here answers as the closed forms do."""

import json
from importlib.resources import files

import jsonschema_rs
import pytest
from msgspec.structs import replace

from aidx.errors import InputError
from aidx.plan.contract import as_json
from aidx.plan.deployment.members import Member, Remote
from aidx.plan.deployment.plan import deploy, part
from aidx.plan.devices import Device, Machine
from aidx.plan.make import plan
from aidx.plan.need import Need
from tests.unit.plan.worlds import BLOCKS, MIB, drive, engine, machine, model, silent, windowed

GIB = 1 << 30
DRIVER = 300 * MIB


def host_and_gpu(gpu, ram=64 * GIB):
    """Devices of which each process takes a part of its own."""
    gpus = (Device("gpu0", "gpu", gpu, overhead=DRIVER, overhead_why="context"),) if gpu else ()
    return Machine(Device("host", "host", ram, overhead=128 * MIB, overhead_why="process"), gpus)


def member(role, spec=None, *, ctx=None, **keys):
    need = Need(ctx_size=ctx, **{name: keys.pop(name) for name in list(keys) if name in Need.__struct_fields__})
    return Member(role, spec or model(), need, **keys)


def deployed(*members, gpu=8 * GIB, ram=64 * GIB, remotes=(), answer=None):
    return drive(deploy(members, host_and_gpu(gpu, ram), remotes), answer or engine())[0]


def contexts(found):
    return {role.role: role.settings.ctx_size for role in found.roles}


def test_one_role_gets_what_the_model_alone_would_get() -> None:
    for gpu in (None, 300 * MIB, 600 * MIB, 8 * GIB):
        whole = deployed(member("editor"), gpu=gpu)
        alone, _ = drive(plan(model(), Need(), host_and_gpu(gpu)), engine())
        assert whole.roles[0].settings == alone.roles[0].settings
        assert whole.roles[0].max_ctx_size == alone.roles[0].max_ctx_size
        assert whole.verdict == alone.verdict
        assert [a.planned for a in whole.ledger.accounts] == [a.planned for a in alone.ledger.accounts]


def test_all_are_resident_and_every_entry_says_whose_it_is() -> None:
    found = deployed(member("editor", ctx=4096), member("drafter", model(4), ctx=2048))
    gpu = found.ledger.accounts[0]
    alone = [
        drive(plan(spec, Need(ctx_size=ctx), host_and_gpu(8 * GIB)), engine())[0]
        for spec, ctx in ((model(), 4096), (model(4), 2048))
    ]
    assert gpu.planned == sum(each.ledger.accounts[0].planned for each in alone)
    assert {entry.role for entry in gpu.entries} == {"editor", "drafter"}
    assert [entry.bytes for entry in gpu.entries if entry.what == "driver"] == [DRIVER, DRIVER]


def test_equal_roles_share_one_process_and_its_entries() -> None:
    found = deployed(member("editor", ctx=4096), member("verifier", ctx=4096), member("drafter", ctx=2048))
    weights = [entry.role for entry in found.ledger.accounts[0].entries if entry.what == "weights"]
    assert weights == ["editor", "drafter"]
    assert "editor and verifier share one process" in found.notes
    assert "hand-made F16 is loaded 2 times: editor and drafter differ in their settings" in found.notes
    assert [role.role for role in found.roles] == ["editor", "verifier", "drafter"]


def test_a_role_that_names_its_context_keeps_it_and_the_others_share_what_is_left() -> None:
    drafter = member("drafter", model(4), ctx=512)
    named = deployed(member("editor", ctx=8192), member("verifier", model(7), ctx=8192), drafter)
    tight = named.ledger.accounts[0].planned + MIB
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        members = (member("editor"), member("verifier", model(7)), drafter)
        found = deployed(*(members[place] for place in order), gpu=tight)
        got = contexts(found)
        assert got["drafter"] == 512
        assert got["editor"] == got["verifier"] == 8192
        assert found.verdict == "fits"
    longer = deployed(member("editor", ctx=8448), member("verifier", model(7), ctx=8448), drafter, gpu=tight)
    assert longer.verdict == "does_not_fit"


def test_a_context_grows_no_further_than_the_model_was_trained() -> None:
    found = deployed(member("editor"), member("drafter", model(4, context=2048)))
    assert contexts(found) == {"editor": 32768, "drafter": 2048}


def test_each_role_s_reach_leaves_the_others_theirs() -> None:
    tight = deployed(member("editor", ctx=4096), member("drafter", model(4), ctx=4096)).ledger.accounts[0].planned
    found = deployed(member("editor", ctx=4096), member("drafter", model(4), ctx=4096), gpu=tight + 64 * MIB)
    reach = {role.role: role.max_ctx_size for role in found.roles}
    assert 4096 < reach["editor"] < reach["drafter"]
    for editor, holds in ((reach["editor"], True), (reach["editor"] + 256, False)):
        other = deployed(member("editor", ctx=editor), member("drafter", model(4), ctx=4096), gpu=tight + 64 * MIB)
        assert other.holds is holds


def test_a_pinned_role_takes_no_gpu_memory() -> None:
    found = deployed(member("editor", ctx=4096), member("drafter", model(4), ctx=4096, on_host=True))
    gpu, host = found.ledger.accounts
    assert {entry.role for entry in gpu.entries} == {"editor"}
    assert any(entry.role == "drafter" and entry.what == "kv_cache" for entry in host.entries)
    assert found.verdict == "fits"
    assert found.roles[1].settings.n_gpu_layers == 0


def test_several_roles_are_not_split_unless_they_say_so() -> None:
    whole = deployed(member("editor", ctx=4096), member("drafter", model(4), ctx=4096)).ledger.accounts[0].planned
    found = deployed(member("editor", ctx=4096), member("drafter", model(4), ctx=4096), gpu=whole - 10 * MIB)
    assert found.verdict == "does_not_fit"
    asked = member("drafter", model(4), ctx=4096, given=frozenset({"n_gpu_layers"}))
    found = deployed(member("editor", ctx=4096), asked, gpu=whole - 10 * MIB)
    assert found.verdict == "fits_with_offload"
    assert found.roles[0].settings.n_gpu_layers == BLOCKS + 1
    assert 0 < found.roles[1].settings.n_gpu_layers <= 4


def test_a_role_elsewhere_takes_nothing_and_is_there() -> None:
    found = deployed(member("editor"), remotes=[Remote("architect", "claude", "anthropic", 200_000)])
    architect = found.roles[-1]
    assert (architect.role, architect.model.source, architect.engine) == ("architect", "cloud", "anthropic")
    assert architect.model.file_bytes == architect.settings.n_ctx == 0
    assert [a.planned for a in found.ledger.accounts] == [a.planned for a in deployed(member("editor")).ledger.accounts]


def test_a_deployment_in_the_cloud_fits_everywhere() -> None:
    found = deployed(remotes=[Remote("editor", "gpt", "openai")], gpu=None)
    assert found.verdict == "fits"
    assert sum(account.planned for account in found.ledger.accounts) == 0


def test_the_json_contract_holds() -> None:
    schema = json.loads((files("aidx") / "data" / "schemas" / "plan.json").read_text())
    validator = jsonschema_rs.validator_for(schema)
    for gpu in (None, 200 * MIB, 8 * GIB):
        found = deployed(
            member("editor"), member("drafter", ctx=512), gpu=gpu, remotes=[Remote("architect", "c", "openai")]
        )
        validator.validate(json.loads(json.dumps(as_json(found))))


def change(found, start):
    return next(other for other in found.alternatives if other.change.startswith(start))


def test_the_role_that_the_gpu_is_not_for_goes_to_the_host_first() -> None:
    members = (member("verifier", ctx=4096), member("drafter", model(6), ctx=4096))
    need = deployed(*members).ledger.accounts[0].planned
    found = deployed(*members, gpu=need - 200 * MIB)
    assert found.verdict == "does_not_fit"
    assert found.alternatives[0].change == '[roles.drafter] device = "host"'
    after = deployed(members[0], replace(members[1], on_host=True), gpu=need - 200 * MIB)
    assert after.holds
    saved = found.ledger.accounts[0].planned - after.ledger.accounts[0].planned
    assert found.alternatives[0].saves_bytes == saved


def test_one_model_for_two_roles_is_a_way_out() -> None:
    verifier = member("verifier", ctx=4096, asked={"model": "big", "ctx_size": 4096})
    drafter = member("drafter", model(6), ctx=2048, asked={"model": "small", "ctx_size": 2048})
    need = deployed(verifier, drafter).ledger.accounts[0].planned
    found = deployed(verifier, drafter, gpu=need - 200 * MIB)
    shared = change(found, '[roles.drafter] model = "big", ctx_size = 4096')
    after = deployed(verifier, replace(verifier, role="drafter"), gpu=need - 200 * MIB)
    assert after.holds
    assert shared.saves_bytes == found.ledger.accounts[0].planned - after.ledger.accounts[0].planned
    assert "share it: slower" in shared.cost


def test_a_role_with_keys_of_its_own_cannot_simply_take_another_s_model() -> None:
    verifier = member("verifier", ctx=4096, asked={"model": "big"})
    drafter = member("drafter", model(6), ctx=2048, asked={"model": "small", "parallel": 2})
    found = deployed(verifier, drafter, gpu=600 * MIB)
    assert not any("[roles.drafter] model" in other.change for other in found.alternatives)


def test_a_little_too_much_is_settled_by_the_cache() -> None:
    members = (member("editor", ctx=8192), member("drafter", model(4), ctx=8192))
    need = deployed(*members).ledger.accounts[0].planned
    found = deployed(*members, gpu=need - 10 * MIB)
    assert found.alternatives[0].change == '[roles.editor] cache_type_k = "q8_0", cache_type_v = "q8_0"'
    shorter = change(found, "[roles.editor] ctx_size = ")
    tokens = int(shorter.change.split()[-1])
    assert deployed(member("editor", ctx=tokens), members[1], gpu=need - 10 * MIB).holds
    assert not deployed(member("editor", ctx=tokens + 256), members[1], gpu=need - 10 * MIB).holds


def test_one_role_keeps_fewer_prompts_where_the_host_is_short() -> None:
    members = [
        member(role, spec, ctx=1024, cache_ram=GIB) for role, spec in (("editor", model()), ("drafter", model(4)))
    ]
    ram = deployed(*members).ledger.account("host").planned - 100 * MIB - 1
    found = deployed(*members, ram=ram)
    first, second = found.alternatives[:2]
    assert first.change == "[roles.drafter] cache_ram = 923"
    assert second.change == "[roles.editor] cache_ram = 923"
    assert first.cost == "fewer prompts kept"
    for left, holds in ((923, True), (924, False)):
        drafter = replace(members[1], need=replace(members[1].need, cache_ram=left * MIB))
        assert deployed(members[0], drafter, ram=ram).holds is holds


def test_several_roles_keep_fewer_prompts_where_one_alone_is_not_enough() -> None:
    members = [
        member(role, spec, ctx=1024, cache_ram=GIB) for role, spec in (("editor", model()), ("drafter", model(4)))
    ]
    ram = deployed(*members).ledger.account("host").planned - 1100 * MIB
    found = deployed(*members, ram=ram)
    together, *alone = found.alternatives
    assert together.change == "[roles.drafter] cache_ram = 0 and [roles.editor] cache_ram = 948"
    assert together.saves_bytes == 1100 * MIB
    assert change(found, "[roles.drafter] cache_ram = 0").cost == together.cost
    assert [other.cost for other in alone if "cache_ram" in other.change] == ["no prompts kept; not enough alone"] * 2


@pytest.mark.parametrize("given", [frozenset(), frozenset({"cache_ram", "ctx_checkpoints"})])
def test_what_ollama_keeps_is_made_less_where_its_settings_stand(given) -> None:
    keys = {"cache_ram": GIB, "ctx_checkpoints": 4, "engine": "ollama", "given": given}
    editor = member("editor", windowed(512), ctx=1024, **keys)
    host = deployed(editor).ledger.account("host")
    found = deployed(editor, ram=host.planned - host.sum("prompt_cache"))
    own, key = "LLAMA_ARG_CACHE_RAM=0", "[roles.editor] cache_ram = 0"
    assert found.alternatives[0].change == (key if given else own)
    assert found.alternatives[1].change.startswith("[roles.editor] ctx" if given else "LLAMA_ARG_CTX_CHECKPOINTS=0")


def test_where_no_single_change_is_enough_roles_go_to_the_host_together() -> None:
    members = tuple(
        member(role, spec, ctx=1024)
        for role, spec in (("editor", model()), ("drafter", model(7)), ("researcher", model(6)))
    )
    alone = deployed(members[0]).ledger.accounts[0].planned
    found = deployed(*members, gpu=alone + MIB)
    together = found.alternatives[0]
    assert together.change == '[roles.researcher] device = "host" and [roles.drafter] device = "host"'
    assert deployed(members[0], *(replace(each, on_host=True) for each in members[1:]), gpu=alone + MIB).holds


def test_ways_out_that_are_enough_come_first() -> None:
    members = (member("editor", ctx=8192), member("drafter", model(6), ctx=8192))
    found = deployed(*members, gpu=deployed(*members).ledger.accounts[0].planned - 200 * MIB)
    enough = [not other.cost.endswith("alone") for other in found.alternatives]
    assert enough == sorted(enough, reverse=True)
    assert True in enough


def test_the_bound_of_the_cache_shortens_a_context_that_is_free() -> None:
    token = BLOCKS * 2 * 4 * 64 * 2  # bytes of K and V in f16
    found = deployed(member("editor", max_kv=1000 * token))
    assert contexts(found) == {"editor": 768}  # the longest multiple of 256 below 1,000 tokens
    assert found.roles[0].max_ctx_size == 768


def test_the_bound_of_the_cache_is_broken_by_a_context_that_is_named() -> None:
    token = BLOCKS * 2 * 4 * 64 * 2
    found = deployed(member("editor", ctx=4096, max_kv=1000 * token))
    assert found.verdict == "does_not_fit"
    assert found.ledger.holds
    assert "over [pipeline] max_kv" in found.binding
    assert change(found, "[roles.editor] ctx_size = 768")


def test_a_gate_gets_its_room_and_one_that_cannot_have_it_is_refused() -> None:
    found = deployed(member("editor", at_least=9000), gpu=None, ram=64 * GIB)
    assert contexts(found)["editor"] >= 9000
    with pytest.raises(InputError, match=r"roles\.editor: gate and max_tokens take 9,000 tokens of a context of 8,192"):
        deployed(member("editor", ctx=8192, at_least=9000))


def test_settings_that_no_engine_takes_name_their_role() -> None:
    with pytest.raises(InputError, match=r"roles\.drafter: unknown cache type 'q9'"):
        deployed(member("editor"), member("drafter", cache_type_k="q9"))


def test_without_the_engine_the_plan_says_so_once() -> None:
    found = deployed(member("editor", ctx=512), member("drafter", model(4), ctx=512), answer=silent)
    assert found.notes == ("the engine was not asked (no engine here): compute is modelled",)


def test_a_part_is_what_one_engine_is_started_with() -> None:
    found = deployed(
        member("editor", ctx=1024),
        member("drafter", ctx=1024),
        member("researcher", model(4), ctx=512),
        remotes=[Remote("architect", "c", "openai")],
    )
    for role, owner in (("editor", "editor"), ("drafter", "editor"), ("researcher", "researcher")):
        mine = part(found, role)
        assert [each.role for each in mine.roles] == [role]
        assert {entry.role for account in mine.ledger.accounts for entry in account.entries} == {owner}
        assert mine.holds
    assert part(found, "editor").plan_hash != part(found, "researcher").plan_hash != found.plan_hash


def test_the_hash_names_every_role() -> None:
    one = deployed(member("editor", ctx=1024), member("drafter", model(4), ctx=512))
    same = deployed(member("editor", ctx=1024), member("drafter", model(4), ctx=512))
    other = deployed(member("editor", ctx=1024), member("researcher", model(4), ctx=512))
    assert one.plan_hash == same.plan_hash != other.plan_hash


def test_what_others_use_is_counted_once() -> None:
    busy = replace(machine(8 * GIB), gpus=(Device("gpu0", "gpu", 8 * GIB, used=GIB, used_why="a game"),))
    found, _ = drive(deploy((member("editor", ctx=512), member("drafter", model(4), ctx=512)), busy), engine())
    gpu = found.ledger.accounts[0]
    assert [entry.bytes for entry in gpu.entries if entry.what == "desktop"] == [GIB]
    assert gpu.usable == 7 * GIB
