from aidx.config.merge import Leaf, Origin, merge
from aidx.config.roles import roles
from aidx.plan.need import Need

HERE = Origin("project", "aidx.toml")


def configured(flags=None, **keys):
    """The roles of a file; each key as ``editor__model``, or ``pipeline__max_kv``."""
    leaves = []
    for name, value in keys.items():
        first, rest = name.split("__")
        leaves.append(Leaf((first, rest) if first == "pipeline" else ("roles", first, rest), value, HERE))
    return roles(merge([leaves]), flags or Need())


def test_a_role_s_own_settings_become_a_need() -> None:
    found = configured(
        editor__model="m", editor__ctx_size=4096, editor__cache_ram=8, editor__quant="Q8_0", editor__device="host"
    )
    (editor,) = found.here
    assert editor.need == Need(
        engine="auto", ctx_size=4096, cache_ram=8 << 20, given=frozenset({"ctx_size", "cache_ram"})
    )
    assert (editor.reference, editor.quant, editor.on_host) == ("m", "Q8_0", True)
    assert editor.asked == {"model": "m", "ctx_size": 4096, "cache_ram": 8, "quant": "Q8_0"}


def test_a_flag_counts_for_every_role_that_runs_here() -> None:
    flags = Need(ctx_size=512, engine="ollama", given=frozenset({"ctx_size", "engine"}))
    found = configured(flags, editor__model="m", editor__ctx_size=4096, editor__engine="embedded", drafter__model="n")
    assert [(role.need.ctx_size, role.need.engine) for role in found.here] == [(512, "ollama")] * 2


def test_a_gate_needs_its_own_room_and_that_of_the_answer() -> None:
    found = configured(
        editor__model="m", editor__gate=4096, drafter__model="m", drafter__gate=100, drafter__max_tokens=50
    )
    assert [role.at_least for role in found.here] == [4096 + 1024, 150]


def test_the_bound_of_the_pipeline_is_the_editor_s() -> None:
    found = configured(editor__model="m", drafter__model="m", pipeline__max_kv=1 << 30)
    assert [role.max_kv for role in found.here] == [1 << 30, None]


def test_what_runs_elsewhere_takes_no_room() -> None:
    found = configured(
        architect__model="a",
        architect__engine="anthropic",
        editor__model="b",
        editor__engine="ollama",
        editor__url="http://10.0.0.7:11434",
        drafter__model="c",
        drafter__engine="ollama",
        drafter__url="http://127.0.0.1:11434",
        verifier__model="d",
        thinking__pattern="cascade",
    )
    assert [role.role for role in found.here] == ["drafter", "verifier"]
    assert [(role, table.model) for role, table in found.others] == [("editor", "b"), ("architect", "a")]
    assert found.notes == ("thinking is answered by the cascade of drafter and verifier",)
