import pytest

from aidx.config.environment import from_environment
from aidx.config.merge import DEFAULT, Leaf, Origin, merge
from aidx.errors import InputError


def layer(kind, where="there", **roles):
    """The leaves of roles, each key of a role as ``editor__model``."""
    return [Leaf(("roles", *name.split("__")), value, Origin(kind, where)) for name, value in roles.items()]


def test_for_each_key_the_first_layer_that_gives_it_counts_and_is_remembered() -> None:
    found = merge(
        [
            layer("environment", "AIDX_X", editor__ctx_size=1024),
            layer("project", "aidx.toml:2", editor__model="new", editor__ctx_size=2048),
            layer("user", "~/config.toml:1", editor__model="old", editor__parallel=2),
        ]
    )
    editor = found.config.roles["editor"]
    assert (editor.model, editor.ctx_size, editor.parallel) == ("new", 1024, 2)
    origins = {key: found.origin("roles", "editor", key).kind for key in ("ctx_size", "model", "parallel", "gate")}
    assert origins == {"ctx_size": "environment", "model": "project", "parallel": "user", "gate": "default"}
    assert found.origin("serve", "port") == DEFAULT
    assert found.given("roles", "editor") == {"model": "new", "ctx_size": 1024, "parallel": 2}
    assert found.given("serve") == {}


def test_roles_stand_in_the_order_of_the_role_map_whichever_layer_named_them_first() -> None:
    found = merge([layer("environment", verifier__gate=9), layer("project", editor__model="m", verifier__model="m")])
    assert list(found.config.roles) == ["editor", "verifier"]


@pytest.mark.parametrize(
    ("roles", "says"),
    [
        ({"editor__ctx_size": 9}, "roles.editor: has no model"),
        ({"editor__model": "m", "editor__pattern": "cascade"}, "both a model and a pattern"),
        ({"architect__pattern": "cascade"}, "needs two other roles"),
        ({"drafter__model": "m", "drafter__engine": "aider"}, "can only edit"),
        ({"editor__model": "m", "editor__engine": "aidx"}, "another node"),
        ({"editor__model": "m", "editor__device": "host", "editor__n_gpu_layers": "all"}, "leaves no layers"),
        ({"editor__model": "m", "editor__url": "127.0.0.1:11434"}, "no address"),
        ({"editor__model": "m", "editor__url": "http://me:secret@host/"}, "no address"),
    ],
)
def test_what_contradicts_itself_is_refused_with_its_place(roles, says) -> None:
    with pytest.raises(InputError, match=says) as refused:
        merge([layer("project", "aidx.toml:7", **roles)])
    assert str(refused.value).startswith("aidx.toml:7: ")
    assert refused.value.hint
    assert "secret" not in str(refused.value)


def device(kind, **keys):
    return [Leaf(("device", name), value, Origin(kind, f"{kind} {name}")) for name, value in keys.items()]


def test_who_names_a_card_has_said_its_size_and_the_other_way_round() -> None:
    for one, other in (("vram", "gpu"), ("gpu", "vram")):
        found = merge([device("project", **{one: (1,)}), device("user", **{other: (2,)}, host_ram=3)])
        assert found.given("device") == {one: (1,), "host_ram": 3}
    with pytest.raises(InputError, match=r"project gpu: device\.gpu and device\.vram both say"):
        merge([device("project", vram=(1,), gpu=("a",))])


def test_a_cascade_is_a_role_without_a_model() -> None:
    found = merge([layer("project", architect__pattern="cascade", drafter__model="a", verifier__model="b")])
    assert found.config.roles["architect"].pattern == "cascade"


def environment(**variables):
    return {leaf.path: leaf.value for leaf in from_environment(variables)}


def test_the_environment_speaks_text_or_toml() -> None:
    assert environment(
        AIDX_SERVE_PORT="9000",
        AIDX_ROUTE_LOCAL_ONLY="true",
        AIDX_DEVICE_VRAM='["12GiB", "8GiB"]',
        AIDX_DEVICE_HOST_RAM="16GiB",
        AIDX_ROLES_EDITOR_MODEL="qwen2.5-coder:14b",
        AIDX_ROLES_EDITOR_CTX_SIZE="max",
        AIDX_ROLES_DRAFTER_MAX_CHAT_HISTORY_TOKENS="100",
        AIDX_CHECKS_TESTS='["pytest", "-q"]',
    ) == {
        ("serve", "port"): 9000,
        ("route", "local_only"): True,
        ("device", "vram"): (12 << 30, 8 << 30),
        ("device", "host_ram"): 16 << 30,
        ("roles", "editor", "model"): "qwen2.5-coder:14b",
        ("roles", "editor", "ctx_size"): "max",
        ("roles", "drafter", "max_chat_history_tokens"): 100,
        ("checks", "tests"): ("pytest", "-q"),
    }


def test_a_model_that_looks_like_a_number_stays_text() -> None:
    assert environment(AIDX_ROLES_EDITOR_MODEL="7") == {("roles", "editor", "model"): "7"}


def test_variables_of_others_are_left_alone() -> None:
    assert environment(AIDX_CONFIG="x", AIDX_KEY="y", AIDX_TEST_KEY="z", HOME="/", AIDX_PARENT_PID="1") == {}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("AIDX_SERVE_PRT", "1", r"AIDX_SERVE_PRT: unknown key 'prt' in \[serve\] \(nearest: port\)"),
        ("AIDX_SERVE_PORT", "many", r"AIDX_SERVE_PORT: serve\.port: expected int, got str"),
        ("AIDX_SERVE_PORT", "1\nhost = 2", r"AIDX_SERVE_PORT: serve\.port: expected int, got str"),
        ("AIDX_ROLES_EDITR_MODEL", "m", r"unknown role 'editr' \(nearest: editor\)"),
        ("AIDX_ROLES_EDITOR", "m", r"AIDX_ROLES_EDITOR names no key"),
        ("AIDX_DEVICE_VRAM", "[", r"AIDX_DEVICE_VRAM: device\.vram: '\[' is not a size"),
    ],
)
def test_a_wrong_variable_is_named(name, value, says) -> None:
    with pytest.raises(InputError, match=says):
        environment(**{name: value})
