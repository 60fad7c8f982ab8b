"""The engine dies, hangs, is missing or is another one; the parent dies: nothing is left over, nothing raised."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from select import select

import pytest
from tests.fakes.models import qwen2, with_metadata

from aidx.adapters.llama import prober as module
from aidx.adapters.llama.prober import EngineProber
from aidx.budget.settings import Settings
from aidx.plan.probe import Answer, Probe, Probed, Unanswered

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the engine is asked on Linux x86-64 only")
MODEL = qwen2(blocks=2)
GOOD = Probe(MODEL, Settings(ctx_size=4096, n_gpu_layers=3), (12 << 30,))


@pytest.fixture
def prober() -> Iterator[EngineProber]:
    one = EngineProber()
    yield one
    one.close()


def child(prober: EngineProber) -> int:
    assert prober._child is not None
    return prober._child.process.pid


def ended(pidfd: int) -> bool:
    """Whether the process behind *pidfd* ends within ten seconds."""
    readable, _, _ = select([pidfd], [], [], 10)
    os.close(pidfd)
    return bool(readable)


def unanswered(answer: Answer) -> Unanswered:
    assert isinstance(answer, Unanswered)
    assert "\n" not in answer.reason
    return answer


def test_an_engine_that_aborts_is_survived(prober):
    prober.ask(GOOD)
    first = child(prober)
    answer = unanswered(prober.ask(Probe(qwen2(2, block_count=100_000), GOOD.settings)))

    assert answer.refused
    assert answer.reason.startswith("the engine died: src/llama-model.cpp")
    assert "LLAMA_MAX_LAYERS" in answer.reason
    assert isinstance(prober.ask(GOOD), Probed)
    assert child(prober) != first


def test_a_tensor_that_does_not_fit_the_metadata_is_refused_with_its_name(prober):
    answer = unanswered(prober.ask(Probe(qwen2(2, attention__head_count_kv=7), GOOD.settings)))

    assert answer.refused
    assert answer.reason == (
        "the engine refuses: check_tensor_dims: tensor 'blk.0.attn_k.weight' has wrong shape; "
        "expected 5120, 896, got 5120, 1024, 1, 1"
    )


def test_an_architecture_that_the_engine_does_not_know_is_refused(prober):
    metadata = {**MODEL.header.metadata, "general.architecture": "mamba9"}
    answer = unanswered(prober.ask(Probe(with_metadata(MODEL, metadata), GOOD.settings)))

    assert answer.refused
    assert "unknown model architecture: 'mamba9'" in answer.reason


def test_another_version_is_not_asked():
    prober = EngineProber(pinned="2020.1.1")
    answer = unanswered(prober.ask(GOOD))

    assert not answer.refused
    assert answer.reason == "xllamacpp 2026.10.11549 is installed, and 2020.1.1 is known"
    prober.close()


def test_a_library_with_other_structs_is_not_asked(prober, monkeypatch):
    lying = "from aidx.adapters.llama import selfcheck; selfcheck.MODEL_DEFAULTS['n_gpu_layers'] = 7"
    monkeypatch.setattr(module, "BOOT", module.BOOT.replace("; from", f"; {lying}; from", 1))
    answer = unanswered(prober.ask(GOOD))

    assert not answer.refused
    assert answer.reason == (
        "xllamacpp 2026.10.11549 is not the pinned build: "
        "llama_model_default_params gives other values than the pinned build"
    )


def test_a_child_that_cannot_start_is_no_refusal(prober, monkeypatch):
    monkeypatch.setattr(module, "BOOT", "raise SystemExit('no')")
    answer = unanswered(prober.ask(GOOD))

    assert not answer.refused
    assert answer.reason == "the engine's child process cannot start: no"


def test_a_program_that_is_missing_is_no_refusal(prober, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    answer = unanswered(prober.ask(GOOD))

    assert not answer.refused
    assert answer.reason.startswith("the engine's child process cannot be started: ")


def test_an_engine_that_hangs_is_ended_at_the_deadline(prober, monkeypatch):
    prober.ask(GOOD)
    assert prober._child is not None
    monkeypatch.setattr(prober._child, "deadline_s", 0.2)
    os.kill(child(prober), signal.SIGSTOP)
    answer = unanswered(prober.ask(GOOD))

    assert not answer.refused
    assert answer.reason == "the engine gave no answer in 0.2 s"
    assert isinstance(prober.ask(GOOD), Probed)


def test_closing_ends_the_child(prober):
    prober.ask(GOOD)
    pidfd = os.pidfd_open(child(prober))
    prober.close()

    assert ended(pidfd)


def test_warming_starts_the_child_and_a_missing_engine_is_heard_of_later():
    prober, other = EngineProber(), EngineProber(pinned="2020.1.1")
    prober.warm()
    other.warm()

    assert child(prober)
    assert isinstance(prober.ask(GOOD), Probed)
    assert isinstance(other.ask(GOOD), Unanswered)
    prober.close()


PARENT = """
import sys
from aidx.adapters.llama.prober import EngineProber
prober = EngineProber()
prober.warm()
print(prober._child.process.pid, flush=True)
sys.stdin.read()
"""


def test_a_killed_parent_leaves_no_orphan():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdin is not None
    assert parent.stdout is not None
    pidfd = os.pidfd_open(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()

    assert ended(pidfd)
    parent.stdin.close()
    parent.stdout.close()


def test_nothing_is_written_anywhere(prober, monkeypatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    prober.ask(GOOD)
    prober.ask(Probe(qwen2(2, block_count=100_000), GOOD.settings))

    assert list(tmp_path.iterdir()) == []
