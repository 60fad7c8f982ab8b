"""What fills a role: the seam through which serve, ask and run get their models."""

import json

import pytest

from aidx import wiring
from aidx.advise import deploy
from aidx.config.values import RoleTable
from aidx.errors import BudgetError, EngineError, InputError
from aidx.gate.prompt import Prompt
from aidx.gate.run import ask
from aidx.plan.deployment.members import Member, Remote
from aidx.plan.need import Need
from aidx.plan.wish import Wish
from aidx.serve.wire import parse

TINY = Member("editor", wiring.resolve("aidx-tiny").model, Need(ctx_size=512, parallel=2))


def deployed(*members: Member, remotes=(), machine=None):
    return deploy(members, machine or wiring.machine(Wish(vram=(0,))), None, remotes)


def hello() -> Prompt:
    request = {"model": "x", "messages": [{"role": "user", "content": "x"}], "stream": True, "max_tokens": 4}
    return parse(json.dumps(request).encode()).prompt


def test_a_role_here_is_started_with_its_plan_and_its_table_s_bounds():
    said: list[str] = []
    table = RoleTable(model="aidx-tiny", gate=200, max_tokens=20)
    filled = wiring.fill(deployed(TINY), table, tell=said.append)

    assert (filled.role, filled.model, filled.leaves, filled.embeds) == ("editor", "aidx-tiny", False, False)
    assert (filled.limits.n_ctx, filled.limits.slots, filled.limits.gate, filled.limits.max_tokens) == (512, 2, 200, 20)
    assert filled.cell_bytes > 0
    assert filled.own() is not None
    assert ask(filled.start, filled.limits, hello(), said.append).usage["completion_tokens"] <= 4
    assert said


def test_what_is_given_counts_before_the_table():
    table = RoleTable(model="aidx-tiny", gate=200, max_tokens=20, overflow="compact")
    found = wiring.fill(deployed(TINY), table, bounds=wiring.Bounds(gate=100, history=0)).limits

    assert (found.gate, found.max_tokens, found.history, found.overflow) == (100, 20, 0, "compact")


def test_each_role_of_a_deployment_is_filled():
    tables = {
        "editor": RoleTable(model="aidx-tiny"),
        "architect": RoleTable(model="claude-sonnet-4", engine="anthropic"),
    }
    whole = deployed(TINY, remotes=[Remote("architect", "claude-sonnet-4", "anthropic")])
    editor, architect = wiring.fill_all(whole, tables)

    assert (editor.role, editor.leaves) == ("editor", False)
    assert (architect.role, architect.leaves, architect.cell_bytes, architect.path) == ("architect", True, 0, None)


def test_a_role_elsewhere_has_the_context_that_is_published_or_configured():
    published = wiring.elsewhere("architect", RoleTable(model="claude-sonnet-4", engine="anthropic")).limits
    configured = wiring.elsewhere(
        "architect", RoleTable(model="mine", engine="openai", ctx_size=4096, parallel=2)
    ).limits

    assert published.n_ctx_seq == 200_000
    assert published.max_tokens == 8192
    assert (configured.n_ctx_seq, configured.slots, configured.n_ctx, configured.max_tokens) == (4096, 2, 8192, 1024)


def test_a_context_that_nobody_knows_is_asked_for():
    with pytest.raises(InputError, match="context of mine is not known") as wrong:
        wiring.elsewhere("architect", RoleTable(model="mine", engine="openai"))
    assert "ctx_size" in wrong.value.hint


def test_a_deployment_that_does_not_hold_is_not_filled():
    small = wiring.machine(Wish(vram=(0,), host_ram=1 << 20))
    with pytest.raises(BudgetError):
        wiring.fill(deployed(TINY, machine=small))


def test_an_engine_that_nobody_can_start_is_missing():
    with pytest.raises(EngineError) as missing:
        wiring.elsewhere("editor", RoleTable(model="m", engine="aider", ctx_size=4096)).start()
    assert missing.value.code == "engine_missing"


def test_a_key_comes_from_the_variable_that_is_named_and_from_nowhere_else(monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    table = RoleTable(model="claude-sonnet-4", engine="anthropic", api_key_env="NO_SUCH_KEY")
    with pytest.raises(InputError, match="NO_SUCH_KEY"):
        wiring.elsewhere("architect", table).start()


@pytest.mark.parametrize(
    ("engine", "url", "proxy", "said"),
    [
        (
            "openai",
            "https://service.example/v1",
            "http://me:secret@proxy.example:3128",
            "by the proxy that HTTPS_PROXY",
        ),
        ("openai", None, "proxy.example", "by the proxy that HTTPS_PROXY"),
        ("openai", "https://service.example/v1", "socks5://proxy.example", "not used, for it is no http:// address"),
        ("aidx", "https://node.example", "http://proxy.example", "not used: aidx is asked directly"),
        ("openai", "https://far.example", "http://proxy.example", None),
        ("openai", "https://10.0.0.5", "http://proxy.example", None),
        ("openai", "http://127.0.0.1:9", "http://proxy.example", None),
    ],
)
def test_what_becomes_of_a_proxy_is_said_without_its_address(monkeypatch, engine, url, proxy, said):
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setenv("NO_PROXY", "far.example")
    lines = []
    wiring.elsewhere("architect", RoleTable(model="large", engine=engine, url=url, ctx_size=4096), tell=lines.append)

    assert len(lines) == (said is not None)
    assert all(said in line and "proxy.example" not in line and "secret" not in line for line in lines)
