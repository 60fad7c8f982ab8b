"""The six steps: of one model, and of several roles on the same devices."""

import pytest
from msgspec.structs import replace

from aidx.plan.checklist import checklist
from aidx.plan.deployment.members import Member, Remote
from aidx.plan.deployment.plan import deploy
from aidx.plan.enforced import Enforced, answering, counts, model_key
from aidx.plan.make import plan
from aidx.plan.need import Need
from aidx.plan.proven import Proven, provable
from tests.unit.plan.worlds import MIB, drive, engine, machine, model

GIB = 1 << 30


def sized(parameters, quantization="Q4_K_M", blocks=8):
    """The hand-made model with so many *parameters* by its tensors, of which one is not loaded."""
    spec = replace(model(blocks), quantization=quantization)
    rest = parameters - spec.parameters
    extra = replace(spec.tensors[0], name=f"blk.{blocks + 9}.rest.weight", shape=(rest,))
    return replace(spec, header=replace(spec.header, tensors=(*spec.tensors, extra)))


def single(spec, ctx=4096, gpu=8 * GIB):
    return drive(plan(spec, Need(ctx_size=ctx, n_gpu_layers="all"), machine(gpu)), engine())[0]


def several(*members, gpu=8 * GIB, remotes=()):
    return drive(deploy(members, machine(gpu), remotes), engine())[0]


def status(found):
    return [step.status for step in found.steps]


@pytest.mark.parametrize(
    ("parameters", "suits"),
    [(6_480_000_000, "failed"), (6_740_000_000, "ok"), (14_770_000_000, "ok"), (32_000_000_000, "ok")],
)
def test_an_editor_has_seven_billion_parameters_and_more_are_said(parameters, suits) -> None:
    step = checklist(single(sized(parameters)), "m").steps[0]
    assert step.status == suits
    assert f"{parameters / 1e9:.2f}B" in step.proof
    assert ("above the tier's" in step.proof) == (parameters > 16e9)


@pytest.mark.parametrize(("kind", "expected"), [("Q4_K_M", "ok"), ("Q8_0", "ok"), ("F16", "open"), ("BF16", "open")])
def test_weights_in_sixteen_bits_are_not_quantized_yet(kind, expected) -> None:
    step = checklist(single(sized(7 * 10**9, kind)), "m -c 4096").steps[1]
    assert step.status == expected
    assert step.command == "aidx plan m -c 4096" + (" --quant Q4_K_M" if expected == "open" else "")


def test_the_way_to_smaller_weights_can_be_typed() -> None:
    wide = single(sized(7 * 10**9, "F16"))
    asked = checklist(wide, "'my model' --quant F16 -c 4096").steps[1].command
    assert asked == "aidx plan 'my model' -c 4096 --quant Q4_K_M"  # two types would contradict each other
    role = wide.roles[0]
    here = replace(wide, roles=(replace(role, model=replace(role.model, name="m-f16.gguf", path="a b/m-f16.gguf")),))
    asked = checklist(here, "'a b/m-f16.gguf' -c 4096").steps[1].command
    assert asked == "aidx quantize 'a b/m-f16.gguf' m-f16-Q4_K_M.gguf --to Q4_K_M"  # a file has its type already


def test_what_does_not_hold_fails_its_steps() -> None:
    found = checklist(single(sized(7 * 10**9), gpu=100 * MIB), "m")
    assert status(found) == ["ok", "ok", "failed", "failed", "open", "open"]


def test_each_role_has_its_proof_and_its_row() -> None:
    members = (
        Member("drafter", sized(7 * 10**9, blocks=4), Need(ctx_size=2048), on_host=True),
        Member("verifier", sized(14 * 10**9), Need(ctx_size=4096)),
    )
    found = checklist(
        several(*members, remotes=[Remote("architect", "claude", "anthropic")]), "", gates={"verifier": 2048}
    )
    assert status(found) == ["ok", "ok", "ok", "ok", "open", "open"]
    assert "gate 2,048 tokens" in found.steps[2].proof
    assert found.steps[4].command == ("aidx ask 'Is water wet?' --role verifier --schema builtins:bool --strict")
    names = [row.component for row in found.budget]
    assert "gpu0: Model weights, verifier" in names
    assert "host: Model weights, drafter" in names
    for device, size in (("gpu0", 8 * GIB), ("host", 64 * GIB)):
        assert sum(row.bytes for row in found.budget if row.component.startswith(device)) == size


def test_roles_that_share_a_process_are_not_counted_twice() -> None:
    same = sized(7 * 10**9)
    found = several(Member("drafter", same, Need(ctx_size=2048)), Member("verifier", same, Need(ctx_size=2048)))
    step = checklist(found, "").steps[2]
    assert "verifier: 2,048 cells shared with another role" in step.proof
    assert [row.component for row in checklist(found, "").budget][:2] == ["Model weights, drafter", "KV cache, drafter"]


def test_without_an_editor_the_first_step_stays_open() -> None:
    found = checklist(several(Member("researcher", sized(10**9), Need(ctx_size=512))), "")
    assert status(found)[0] == "open"
    assert "(researcher)" in found.steps[0].proof


def test_a_cloud_editor_is_an_editor() -> None:
    found = checklist(several(remotes=[Remote("editor", "gpt", "openai")]), "")
    assert status(found) == ["ok", "ok", "ok", "ok", "open", "open"]
    assert found.steps[0].proof == "editor: gpt through openai, 0 bytes here"


@pytest.mark.parametrize(
    ("verdict", "status_of_six", "words"),
    [
        ("HOLDS", "ok", "held on 2026-11-28: peak 1 of 2"),
        ("DOES_NOT_HOLD", "failed", "did not hold on 2026-11-28: peak 1 of 2"),
        ("NOT_PROVEN", "open", "not proven on 2026-11-28: peak 1 of 2"),
    ],
)
def test_the_sixth_step_is_what_a_proof_of_this_plan_said(verdict, status_of_six, words) -> None:
    plan = several(Member("editor", sized(8 * 10**9), Need(ctx_size=512)))
    found = checklist(plan, "", proofs={"editor": Proven(verdict, "peak 1 of 2", "2026-11-28", "a build")})
    assert (found.steps[5].status, found.steps[5].proof) == (status_of_six, f"editor: {words}")
    assert ("measured on 2026-11-28" in found.steps[3].proof) == (verdict == "HOLDS")
    assert found.steps[3].status == "ok"


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (("HOLDS", "HOLDS"), "ok"),
        (("HOLDS", None), "open"),
        (("HOLDS", "NOT_PROVEN"), "open"),
        (("DOES_NOT_HOLD", None), "failed"),
    ],
)
def test_a_deployment_is_proved_when_each_of_its_processes_is(verdicts, expected) -> None:
    members = (Member("drafter", sized(7 * 10**9), Need(ctx_size=512)), Member("editor", sized(8 * 10**9), Need()))
    found = {
        role: None if verdict is None else Proven(verdict, "why", "2026-11-28", "a build")
        for role, verdict in zip(("drafter", "editor"), verdicts, strict=True)
    }
    steps = checklist(several(*members), "--config my.toml", proofs=found).steps
    assert (steps[5].status, steps[5].command) == (expected, "aidx stress --config my.toml")
    assert ("measured on" in steps[3].proof) == (expected == "ok")
    assert ("editor: no proof so far" in steps[5].proof) == (verdicts[1] is None)
    vectors = Member("embedder", sized(10**9), Need(ctx_size=512))
    last = checklist(several(*members, vectors), "", proofs=found).steps[5]
    assert last.proof.endswith("; embedder makes vectors and is not loaded")


def test_each_process_is_proved_and_no_role_twice() -> None:
    same = sized(7 * 10**9)
    members = [
        Member("drafter", same, Need(ctx_size=2048)),
        Member("verifier", same, Need(ctx_size=2048)),
        Member("gatekeeper", sized(10**9), Need(ctx_size=512)),
        Member("embedder", sized(10**9), Need(ctx_size=512)),
    ]
    whole = several(*members, remotes=[Remote("architect", "claude", "anthropic")])
    parts = list(provable(whole))
    assert [part.roles[0].role for part in parts] == ["drafter", "gatekeeper"]
    assert len({part.plan_hash for part in parts} | {whole.plan_hash}) == 3
    alone = single(same)
    assert list(provable(alone)) == [alone]


def test_an_answer_by_a_grammar_is_what_the_fifth_step_needs() -> None:
    plan = several(
        Member("gatekeeper", sized(10**9), Need(ctx_size=512)), remotes=[Remote("editor", "claude", "anthropic")]
    )
    open_step = checklist(plan, "--config my.toml").steps[4]
    asked = "aidx ask 'Is water wet?' --role gatekeeper --config my.toml --schema builtins:bool --strict"
    assert (open_step.status, open_step.command) == ("open", asked)
    found = checklist(plan, "", enforced=Enforced("2026-11-28", "embedded")).steps[4]
    assert found.status == "ok"
    assert found.proof.startswith("gatekeeper: ")
    assert found.proof.endswith("answered by its grammar on 2026-11-28, through embedded")


def test_who_answers_is_who_edits_if_there_is_one() -> None:
    tiny = sized(10**9)
    roles = [Member(role, tiny, Need(ctx_size=512)) for role in ("embedder", "gatekeeper", "drafter")]
    assert answering(several(*roles)).role == "drafter"
    assert answering(several(*roles[:2], remotes=[Remote("editor", "gpt", "openai")])).role == "gatekeeper"
    assert answering(several(roles[0], remotes=[Remote("editor", "gpt", "openai")])).role == "editor"
    assert answering(several(roles[0])) is None
    assert "--role" not in checklist(several(roles[0]), "").steps[4].command


def test_what_an_engine_enforced_counts_for_that_engine() -> None:
    role = single(sized(7 * 10**9)).roles[0]
    other = Enforced("2026-11-28", "llama-server")
    assert counts(None, role) is None
    assert counts(other, replace(role, auto=False)) is None
    assert counts(other, replace(role, auto=True)) == other
    assert counts(Enforced("2026-11-28", role.engine), replace(role, auto=False)) is not None
    assert model_key(role) != model_key(replace(role, model=replace(role.model, quantization="Q8_0")))


def test_without_a_proof_it_stays_open() -> None:
    plan = several(Member("editor", sized(8 * 10**9), Need(ctx_size=512)))
    assert checklist(plan, "").steps[5].proof == f"no stress proof for plan {plan.plan_hash}"
