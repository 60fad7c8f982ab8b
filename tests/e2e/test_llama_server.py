"""llama-server: flags are the plan, and one that runs already is held against it."""

import asyncio
from urllib.parse import urlsplit

import pytest
from tests.fakes.hosts.llama_server import running, started
from tests.fakes.program import on_path
from tests.fakes.upstream import say, upstream

from aidx import wiring
from aidx.adapters.engines import llama_server
from aidx.adapters.http import Pool
from aidx.adapters.stores import shipped
from aidx.adapters.talk.served import ServedChat
from aidx.adapters.talk.unknown import probe_unknown
from aidx.advise import deploy
from aidx.budget.settings import Settings
from aidx.config.values import RoleTable
from aidx.errors import BudgetError, EngineError
from aidx.plan.deployment.members import Member
from aidx.plan.need import Need
from aidx.plan.wish import Wish
from aidx.ports.engine import Launch

SETTINGS = Settings(ctx_size=512, parallel=2)
LAUNCH = Launch(shipped.path(), "tiny", SETTINGS, threads=1)


@pytest.fixture(scope="module")
def attached():
    with running(LAUNCH) as ready:
        yield ready


def planned(**need):
    member = Member("editor", wiring.resolve("aidx-tiny").model, Need(engine="llama-server", **need))
    with wiring.asking(member.need) as prober:
        return deploy([member], wiring.machine(Wish(vram=(0,))), prober)


@pytest.mark.parametrize(
    "changes",
    [
        {"cache_type_k": "q8_0", "cache_type_v": "q8_0"},
        {"parallel": 2, "kv_unified": False, "ctx_size": 1024},
        {"parallel": 3, "ubatch_size": 64, "batch_size": 128},
        {"flash_attn": False, "swa_full": True},
    ],
)
def test_what_it_allocates_is_what_was_planned(changes):
    """``wiring.start`` compares entry by entry with its log, and says how many agree."""
    plan = planned(**{"ctx_size": 512, **changes})
    said = []
    with on_path("llama-server", "llama_server_program.py"):
        wiring.start(plan, said.append).stop()

    assert said[0].startswith("aidx: aidx-tiny: allocated ")
    assert "each as planned" in said[0]


def test_without_the_program_it_says_where_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="no llama-server on PATH") as missing:
        llama_server.ENGINE.start(LAUNCH)
    assert "Install" in missing.value.hint


def test_layers_on_a_gpu_that_it_does_not_see_are_not_computed_on_the_cpu():
    with on_path("llama-server", "llama_server_program.py"), pytest.raises(EngineError, match="sees none"):
        llama_server.ENGINE.start(Launch(shipped.path(), "tiny", Settings(ctx_size=512, n_gpu_layers=7), threads=1))


def test_an_older_build_is_started_too():
    with on_path("llama-server", "llama_server_program.py", LLAMA_TEST_OLD="1"), started(LAUNCH) as (url, _):
        assert url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("number", "says", "hint"),
    [(4, "an instruction that this processor", "another build"), (11, "by signal 11", "file")],
)
def test_a_build_for_another_processor_is_known_by_how_it_ends(number, says, hint):
    program = on_path("llama-server", "llama_server_program.py", LLAMA_TEST_SIGNAL=str(number))
    with program, pytest.raises(EngineError, match=says) as ended:
        llama_server.ENGINE.start(LAUNCH)
    assert hint in ended.value.hint


@pytest.mark.parametrize(
    ("settings", "code"),
    [(Settings(ctx_size=1024, parallel=2), "context_too_small"), (Settings(ctx_size=512, parallel=3), "too_few_slots")],
)
def test_one_that_has_less_than_planned_does_not_hold(attached, settings, code):
    with pytest.raises(BudgetError) as less:
        llama_server.ENGINE.start(Launch("", "tiny", settings, urls=attached.urls, key=attached.key))
    assert (less.value.exit_code, less.value.code) == (3, code)


def test_one_that_wants_another_key_says_so(attached):
    with pytest.raises(EngineError) as refused:
        llama_server.ENGINE.start(Launch("", "tiny", SETTINGS, urls=attached.urls, key="another"))
    assert refused.value.code == "key_refused"


def test_what_cannot_be_read_back_is_shown_as_assumed(attached, monkeypatch):
    monkeypatch.setenv("ATTACHED_KEY", attached.key)
    table = RoleTable(model="aidx-tiny", engine="llama-server", url=attached.urls[0], api_key_env="ATTACHED_KEY")
    said = []
    wiring.fill(planned(ctx_size=512, parallel=2), table, tell=said.append).start().stop()

    assert "a context of 512 tokens" in said[0]
    assert "assumed to be as planned, for it does not say: cache_type_k" in said[0]
    assert attached.key not in said[0]


@pytest.mark.parametrize(
    ("schemas", "shapes", "enforced"),
    [
        ("123457", '"zyxwv"', "llguidance"),
        ("150000", '"zyxwv"', "json_schema"),
        ("x", "x", "none"),
        (None, None, "none"),
    ],
)
def test_a_build_is_asked_what_it_enforces_without_a_grammar_that_could_end_it(schemas, shapes, enforced):
    """Builds without llguidance end at a grammar of its, or refuse it; ``None``: it refuses what it does not know."""

    def text(request):
        assert "grammar" not in request.json
        return no_such if schemas is None else say({"choices": [{"text": schemas}]})

    def chat(request):
        assert enforced == "llguidance" or "grammar" not in request.json
        if "response_format" in request.json and shapes is None:
            return no_such
        said = "1" if "grammar" in request.json else shapes
        return say({"choices": [{"message": {"content": said}}]})

    no_such = say({"error": {"message": "unknown field", "code": 400}}, 400)
    routes = {
        ("POST", "/v1/completions"): text,
        ("POST", "/v1/chat/completions"): chat,
        ("GET", "/slots"): lambda _: say([{"is_processing": False}]),
    }
    with upstream(routes) as found:
        asked = ServedChat(Pool("127.0.0.1", urlsplit(found.url).port))
        assert asyncio.run(probe_unknown(asked, embedding=False)) == enforced
