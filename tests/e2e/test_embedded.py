"""The embedded engine with the shipped model: its account, its secrets, and that it never outlives us."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from itertools import pairwise
from pathlib import Path

import gguf
import psutil
import pytest
from tests.talking import talk

from aidx.adapters.engines.embedded import ENGINE
from aidx.adapters.stores import shipped
from aidx.budget.settings import Settings
from aidx.errors import EngineError
from aidx.ports.engine import Launch

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc, or uses its death signal")
PARENT = """
import signal, sys, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup, around the tests, would have it ignored
from aidx.adapters.engines.embedded import ENGINE
from aidx.budget.settings import Settings
from aidx.ports.engine import Launch
deployment = ENGINE.start(Launch(sys.argv[1], "tiny", Settings(1024), threads=1))
print(deployment.pid, flush=True)
time.sleep(60)
"""
LOADING = """
import os, sys, threading, time
from aidx.adapters.engines.embedded import ENGINE
from aidx.budget.settings import Settings
from aidx.ports.engine import Launch
import aidx.adapters.child as child
spawn = child.spawn
def told(*given, **options):
    process = spawn(*given, **options)
    print(process.pid, flush=True)
    return process
child.spawn = told
ENGINE.start(Launch(sys.argv[1], "tiny", Settings(1024), threads=1))
"""


def launch(**settings):
    return Launch(shipped.path(), "tiny", Settings(**{"ctx_size": 1024, **settings}), threads=1)


@pytest.fixture
def deployment():
    running = ENGINE.start(launch())
    yield running
    running.stop()


def gone(pid, seconds=2.0):
    """Whether *pid* ends within *seconds*; a zombie that nobody reaps counts as ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


def test_its_account_agrees_with_the_file_and_the_context(deployment):
    found = deployment.allocated()
    tensors = gguf.GGUFReader(shipped.path()).tensors
    host = {entry.what: entry.bytes for entry in found.devices["host"]}

    assert set(found.devices) == {"host"}
    assert set(host) == {"weights", "kv_cache", "compute", "output"}
    assert host["weights"] == pytest.approx(sum(tensor.n_bytes for tensor in tensors), abs=found.resolution)
    assert found.n_ctx == 1024
    assert found.build == "xllamacpp 2026.10.11549"
    assert sum(host.values()) < found.resident < sum(host.values()) + (200 << 20)


def test_its_cache_follows_the_settings():
    def cache(**settings):
        running = ENGINE.start(launch(**settings))
        try:
            found = running.allocated()
        finally:
            running.stop()
        return sum(entry.bytes for entry in found.devices["host"] if entry.what == "kv_cache"), found.n_ctx

    plain, n_ctx = cache()
    assert n_ctx == 1024
    assert cache(ctx_size=512) == (plain // 2, 512)
    assert cache(cache_type_k="q8_0", cache_type_v="q8_0")[0] == pytest.approx(plain * 17 / 32, abs=21_000)
    assert cache(parallel=2, kv_unified=False) == (plain, 1024)


@LINUX
def test_between_two_looks_at_who_left_it_reads_what_it_computes_at_once():
    """And its buffers are those of the plan, whose batch is larger."""
    found = []
    for batch in (128, 2048):
        settings = Settings(ctx_size=1024, ubatch_size=128, batch_size=batch)
        running = ENGINE.start(Launch(shipped.path(), "tiny", settings, threads=1))
        try:
            steps = [after - before for before, after in pairwise([0, *talk(running, progress)])]
            found.append({entry.what: entry.bytes for entry in running.allocated().devices["host"]})
        finally:
            running.stop()
        assert max(steps) <= 128
        assert len(steps) > 4
    assert found[0] == found[1]


async def progress(chat):
    """How far it says that it is with a long prompt, again and again."""
    fields = {"messages": [{"role": "user", "content": "def f(x):\n" * 90}], "max_tokens": 1, "stream": True}
    body = json.dumps({**fields, "return_progress": True, "cache_prompt": False}).encode()
    events = b"".join([piece async for piece in chat.answer(body, slot=0)]).split(b"\n\n")
    told = [json.loads(event.removeprefix(b"data: ")) for event in events if b"prompt_progress" in event]
    return [each["prompt_progress"]["processed"] for each in told]


def test_its_key_and_ours_are_not_to_be_seen(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "canary-of-ours")
    running = ENGINE.start(launch())
    try:
        for name in ("cmdline", "environ"):
            text = Path(f"/proc/{running.pid}/{name}").read_bytes()
            assert text
            assert running._key.encode() not in text
            assert b"canary-of-ours" not in text
    finally:
        running.stop()


def test_without_the_key_nobody_is_served(deployment):
    request = urllib.request.Request(f"{deployment._url.geturl()}/v1/chat/completions", data=b"{}")

    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=5)
    refused.value.close()
    assert refused.value.code == 401
    assert deployment._url.hostname == "127.0.0.1"


@LINUX
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGABRT, signal.SIGHUP])
def test_it_does_not_outlive_its_parent(number):
    with subprocess.Popen([sys.executable, "-c", PARENT, shipped.path()], stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.send_signal(number)
        parent.wait(5)

        assert gone(pid)


@LINUX
def test_it_does_not_outlive_its_parent_while_it_loads(tmp_path):
    slow = tmp_path / "slow.gguf"
    os.mkfifo(slow)  # opening it for reading blocks: a load that never ends
    with subprocess.Popen([sys.executable, "-c", LOADING, str(slow)], stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        time.sleep(0.3)  # it now imports, or already loads; either must do
        parent.kill()
        parent.wait(5)

        assert gone(pid)


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_left_early_is_over_when_it_says_so(deployment, stream):
    async def talk():
        chat = deployment.chat()
        fields = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 900, "ignore_eos": True}
        generator = chat.answer(json.dumps({**fields, "stream": stream}).encode(), slot=0)
        first = asyncio.create_task(anext(generator))
        await asyncio.sleep(0.05)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await generator.aclose()
        _, slots = await chat._pool.request("GET", "/slots")
        chat.close()
        return json.loads(slots)

    assert [slot["is_processing"] for slot in asyncio.run(talk())] == [False]


def test_stopping_is_quick_even_in_the_middle_of_an_answer(deployment):
    async def talk():
        chat = deployment.chat()
        fields = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 900, "ignore_eos": True, "stream": True}
        stream = chat.answer(json.dumps(fields).encode(), slot=0)
        await anext(stream)
        began = time.monotonic()
        deployment.stop()
        took = time.monotonic() - began
        with pytest.raises(EngineError, match="the engine"):
            async for _ in stream:
                pass
        chat.close()
        return took

    assert asyncio.run(talk()) < 2
    assert gone(deployment.pid, 0.1)


@LINUX
def test_stopping_does_not_wait_for_an_engine_that_hangs(deployment):
    os.kill(deployment.pid, signal.SIGSTOP)
    began = time.monotonic()

    deployment.stop()

    assert time.monotonic() - began < 3
    assert gone(deployment.pid, 0.1)


@LINUX
def test_its_death_is_seen_and_named():
    running = ENGINE.start(launch())

    async def watch():
        ended = asyncio.create_task(running.ended())
        await asyncio.sleep(0)
        os.kill(running.pid, signal.SIGSEGV)
        return await asyncio.wait_for(ended, 2)

    assert asyncio.run(watch()) == "the engine was ended by signal 11"
    running.stop()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"n_gpu_layers": 3}, "3 layers are planned on a GPU"),
        ({"n_gpu_layers": 3, "n_cpu_moe": 1}, "experts"),
        ({"flash_attn": False, "cache_type_v": "q8_0"}, "quantized V cache requires flash_attn"),
    ],
)
def test_what_it_cannot_do_it_says_and_leaves_nothing_behind(settings, says):
    before = {child.pid for child in psutil.Process().children()}

    with pytest.raises(EngineError, match=says) as failed:
        ENGINE.start(launch(**settings))

    assert failed.value.hint
    assert {child.pid for child in psutil.Process().children()} <= before


def test_a_file_that_is_no_model_is_named_with_the_cause(tmp_path):
    path = tmp_path / "text.gguf"
    path.write_text("import this\n" * 100)

    with pytest.raises(EngineError, match=r"text\.gguf: .*invalid magic"):
        ENGINE.start(Launch(str(path), "text", Settings(1024)))
