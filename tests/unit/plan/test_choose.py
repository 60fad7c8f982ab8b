"""Choices: what holds, what betters what, what is right for a role."""

import json
from importlib.resources import files

import jsonschema_rs
import pytest
from msgspec.structs import replace

from aidx.budget.allocate import allocate
from aidx.errors import InputError
from aidx.model.catalogue import Cloud, Standing
from aidx.plan.choice import Candidate, Terms
from aidx.plan.choose import choose
from aidx.plan.chosen import as_json, plan_command
from aidx.plan.devices import Device
from aidx.plan.make import plan
from aidx.plan.need import Need
from aidx.plan.rank import front
from aidx.plan.roles import ROLES
from aidx.plan.speed import Pace, Timing
from tests.unit.plan.worlds import MIB, drive, engine, machine, model, silent

GIB = 1 << 30
AT_4K = Need(ctx_size=4096)
KINDS = {"F16": "f16", "Q8_0": "q8_0", "Q4_0": "q4_0"}


def standing(adherence="agentic", tier="editor", reason=""):
    return Standing(tier, "made up", adherence, "model card: made up", reason)


def candidate(name="one", blocks=8, *, experts=False, parameters=7_000_000_000, **stands):
    def build(quant):
        made = model(blocks, experts=experts, kind=KINDS[quant])
        return replace(made, name=name, quantization=quant)

    # A hand-made model has far fewer parameters than a role asks for: its file is what counts for memory.
    return Candidate(name, standing(**stands), parameters, tuple(KINDS), build, path=f"{name}.gguf")


CLOUDS = (
    Cloud("far", "somebody", (), 200_000, standing("agentic", "architect")),
    Cloud("short", "somebody", (), 2_000, standing("agentic", "architect")),
    Cloud("doubter", "somebody", (), None, standing("thinking", "thinking")),
)


def chosen(candidates, gpu=4 * GIB, ram=64 * GIB, answer=None, pace=None, **wish):
    asked = Terms(**({"need": AT_4K} | wish))
    return drive(choose(candidates, asked, machine(gpu, ram), pace or Pace()), answer or engine())


def ways(found):
    return [(choice.model, choice.quantization, choice.cache_type_k) for choice in found.choices]


def test_every_choice_holds_as_a_plan_says_and_reaches_what_it_says():
    found, _ = chosen([candidate(), candidate("two", 24)], gpu=700 * MIB, every=True)
    assert len(found.choices) >= 4
    for choice in found.choices:
        need = Need(
            ctx_size=4096,
            cache_type_k=choice.cache_type_k,
            cache_type_v=choice.cache_type_v,
            n_gpu_layers=choice.settings.n_gpu_layers,
        )
        made = candidate(choice.model, 8 if choice.model == "one" else 24).build(choice.quantization)
        planned, _ = drive(plan(made, need, machine(700 * MIB)), engine())
        account = planned.ledger.accounts[0]
        assert planned.ledger.holds
        assert (choice.planned_bytes, choice.headroom_bytes) == (account.planned, account.headroom)
        assert choice.max_ctx_size == planned.roles[0].max_ctx_size >= 4096


def test_what_is_shown_is_as_the_engine_says():
    with_engine, asked = chosen([candidate()], answer=engine(3 * MIB))
    alone, silent_asked = chosen([candidate()], need=replace(AT_4K, fast=True), answer=silent)

    assert asked > 0
    assert silent_asked == 0
    assert ways(with_engine) == ways(alone)
    for one, other in zip(with_engine.choices, alone.choices, strict=True):
        assert other.planned_bytes - one.planned_bytes == 3 * MIB


def test_without_an_engine_the_first_note_says_so():
    found, asked = chosen([candidate()], answer=silent)

    assert asked == 1
    assert found.notes == ("the engine was not asked (no engine here): compute is modelled",)


def test_nothing_on_the_list_is_bettered_by_another_way_of_its_model():
    found, _ = chosen([candidate(), candidate("two", 12)], every=True, gpu=500 * MIB)

    def figures(choice):
        return (choice.loss.kld_high, choice.planned_bytes, -choice.max_ctx_size, -choice.speed.tokens_per_second)

    for one in found.choices:
        rest = (other for other in found.choices if other is not one and other.model == one.model)
        assert not any(all(a <= b for a, b in zip(figures(other), figures(one), strict=True)) for other in rest)


def test_the_front_keeps_what_is_best_in_something_and_the_first_of_equals():
    items = [("a", (1, 5)), ("a", (2, 2)), ("a", (2, 3)), ("b", (9, 9)), ("a", (1, 5))]

    assert front(items, lambda item: item[1], lambda item: item[0]) == [items[0], items[1], items[3]]


def test_one_line_for_each_model_unless_all_are_asked_for():
    three = [candidate(name) for name in ("one", "two", "three")]

    assert len({choice.model for choice in chosen(three)[0].choices}) == len(chosen(three)[0].choices) == 3
    assert len(chosen(three, every=True)[0].choices) == chosen(three)[0].better
    assert len(chosen(three[:1])[0].choices) == chosen(three[:1])[0].better > 1


def test_a_role_takes_the_right_class_and_says_why_the_others_are_wrong():
    several = [
        candidate("agent"),
        candidate("plain", adherence="general"),
        candidate("coder", adherence="general", reason="trained for code"),
        candidate("doubter", adherence="thinking"),
        candidate("nobody", adherence="unknown"),
        candidate("small", parameters=3_000_000_000),
    ]
    found, _ = chosen(several, role=ROLES["editor"])
    everything, _ = chosen(several, role=ROLES["editor"], every=True)
    wrong = {name: judged.why for name, judged in found.unsuited}

    assert [choice.model for choice in found.choices] == ["agent", "coder"]
    assert set(wrong) == {"plain", "doubter", "nobody", "small"}
    assert "big enough, but of the wrong class" in wrong["plain"]
    assert "a thinking model checks a plan" in wrong["doubter"]
    assert "unknown" in wrong["nobody"]
    assert "too small" in wrong["small"]
    assert {choice.model for choice in everything.choices} == {one.name for one in several}
    suited = [choice.suits.suits for choice in everything.choices]
    assert suited == sorted(suited, reverse=True)


def test_models_of_the_cloud_take_nothing_and_only_roles_of_the_cloud():
    planner = candidate("local", parameters=70_000_000_000)
    found, _ = chosen([planner], role=ROLES["architect"], clouds=CLOUDS)
    editor, _ = chosen([planner], role=ROLES["editor"], clouds=CLOUDS)
    thinking, _ = chosen([planner], role=ROLES["thinking"], clouds=CLOUDS)

    assert found.choices[0].model == "far"
    assert found.choices[0].planned_bytes == 0
    assert "short" not in [choice.model for choice in found.choices]  # its context is shorter than what is asked
    assert all(choice.quantization != "cloud" for choice in editor.choices)
    assert thinking.choices[0].model == "doubter"
    assert all(choice.quantization != "cloud" for choice in chosen([planner], clouds=CLOUDS)[0].choices)


def test_bounds_on_loss_and_speed_are_kept():
    all_ways, _ = chosen([candidate()], every=True)
    quiet, _ = chosen([candidate()], every=True, max_loss=0.005)
    fast = max(choice.speed.tokens_per_second for choice in all_ways.choices)
    quick, _ = chosen([candidate()], every=True, min_tps=fast)

    assert {choice.quantization for choice in quiet.choices} < {choice.quantization for choice in all_ways.choices}
    assert all(choice.loss.kld_high <= 0.005 for choice in quiet.choices)
    assert [choice.speed.tokens_per_second for choice in quick.choices] == [fast]


def test_where_nothing_holds_the_nearest_is_named():
    found, _ = chosen([candidate("small"), candidate("large", 64)], gpu=None, ram=100 * MIB)

    assert found.choices == ()
    assert (found.nearest.model, found.nearest.quantization) == ("small", "Q4_0")
    entries = allocate(candidate().build("Q4_0"), replace_q8(), gpus=0)["host"]
    assert found.nearest.lacks == sum(entry.bytes for entry in entries) - 100 * MIB


def replace_q8():
    steps, _ = chosen([candidate()], gpu=None, every=True)
    return next(one.settings for one in steps.choices if (one.quantization, one.cache_type_k) == ("Q4_0", "q8_0"))


def test_where_all_that_holds_breaks_a_bound_the_nearest_to_it_is_named():
    found, _ = chosen([candidate()], min_tps=1e6)

    assert found.choices == ()
    assert found.nearest.lacks == 0
    assert "tokens/s" in found.nearest.sentence


def test_weights_that_no_device_takes_are_not_built():
    def build(quant):
        raise AssertionError(quant)

    huge = Candidate("huge", standing(), 10**12, ("Q4_0",), build)
    found, _ = chosen([huge], gpu=None, ram=8 * GIB)

    assert found.nearest.model == "huge"
    assert found.nearest.lacks > 400 * GIB


def test_a_context_that_no_model_was_trained_for_is_said_so():
    with pytest.raises(InputError, match="none of 2 models whose weights could be held was trained for 40,000 tokens"):
        chosen([candidate(), candidate("two")], need=Need(ctx_size=40_000))
    assert chosen([candidate()], need=Need(ctx_size=40_000))[0].choices  # one model alone may go beyond


@pytest.mark.parametrize("wrong", [Need(ctx_size="max"), Need(ctx_size=0), Need(cache_type_k="q9_9")])
def test_what_cannot_be_compared_is_refused(wrong):
    with pytest.raises(InputError):
        chosen([candidate()], need=wrong)


def test_a_cache_type_that_a_model_cannot_have_leaves_the_others():
    odd = Terms(need=replace(AT_4K, flash_attn=False)).caches
    found, _ = chosen([candidate()], need=replace(AT_4K, flash_attn=False), every=True)

    assert len(odd) == 2
    assert {choice.cache_type_k for choice in found.choices} == {"f16"}


def test_what_was_measured_here_replaces_what_is_assumed():
    gpu = Device("gpu0", "gpu", 4 * GIB, label="A card")
    here = replace(machine(4 * GIB), gpus=(gpu,), host=Device("host", "host", 64 * GIB, used=GIB))
    asked = []
    first, _ = drive(choose([candidate()], Terms(AT_4K), here, Pace(measured=asked.append)), engine())
    known = {key: Timing(100, 42.0) for key in asked if "| Q8_0 |" in key}
    second, _ = drive(choose([candidate()], Terms(AT_4K), here, Pace(measured=known.get)), engine())
    speeds = {choice.quantization: choice.speed for choice in second.choices}

    assert {choice.speed.grade for choice in first.choices} == {"assumed"}
    assert (speeds["Q8_0"].tokens_per_second, speeds["Q8_0"].grade) == (42.0, "measured")
    assert speeds["Q4_0"].grade == "assumed"


def schema(name):
    return jsonschema_rs.validator_for(json.loads((files("aidx") / "data" / "schemas" / f"{name}.json").read_text()))


@pytest.mark.parametrize("gpu", [None, 300 * MIB, 8 * GIB])
@pytest.mark.parametrize("role", [None, "editor", "architect", "thinking"])
@pytest.mark.parametrize("ram", [64 * GIB, 64 * MIB])
def test_every_list_keeps_the_json_contract(gpu, role, ram):
    several = [candidate(), candidate("two", adherence="thinking", parameters=70_000_000_000)]
    found, _ = chosen(several, gpu=gpu, ram=ram, role=role and ROLES[role], clouds=CLOUDS)
    made = json.loads(json.dumps(as_json(found)))

    schema("choose").validate(made)
    assert bool(made["choices"]) != ("nearest" in made)


def test_the_command_of_a_choice_plans_it():
    found, _ = chosen([candidate()], every=True)
    q8 = next(choice for choice in found.choices if choice.cache_type_k == "q8_0")
    named = replace(q8, path=None)

    assert plan_command(q8, "--vram 4GiB").startswith("aidx plan one.gguf -c 4096 -ctk q8_0 -ctv q8_0 --vram 4GiB")
    assert plan_command(named, "") == f"aidx plan one --quant {q8.quantization} -c 4096 -ctk q8_0 -ctv q8_0"
