"""Several aidx nodes behind one role: one is killed under load."""

import asyncio
import json
import os
import signal
from contextlib import ExitStack

import psutil
import pytest
from tests.endpoint import Endpoint, until

from aidx.adapters.engines.aidx import ENGINE
from aidx.budget.settings import Settings
from aidx.errors import BudgetError, EngineError
from aidx.ports.engine import Launch

SETTINGS = Settings(ctx_size=1024, parallel=6)


@pytest.fixture
def nodes():
    with ExitStack() as stack:
        found = [Endpoint("-np", "2", "-c", "1024") for _ in range(3)]
        for node in found:
            stack.callback(node.stop)
        yield found


def body(number, tokens=200):
    asked = [{"role": "user", "content": f"question {number}"}]
    return json.dumps({"messages": asked, "max_tokens": tokens, "stream": True, "ignore_eos": True}).encode()


def kill(node):
    for process in (*psutil.Process(node.process.pid).children(recursive=True), psutil.Process(node.process.pid)):
        os.kill(process.pid, signal.SIGKILL)


async def load(chat, node, requests):
    """Ask *requests* at a time; kill *node* while it answers some and others wait there.

    Whether each was whole and had begun, and how many waited.
    """

    async def one(number):
        pieces = []
        try:
            async for piece in chat.answer(body(number), slot=0):
                pieces += [piece]
        except EngineError:
            return False, bool(pieces)
        return b"".join(pieces).endswith(b"data: [DONE]\n\n"), bool(pieces)

    tasks = [asyncio.create_task(one(number)) for number in range(requests)]
    while not (taken := await asyncio.to_thread(lambda: node.reserved))["queued"]:
        assert not all(task.done() for task in tasks), "it was never busy"
    kill(node)
    return await asyncio.gather(*tasks), taken


def test_no_request_is_lost_that_had_not_begun_to_answer(nodes):
    deployment = ENGINE.start(Launch("", "editor", SETTINGS, urls=tuple(node.url for node in nodes)))
    assert "3 of 3 nodes answer" in deployment.allocated().build

    async def run():
        chat = deployment.chat()
        try:
            return await asyncio.wait_for(load(chat, nodes[0], 18), 120)
        finally:
            chat.close()

    found, taken = asyncio.run(run())
    assert (taken["requests"], taken["queued"] > 0) == (2, True)
    assert all(begun for complete, begun in found if not complete), found
    assert sum(not complete for complete, _ in found) <= taken["requests"]


def test_when_the_last_node_is_back_requests_are_answered_and_until_then_told_to_come_again(tmp_path):
    node = Endpoint("-np", "2", "-c", "1024")
    table = f'[roles.editor]\nmodel = "editor"\nengine = "aidx"\nurl = "{node.url}"\nctx_size = 1024\n'
    (tmp_path / "aidx.toml").write_text(table, "utf-8")
    with ExitStack() as stack:
        stack.callback(node.stop)
        balancer = Endpoint(model=(), folder=tmp_path)
        stack.callback(balancer.stop)
        assert "editor = editor elsewhere (1,024 tokens a request)" in balancer.lines.get(timeout=5)
        until(lambda: balancer.call("/ready")[0] == 200)
        assert balancer.ask(max_tokens=1)[0] == 200
        kill(node)
        node.process.wait()
        for _ in range(2):
            status, headers, answer = balancer.ask(max_tokens=1)
            assert (status, answer["error"]["code"]) == (503, "engine_loading")
            assert int(headers["retry-after"]) >= 1
            assert balancer.call("/ready")[0] == 503
        until(lambda: not balancer.lines.empty() and "asking again" in balancer.lines.get(), 30)
        again = Endpoint("-np", "2", "-c", "1024", "--port", node.url.rpartition(":")[2])
        stack.callback(again.stop)
        until(lambda: balancer.call("/ready")[0] == 200, 30)
        assert balancer.ask(max_tokens=1)[0] == 200


def test_nodes_are_read_back_and_one_is_enough(nodes):
    urls = tuple(node.url for node in nodes[:2])
    kill(nodes[0])
    nodes[0].process.wait()
    assert "1 of 2 nodes" in ENGINE.start(Launch("", "editor", SETTINGS, urls=urls)).allocated().build
    with pytest.raises(BudgetError, match="1,024 tokens, and 2,048"):
        ENGINE.start(Launch("", "editor", Settings(ctx_size=2048), urls=urls))
    with pytest.raises(EngineError, match=r"offers .*editor.*, and not other"):
        ENGINE.start(Launch("", "other", SETTINGS, urls=urls))
