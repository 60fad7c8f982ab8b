"""An engine that takes more memory than it was planned to is ended before the machine has none left."""

import json
import threading
import time
import urllib.error
import urllib.request

import psutil
import pytest
from tests.fakes.lying import Lies, LyingEngine

from aidx import wiring
from aidx.adapters.host import own_memory
from aidx.advise import plan as make
from aidx.budget.sizes import MIB
from aidx.plan.need import Need
from aidx.plan.wish import Wish
from aidx.ports.engine import Launch
from aidx.serve.run.beside import beside
from aidx.serve.run.keep import Offer, Process
from aidx.serve.run.listen import Listen
from aidx.wiring.engines import Bounds
from aidx.wiring.serving import offers

BORNE = 160 * MIB
METRICS = ("memory_bytes", "memory_limit_bytes", "outgrown_total")


@pytest.fixture(scope="module")
def plan():
    tiny = wiring.resolve("aidx-tiny")
    need = Need(ctx_size=1024)
    with wiring.asking(need) as prober:
        return make(tiny.model, need, wiring.machine(Wish(vram=(0,))), prober)


@pytest.fixture(scope="module")
def made(plan):
    """What `aidx serve` makes of the plan."""
    return offers(plan, {}, Bounds(), lambda _: None, alone="editor")[0]


def growing(plan, made, pids):
    """The same offer; what starts for it grows, and is borne less."""
    mine = plan.roles[0]

    def start():
        lies = Lies(grows=64 * MIB) if not pids else Lies()
        running = LyingEngine(lies).start(Launch(mine.model.path, mine.model.name, mine.settings))
        pids.append(running.pid)
        return running

    made.process.memory.borne = BORNE
    process = Process(made.process.role, start, made.process.cell_bytes, memory=made.process.memory)
    return Offer(made.role, made.model, made.limits, process)


def ask(url, *, stream):
    messages = [{"role": "user", "content": "x"}]
    fields = {"model": "editor", "messages": messages, "max_tokens": 900, "ignore_eos": True, "stream": stream}
    try:
        with urllib.request.urlopen(f"{url}/v1/chat/completions", json.dumps(fields).encode(), timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_an_engine_that_grows_is_ended_and_started_again(plan, made):
    pids, told, found, over, looks = [], [], [], threading.Event(), [0]

    def look(pid):
        held = own_memory(pid)
        looks.append(held or 0)
        return held

    made.process.memory.look = look

    def load(url, stream):
        while not over.is_set():
            found.append((stream, *ask(url, stream=stream)))

    with beside(growing(plan, made, pids), {}, Listen(port=0), tell=told.append, log=lambda _: None) as url:
        clients = [threading.Thread(target=load, args=(url, stream)) for stream in (False, True)]
        for client in clients:
            client.start()
        end = time.monotonic() + 60
        while not told and time.monotonic() < end:
            time.sleep(0.02)
        while len(pids) < 2 and time.monotonic() < end:
            time.sleep(0.02)
        over.set()
        for client in clients:
            client.join()
        assert not psutil.pid_exists(pids[0])
        assert ask(url, stream=False)[0] == 200
        with urllib.request.urlopen(f"{url}/metrics") as answer:
            metrics = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if line[0] != "#")

    memory = made.process.memory
    read = {name: int(metrics[f'aidx_engine_{name}{{role="editor"}}']) for name in METRICS}
    assert read == {"memory_bytes": memory.held, "memory_limit_bytes": memory.most, "outgrown_total": 1}
    assert 0 < memory.held < memory.planned
    assert memory.most < max(looks) < memory.most + 512 * MIB  # what it took between two looks
    assert told[0].startswith("aidx: editor: the engine held 0.")
    assert "planned and" in told[0]
    assert told[0].endswith("starting it again in 0.1 s")
    assert memory.outgrown == 1
    broken = [(stream, body) for stream, status, body in found if status == 502 or b'data: {"error"' in body]
    assert broken  # whoever was being answered was told so, once
    assert all(body.count(b'"error"') == 1 for _, body in broken)
    assert {status for _, status, _ in found} <= {200, 502, 503}


def test_what_is_planned_is_the_bound_and_the_real_engine_is_far_below_it(plan, made):
    host = plan.ledger.account("host")
    running = made.process.start()
    try:
        assert made.process.memory.planned == host.planned
        assert own_memory(running.pid) < host.planned
    finally:
        running.stop()
