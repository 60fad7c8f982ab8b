import tomllib

import pytest

from aidx.config.decode import ROLES, TABLES, leaves
from aidx.config.places import TABLES as NAMED
from aidx.config.values import Config
from aidx.errors import InputError
from aidx.plan.deployment.members import ROLES as RANKED


def read(text):
    return dict(leaves(tomllib.loads(text), lambda path: f"here:{'.'.join(path)}"))


DESIGN = """
[device]
vram = ["12GiB"]
host_ram = "16GiB"
[roles.editor]
model = "qwen2.5-coder:14b-instruct-q4_K_M"
engine = "auto"
ctx_size = 8192
max_tokens = 1024
parallel = 1
gate = 4096
max_chat_history_tokens = 2048
cache_type_k = "q8_0"
cache_type_v = "q8_0"
edit_format = "blocks"
[roles.architect]
model = "claude-sonnet-4"
engine = "anthropic"
api_key_env = "ANTHROPIC_API_KEY"
[pipeline]
max_kv = "4GiB"
[route]
local_only = false
[checks]
tests = ["pytest", "-q"]
[index]
store = "fts5"
[serve]
host = "127.0.0.1"
port = 8411
"""


def test_the_file_of_the_design_is_read_whole() -> None:
    found = read(DESIGN)
    assert found["device", "vram"] == (12 << 30,)
    assert found["pipeline", "max_kv"] == 4 << 30
    assert found["checks", "tests"] == ("pytest", "-q")
    assert found["roles", "architect", "api_key_env"] == "ANTHROPIC_API_KEY"
    assert len(found) == DESIGN.count(" = ")


def test_one_size_may_stand_without_a_list() -> None:
    assert read('[device]\nvram = "0"') == {("device", "vram"): (0,)}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "[roles.editor]\nctxsize = 1",
            r"here:roles\.editor\.ctxsize: unknown key 'ctxsize' in \[roles\.editor\] \(nearest: ctx_size",
        ),
        ("[roles.editr]\nmodel = 'm'", r"unknown role 'editr' \(nearest: editor\)"),
        ("[roles.zzz]\nmodel = 'm'", r"unknown role 'zzz' \(known: researcher, "),
        ("[devices]\nvram = '1G'", r"unknown table or key 'devices' \(nearest: device\)"),
        ("[serve]\nprot = 1", r"unknown key 'prot' in \[serve\] \(nearest: port\)"),
        ("serve = 1", r"serve: is a table"),
        ("[roles]\neditor = 'm'", r"roles\.editor: is a table: write \[roles\.editor\]"),
        ("[roles.editor]\nctx_size = 'many'", r"ctx_size: expected a whole number or max, got 'many'"),
        ("[roles.editor]\nctx_size = true", r"ctx_size: expected a whole number or max, got bool"),
        ("[roles.editor]\nctx_size = 0", r"ctx_size: expected int >= 1"),
        ("[roles.editor]\nctx_size = 1.5", r"ctx_size: expected a whole number or max, got float"),
        ("[roles.editor]\nengine = 'olama'", r"engine: expected auto, embedded, .*, got 'olama'"),
        ("[roles.editor]\nmodel = 7", r"model: expected text, got int"),
        ("[device]\nvram = ['12GiB', 'big']", r"device\.vram: 'big' is not a size"),
        ("[device]\nvram = 12", r"12 is 12 bytes, no size of a memory"),
        ("[device]\nhost_ram = [1]", r"host_ram: expected a size such as '12GiB', got list"),
        ("[pipeline]\nmax_kv = '-1G'", r"max_kv: '-1G' is not a size"),
        ("[serve]\nport = 65536", r"port: expected int <= 65535"),
        ("[checks]\ntests = 'pytest -q'", r"checks\.tests: expected array, got str"),
        ("[checks]\ntests = []", r"checks\.tests: expected array of length >= 1"),
        ("[route]\nlocal_only = 'yes'", r"local_only: expected bool, got str"),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_what_is_right(text, says) -> None:
    with pytest.raises(InputError, match=says):
        read(text)


SECRETS = ["sk-" + "a1B2" * 8, "gsk_" + "x" * 30, "hf_" + "Q" * 30, "AIza" + "0" * 30]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "text",
    [
        '[roles.editor]\napi_key_env = "{}"',
        '[serve]\napi_key_env = "{}"',
        '[roles.editor]\nmodel = "{}"',
        '[roles.editor]\nengine = "{}"',
        '[roles.editor]\napi_key = "{}"',
        '[checks]\ntests = ["x", "{}"]',
    ],
)
def test_a_key_is_refused_and_never_shown(text, secret) -> None:
    with pytest.raises(InputError) as refused:
        read(text.format(secret))
    assert secret not in f"{refused.value} {refused.value.hint}"
    assert secret[8:] not in str(refused.value)


@pytest.mark.parametrize("name", ["MY KEY", "ключ", "a-b", "", "deadbeef0123456789abcdef", "1KEY"])
def test_what_is_no_name_of_a_variable_is_refused_and_not_shown(name) -> None:
    with pytest.raises(InputError, match="expected the name of a variable") as refused:
        read(f'[serve]\napi_key_env = "{name}"')
    assert not name or name not in str(refused.value)


def test_every_table_is_known_everywhere() -> None:
    assert set(NAMED) == set(Config.__struct_fields__) == {*TABLES, "roles", "checks"}
    assert sorted(ROLES) == sorted(RANKED)
