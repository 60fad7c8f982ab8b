"""What is derived from a plan: ways out, equations, the JSON contract, the checklist."""

import json
import re
from importlib.resources import files

import jsonschema_rs
import pytest
from msgspec.structs import replace

from aidx.model.spec import ModelSpec
from aidx.plan.article import Evidence, claims, judge
from aidx.plan.beside import Beside
from aidx.plan.checklist import as_json as checklist_json
from aidx.plan.checklist import checklist
from aidx.plan.contract import as_json
from aidx.plan.explain import explain
from aidx.plan.make import plan
from aidx.plan.need import Need
from aidx.plan.result import Alternative, Plan
from tests.unit.plan.worlds import BLOCKS, MIB, drive, engine, machine, model, windowed

GIB = 1 << 30


def made(need: Need, gpu: int | None, **world) -> Plan:
    return drive(plan(model(**world), need, machine(gpu)), engine())[0]


def lacking(need: Need, missing: int) -> int:
    """A GPU *missing* bytes too small for *need*, whatever the compute model says this year."""
    return made(need, 64 * GIB).ledger.accounts[0].planned - missing


def schema(name: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(json.loads((files("aidx") / "data" / "schemas" / f"{name}.json").read_text()))


@pytest.mark.parametrize("gpu", [None, 64 * MIB, 250 * MIB, 8 * GIB])
@pytest.mark.parametrize("tokens", [None, "max", 300, 65536])
def test_every_plan_keeps_the_json_contract(gpu, tokens) -> None:
    found = as_json(made(Need(ctx_size=tokens), gpu))
    schema("plan").validate(json.loads(json.dumps(found)))


def test_each_way_out_saves_what_it_says_and_reaches_what_it_says() -> None:
    need = Need(ctx_size=16384, n_gpu_layers="all", fast=True)
    gpu = lacking(need, 20 * MIB)
    tight = made(need, gpu)
    assert tight.verdict == "does_not_fit"
    changes = {other.change: other for other in tight.alternatives}
    q8 = changes["--cache-type-k q8_0 --cache-type-v q8_0"]
    after = made(replace(need, cache_type_k="q8_0", cache_type_v="q8_0"), gpu)
    assert q8.saves_bytes == tight.ledger.accounts[0].planned - after.ledger.accounts[0].planned
    assert q8.max_ctx_size == after.roles[0].max_ctx_size
    assert any(change.startswith("--ctx-size") for change in changes)
    assert any(change.startswith("--n-gpu-layers") for change in changes)


def test_ways_out_that_are_enough_come_first() -> None:
    need = Need(ctx_size=16384, n_gpu_layers="all")
    found = made(need, lacking(need, 20 * MIB))
    assert found.verdict == "does_not_fit"
    enough = ["not enough alone" not in other.cost for other in found.alternatives]
    assert enough == sorted(enough, reverse=True)


def test_a_smaller_quantization_is_proposed_where_the_model_can_be_had_in_one() -> None:
    steps = plan(model(), Need(ctx_size=4096, n_gpu_layers="all"), machine(200 * MIB), lambda _: model(kind="q8_0"))
    found, _ = drive(steps, engine())
    assert "--quant Q8_0" in [other.change for other in found.alternatives]


def test_the_equations_add_up() -> None:
    found = made(Need(ctx_size=5000), 8 * GIB)
    text = explain(found)
    for account in found.ledger.accounts:
        sums = [line for line in text if line.endswith(f"= {account.planned:,} B")]
        terms = [int(term.replace(",", "")) for term in re.findall(r"[\d,]+", sums[0].split("=")[1])]
        assert sum(terms) == account.planned
    assert "n_ctx = pad(5000, 256) = 5120 cells" in text
    assert f"layers: {BLOCKS} x 4 KV heads x (64 K + 64 V)" in text


def test_the_checklist_has_six_steps_and_leaves_open_what_nothing_has_proved() -> None:
    found = checklist(made(Need(ctx_size=4096), 8 * GIB), "hand-made -c 4096")
    assert [step.step for step in found.steps] == [1, 2, 3, 4, 5, 6]
    assert [step.status for step in found.steps[4:]] == ["open", "open"]
    assert found.steps[3].status == "ok"
    schema("checklist").validate(json.loads(json.dumps(checklist_json(found))))


def test_the_checklist_fails_the_total_when_it_does_not_hold() -> None:
    found = checklist(made(Need(ctx_size=4096, n_gpu_layers="all"), 200 * MIB), "hand-made")
    assert found.steps[3].status == "failed"


def test_the_component_table_sums_to_the_device() -> None:
    planned = made(Need(ctx_size=4096), 8 * GIB)
    assert sum(row.bytes for row in checklist(planned, "hand-made").budget) == 8 * GIB


@pytest.mark.parametrize(
    ("claimed", "exact", "verdict"),
    [(100, 100, "holds"), (100, 105, "holds"), (200, 100, "conservative"), (50, 100, "optimistic")],
)
def test_a_claim_is_judged_by_what_it_would_do_to_a_budget(claimed, exact, verdict) -> None:
    assert judge(claimed, exact) == verdict


def test_room_left_is_judged_the_other_way_round() -> None:
    assert judge(300, 100, reserve=True) == "optimistic"
    assert judge(100, 300, reserve=True) == "conservative"


def test_the_article_rows_follow_the_plans() -> None:
    def evidence(blocks: int) -> Evidence:
        at = {q: made(Need(ctx_size=2048), 8 * GIB, blocks=blocks) for q in ("F16", "Q8_0", "Q4_K_M", "Q4_0")}
        window = made(Need(ctx_size=8192), 8 * GIB, blocks=blocks)
        return Evidence(at, at["Q4_K_M"], window, window)

    few, many = claims(evidence(4)), claims(evidence(8))
    assert len(few) == len(many) >= 11
    moved = [one.claim for one, two in zip(few, many, strict=True) if one.exact_bytes != two.exact_bytes]
    assert len(moved) >= len(few) - 1


def test_where_no_single_change_is_enough_the_smallest_set_is_proposed_first() -> None:
    need = Need(ctx_size=8192, n_gpu_layers="all")
    small = replace(model(kind="q8_0"), quantization="Q8_0")
    packed = replace(need, cache_type_k="q8_0", cache_type_v="q8_0")

    def at(asked: Need, gpu: int, spec: ModelSpec) -> Plan:
        return drive(plan(spec, asked, machine(gpu, 64 * MIB), lambda _: small), engine())[0]

    gpu = at(packed, 64 * GIB, small).ledger.accounts[0].planned
    found = at(need, gpu, model())
    first = found.alternatives[0]

    assert not at(packed, gpu, model()).ledger.accounts[0].headroom >= 0
    assert not at(need, gpu, small).ledger.accounts[0].headroom >= 0
    assert first.change.split() == ["--cache-type-k", "q8_0", "--cache-type-v", "q8_0", "--quant", "Q8_0"]
    assert "not enough" not in first.cost
    assert first.max_ctx_size >= 8192
    assert all("not enough alone" in other.cost for other in found.alternatives[1:])


def by_change(found: Plan) -> dict[str, Alternative]:
    return {other.change: other for other in found.alternatives}


@pytest.mark.parametrize("chosen", [{}, {"given": frozenset({"cache_ram"})}])
@pytest.mark.parametrize("name", ["embedded", "ollama"])
def test_the_prompt_cache_is_made_as_small_as_the_host_needs_it(name, chosen) -> None:
    need = Need(ctx_size=4096, n_gpu_layers="all", cache_ram=2 * GIB, engine=name, **chosen)
    host = drive(plan(model(), need, machine(8 * GIB)), engine())[0].ledger.account("host").planned
    found, _ = drive(plan(model(), need, machine(8 * GIB, ram=host - GIB - 1)), engine())
    assert found.verdict == "does_not_fit"
    written = "LLAMA_ARG_CACHE_RAM=" if name == "ollama" and not chosen else "--cache-ram "
    assert by_change(found)[f"{written}1023"].cost == "fewer prompts kept"
    for left, holds in ((1023, True), (1024, False)):
        smaller = replace(need, cache_ram=left * MIB)
        assert drive(plan(model(), smaller, machine(8 * GIB, ram=host - GIB - 1)), engine())[0].holds is holds


@pytest.mark.parametrize("chosen", [{}, {"given": frozenset({"ctx_checkpoints"})}])
@pytest.mark.parametrize("name", ["embedded", "ollama"])
def test_of_the_checkpoints_as_many_are_kept_as_the_host_holds(name, chosen) -> None:
    sliding = windowed(512)
    need = Need(ctx_size=4096, parallel=2, n_gpu_layers="all", ctx_checkpoints=32, engine=name, **chosen)
    host = drive(plan(sliding, need, machine(8 * GIB)), engine())[0].ledger.account("host")
    each = host.sum("checkpoints") // 32

    def on_host(need: Need) -> Plan:
        return drive(plan(sliding, need, machine(8 * GIB, ram=host.planned - 10 * each - 1)), engine())[0]

    written = "LLAMA_ARG_CTX_CHECKPOINTS=" if name == "ollama" and not chosen else "--ctx-checkpoints "
    change = by_change(on_host(need))[f"{written}21"]
    assert (change.cost, change.saves_bytes) == ("fewer checkpoints: more of a changed prompt is read again", 11 * each)
    for left, holds in ((21, True), (22, False)):
        assert on_host(replace(need, ctx_checkpoints=left)).holds is holds


def test_where_the_host_lacks_more_than_its_prompt_cache_none_is_kept() -> None:
    need = Need(ctx_size=4096, n_gpu_layers="all", cache_ram=64 * MIB)
    found, _ = drive(plan(model(), need, machine(8 * GIB, ram=MIB)), engine())
    assert by_change(found)["--cache-ram 0 --n-gpu-layers all"].cost == "no prompts kept; not enough alone"


def test_a_prompt_cache_is_not_made_smaller_where_the_gpu_is_what_is_short() -> None:
    need = Need(ctx_size=16384, n_gpu_layers="all", cache_ram=64 * MIB)
    found = made(need, lacking(need, 20 * MIB))
    assert found.verdict == "does_not_fit"
    assert not any("--cache-ram" in change for change in by_change(found))


def test_the_model_alone_is_a_way_out_where_the_draft_model_is_too_much() -> None:
    need, beside = Need(ctx_size=4096, n_gpu_layers="all"), Beside(draft=model(blocks=2))
    alone = made(need, 8 * GIB).ledger.accounts[0].planned
    found, _ = drive(plan(model(), need, machine(alone), beside=beside), engine())
    assert found.verdict == "does_not_fit"
    way = by_change(found)["leave out --model-draft"]
    assert way.cost == "slower: nothing is guessed ahead"
    assert way.saves_bytes == found.ledger.accounts[0].planned - alone
    assert way.max_ctx_size == made(need, alone).roles[0].max_ctx_size
    roomy, _ = drive(plan(model(), need, machine(8 * GIB), beside=beside), engine())
    assert "leave out --model-draft" not in by_change(roomy)


def test_what_is_left_out_is_said_to_be_and_not_to_be_added() -> None:
    need = Need(ctx_size=16384, n_gpu_layers="all", swa_full=True)
    sliding = windowed(512)

    def at(gpu: int) -> Plan:
        return drive(plan(sliding, need, machine(gpu)), engine())[0]

    tight = at(at(64 * GIB).ledger.accounts[0].planned - MIB)
    assert "leave out --swa-full" in by_change(tight)
    narrow = by_change(at(60 * MIB))
    assert "--n-gpu-layers all, leave out --swa-full" in narrow
    assert not any("--no-swa-full" in change for change in narrow)
