"""``engine = "auto"`` on this machine, whose embedded engine has no GPU."""

import pytest
from msgspec.structs import replace
from tests.fakes.hosts.ollama import ollama
from tests.fakes.program import on_path

from aidx import wiring
from aidx.adapters.stores import shipped
from aidx.advise import deploy
from aidx.budget.settings import Settings
from aidx.config.values import RoleTable
from aidx.errors import EngineError, InputError
from aidx.plan.deployment.members import Member
from aidx.plan.need import Need
from aidx.plan.wish import Wish
from aidx.ports.engine import Launch
from aidx.wiring.auto import choose

GPU = {"LLAMA_TEST_GPU": "RTX"}


def planned(*vram):
    member = Member("editor", wiring.resolve("aidx-tiny").model, Need(engine="auto", ctx_size=512))
    return deploy([member], wiring.machine(Wish(vram=vram)), None)


@pytest.fixture
def bare(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")


def test_a_plan_for_the_cpu_is_the_embedded_engine_s(bare):
    running = wiring.start(planned(0))
    assert "xllamacpp" in running.allocated().build
    running.stop()


def test_a_gpu_that_no_engine_sees_is_an_error_with_the_line_that_installs_one(bare):
    with pytest.raises(EngineError, match="is a build for the CPU; llama-server is not on PATH; ollama") as blind:
        wiring.start(planned(8 << 30))
    assert blind.value.exit_code == 4
    assert "brew install llama.cpp" in blind.value.hint


def test_a_llama_server_that_sees_the_gpu_is_taken(bare):
    role = planned(8 << 30).roles[0]
    with on_path("llama-server", "llama_server_program.py", **GPU):
        assert choose(role) == "llama-server"
    with on_path("llama-server", "llama_server_program.py"), pytest.raises(EngineError, match="lists no GPU"):
        choose(role)


def test_one_that_only_says_that_it_sees_it_does_not_run_on_the_cpu(bare):
    said = []
    with on_path("llama-server", "llama_server_program.py", **GPU), pytest.raises(EngineError, match="sees none"):
        wiring.start(planned(8 << 30), said.append)
    assert said == ["aidx: aidx-tiny: engine auto takes llama-server"]


def test_ollama_is_taken_for_a_model_of_its_store(bare, monkeypatch):
    plan = planned(8 << 30)
    role = replace(plan.roles[0], model=replace(plan.roles[0].model, source="ollama", name="tiny"))
    with ollama(Launch(shipped.path(), "tiny", Settings(ctx_size=512), threads=1), vram=99) as (service, _):
        monkeypatch.setenv("OLLAMA_HOST", service.url)
        assert choose(role) == "ollama"
        said = []
        wiring.start(replace(plan, roles=(role,)), said.append).stop()
    assert "attached to Ollama 0.31.0, a context of 512 tokens; assumed" in said[1]


def test_what_runs_at_a_url_must_be_said():
    table = RoleTable(model="aidx-tiny", url="http://127.0.0.1:9")
    with pytest.raises(InputError, match="what runs there"):
        wiring.fill(planned(0), table).start()
